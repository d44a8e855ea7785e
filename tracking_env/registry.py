"""Trackers by name: a table of entry points ``module:attribute``, each imported when it is asked for.

Your own tracker is named by its entry point, such as ``mytracker:MyTracker``: a class or a function that makes an
object with the methods of `tracking_env.trackers.base.Tracker`. The keywords are ``weights`` (paths), ``checkpoint`` (a
path), ``features`` (a name), ``trust`` (true), ``device`` (a name) and ``seed``. A factory gets those that it takes and
that the user gave. A tracker may have an attribute ``id``, a string that identifies its weights: results of different
ids are never mixed. The id of your own tracker also tells its code and its files: it changes when they change.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError, describe, option, suggest
from tracking_env.features.download import find_downloaded, find_in_folder
from tracking_env.files import list_folder, sha256
from tracking_env.trackers.base import Runner, Tracker, Trajectory, run
from tracking_env.trackers.checkpoint import PRETRAINED, read
from tracking_env.trackers.entry_point import choose_options, resolve, source_digests, takes
from tracking_env.trackers.time_limit import SECONDS, TimeLimitedTracker


@dataclass(frozen=True)
class Entry:
    """One row of the table.

    Attributes:
        entry_point: ``module:attribute``.
        kind: ``tracker``: a factory, see above. ``baseline``: a function from a `Sequence` to its pixel boxes
            ``(T, 4)`` that looks at no frame. ``oracle``: a baseline that reads more ground truth than the first box.
        files: patterns of the weights files that it needs, one each; without ``--weights`` those of `DOWNLOAD`.
    """

    entry_point: str
    kind: Literal["tracker", "baseline", "oracle"] = "tracker"
    files: tuple[str, ...] = ()


_LONGEST_ID = 200
NANOTRACK_FILES = ("*backbone*.onnx", "*head*.onnx")
DOWNLOAD = "nano"
"""What `model_zoo.TRACKERS` calls the files of the trackers that name patterns of files: NanoTrack v2."""

TABLE: Mapping[str, Entry] = {
    "static": Entry("tracking_env.trackers.baselines:static_first_box", "baseline"),
    "mean": Entry("tracking_env.trackers.baselines:constant_mean_box", "oracle"),
    "velocity": Entry("tracking_env.trackers.baselines:constant_velocity", "oracle"),
    "replay": Entry("tracking_env.trackers.baselines:replay_and_freeze", "oracle"),
    "late": Entry("tracking_env.trackers.baselines:one_frame_late", "oracle"),
    "copy": Entry("tracking_env.trackers.baselines:copy_first_of_window", "oracle"),
    "mil": Entry("tracking_env.trackers.opencv:mil"),
    "nano": Entry("tracking_env.trackers.opencv:nano", files=NANOTRACK_FILES),
    "nanotrack-v3": Entry("tracking_env.search.experts.nanotrack_v3:tracker"),
    "fear-xs": Entry("tracking_env.search.experts.fear:tracker"),
    "vittrack": Entry("tracking_env.search.experts.vittrack:tracker"),
    "kcf": Entry("tracking_env.trackers.opencv:kcf"),
    "csrt": Entry("tracking_env.trackers.opencv:csrt"),
    "drlt": Entry("tracking_env.trackers.trained:drlt"),
    "search": Entry("tracking_env.search.trained:tracker"),
    "proposals": Entry("tracking_env.search.best_proposal:tracker", files=NANOTRACK_FILES),
    "sb3": Entry("tracking_env.search.sb3:tracker"),
    "experts": Entry("tracking_env.search.ensemble.trained:tracker"),
}
"""What a name stands for."""


@dataclass(frozen=True)
class TrackerSpec:
    """A tracker by name and what it is made with; a value that can be sent to another process.

    Attributes:
        name: a name of `TABLE`, or an entry point ``module:attribute``.
        weights: its weights files, or the folder that holds them.
        checkpoint: folder of a trained agent, a run's or one checkpoint's; or a file of one; or the name of an agent
            that comes with the package, see `trackers.pretrained_names`.
        features: name of the extractor that it was trained on, where the file does not say it.
        trust: run code that is in the file.
        device: where it computes: ``cpu``, ``cuda`` or ``auto``; by default the tracker's own choice.
        timeout: the most seconds that it may take for a frame.

    Raises:
        InputError: the name is neither (when the spec is made, before anything is imported).
    """

    name: str
    weights: tuple[Path, ...] = ()
    checkpoint: Path | None = None
    features: str | None = None
    trust: bool = False
    device: str | None = None
    timeout: float = SECONDS

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise InputError(f"{option('timeout')} is {self.timeout:g}; give a number of seconds above 0")
        module, _, attribute = self.name.partition(":")
        if self.name not in TABLE and not (module and attribute):
            raise InputError(
                f"unknown tracker {self.name!r}{suggest(self.name, TABLE)}; there are {', '.join(TABLE)}, and your own "
                "as module:attribute"
            )

    @property
    def entry(self) -> Entry:
        """Its row of the table; for an entry point, a row made of it."""
        return TABLE.get(self.name) or Entry(self.name)

    @property
    def reads_truth(self) -> bool:
        """Whether it reads more ground truth than the first box."""
        return self.entry.kind == "oracle"

    @property
    def folder(self) -> str:
        """Name of the folder of its results: the tracker's, which for an entry point has a dot for the colon."""
        return self.name.replace(":", ".")

    @property
    def trained_on(self) -> frozenset[str]:
        """Names of the sequences that its agent was trained on; empty where no checkpoint says it."""
        folder = self.checkpoint
        if folder is None and self.name == "search":
            folder = PRETRAINED / "cells"  # as `search.trained.tracker` chooses
        if folder is None:
            return frozenset()
        try:
            return read(folder).trained_on
        except InputError:  # a file of SB3, or a folder for a tracker of the user's own
            return frozenset()

    def make(self, seed: int = 0) -> Runner:
        """Import it and make it.

        Args:
            seed: passed on if the tracker takes one.

        Returns:
            The tracker or baseline, ready to run.

        Raises:
            InputError: it cannot be imported, lacks an option, does not take one that is given, or is no tracker.
        """
        factory = resolve(self.entry.entry_point)
        weights = self._weights_files()
        options = {
            "weights": weights or None,
            "checkpoint": self.checkpoint,
            "features": self.features,
            # False counts as not given, so that factories without this keyword can be called.
            "trust": self.trust or None,
            "device": self.device,
        }
        options = {name: value for name, value in options.items() if value is not None}
        if self.entry.kind != "tracker":
            if options:
                raise InputError(f"{self.name} takes no {option(next(iter(options)))}; leave it out")
            return Runner(self.name, partial(_run_baseline, factory))
        tracker = TimeLimitedTracker(partial(self._make_tracker, factory, options, seed), self.timeout)
        # Results carry this id, and those of different ids are never mixed. A tracker without `files`
        # names its weights in its own id; of your own tracker the code and all files that it gets count.
        digest = _digest(map(sha256, weights)) if self.entry.files else None
        if self.name not in TABLE:
            files = _list_files([*weights, self.checkpoint])
            digest = _digest([*source_digests(factory, self.name), *map(sha256, files)])
        parts = [self.name, getattr(tracker, "id", None), digest]
        return Runner(" ".join(filter(None, parts)), partial(run, tracker), tracker)

    def _weights_files(self) -> list[Path]:
        """The weights files; a folder stands for those of its files that the tracker needs."""
        # Several paths are the files themselves, in the order given.
        patterns = self.entry.files
        if patterns and not self.weights:
            return find_downloaded(self.name, DOWNLOAD)
        if not patterns or len(self.weights) != 1:
            return list(self.weights)
        folder = self.weights[0]
        if not folder.is_dir():
            raise InputError(f"{self.name} needs a folder or {len(patterns)} files; got {option('weights', folder)}")
        return find_in_folder(self.name, DOWNLOAD, folder, patterns)

    def _make_tracker(self, factory: Callable[..., Any], options: dict[str, Any], seed: int) -> Tracker:
        options = choose_options(self.name, factory, options, seed)
        try:
            tracker: Tracker = factory(**options)
            self._check(tracker)
        except (Exception, SystemExit) as error:
            if isinstance(error, InputError) or self.name in TABLE:
                raise
            raise InputError(f"cannot make {self.name}: {describe(error)}") from None
        return tracker

    def _check(self, tracker: Any) -> None:
        if not (takes(tracker, "init", 2) and takes(tracker, "update", 1)):
            made = f"the class {tracker.__name__}" if isinstance(tracker, type) else type(tracker).__name__
            raise InputError(
                f"{self.name} makes {made}, wanted an object with the methods init(frame, box) and update(frame)"
            )
        identity = getattr(tracker, "id", "")
        if not (isinstance(identity, str) and identity.isprintable() and len(identity) <= _LONGEST_ID):
            raise InputError(
                f"the id of {self.name} is {identity!r:.80}, wanted a text of at most {_LONGEST_ID} printable "
                "characters that identifies its weights"
            )


def make_tracker(
    name: str,
    weights: tuple[Path, ...] = (),
    checkpoint: Path | str | None = None,
    features: str | None = None,
    trust: bool = False,
    seed: int = 0,
) -> Tracker:
    """A tracker by name, ready for frames; arguments as of `TrackerSpec`.


    Example:
        Follow a target through the frames of a video::

            tracker = make_tracker("mil")
            tracker.init(frames[0], box)
            boxes = [tracker.update(frame) for frame in frames[1:]]

    Raises:
        InputError: the name is unknown or that of a baseline, or the tracker cannot be made.
    """
    folder = None if checkpoint is None else Path(checkpoint)
    return TrackerSpec(name, weights, folder, features, trust).make(seed).live()


def _run_baseline(baseline: Callable[[Sequence], np.ndarray], sequence: Sequence) -> Trajectory:
    """A baseline's boxes as a run. It looks at no frame, so it has no speed."""
    return Trajectory(baseline(sequence), np.full(len(sequence), np.nan))


def _list_files(paths: Iterable[Path | None]) -> list[Path]:
    """Those of these paths that are files, and the files in these folders."""
    files: list[Path] = []
    for path in filter(None, paths):
        files += list_folder(path) if path.is_dir() else [path]
    return [file for file in files if file.is_file()]


def _digest(digests: Iterable[str]) -> str:
    """Eight hexadecimal digits that identify the contents of files, from the SHA-256 of each."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()[:8]
