"""Trackers by name: a table of entry points ``module:attribute``, each imported when it is asked for.

The table names what lives above this library (the package ``agents`` of a checkout); your own tracker goes by its entry
point, such as ``mytracker:MyTracker``. An entry point is a factory of a `tracking_env.trackers.base.Tracker`, a class
or a function. It is called with those of the keywords ``weights`` (paths), ``checkpoint`` (a path), ``features`` (a
name), ``trust`` (true) and ``seed`` that it has and that are given. A tracker may have an ``id``, a string that tells
its weights from others: their results are never mixed.
"""

import difflib
import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError
from tracking_env.trackers import base as tr
from tracking_env.trackers.base import Runner, Trajectory


@dataclass(frozen=True)
class Entry:
    """One row of the table.

    Attributes:
        entry_point: ``module:attribute``.
        kind: ``tracker``: a factory, see above. ``line``: a function from a `Sequence` to its pixel boxes ``(T, 4)``
            that does not look at frames. ``yardstick``: a line that reads more of the truth than the first box.
        files: patterns of the weights files that it needs, one each.
    """

    entry_point: str
    kind: Literal["tracker", "line", "yardstick"] = "tracker"
    files: tuple[str, ...] = ()


TABLE: Mapping[str, Entry] = {
    "static": Entry("tracking_env.trackers.baselines:static_first_box", "line"),
    "mean": Entry("tracking_env.trackers.baselines:constant_mean_box", "yardstick"),
    "velocity": Entry("tracking_env.trackers.baselines:constant_velocity", "yardstick"),
    "replay": Entry("tracking_env.trackers.baselines:replay_and_freeze", "yardstick"),
    "late": Entry("tracking_env.trackers.baselines:one_frame_late", "yardstick"),
    "copy": Entry("tracking_env.trackers.baselines:copy_first_of_window", "yardstick"),
    "mil": Entry("tracking_env.trackers.opencv:mil"),
    "nano": Entry("tracking_env.trackers.opencv:nano", files=("*backbone*.onnx", "*head*.onnx")),
    "kcf": Entry("tracking_env.trackers.opencv:kcf"),
    "csrt": Entry("tracking_env.trackers.opencv:csrt"),
    "drlt": Entry("agents.checkpoint:tracker"),
    "search": Entry("agents.pointing_checkpoint:tracker"),
    "proposals": Entry("tracking_env.search.best_proposal:tracker", files=("*backbone*.onnx", "*head*.onnx")),
    "sb3": Entry("agents.sb3_checkpoint:tracker"),
}
"""What a name stands for."""


@dataclass(frozen=True)
class Choice:
    """A tracker by name and what it is made with; a value that can be sent to another process.

    Attributes:
        name: a name of `TABLE`, or an entry point ``module:attribute``.
        weights: its weights files, or the folder that holds them.
        checkpoint: folder of a trained agent, a run's or one checkpoint's; or a file of one.
        features: name of the extractor that it was trained on, where the file does not say it.
        trust: run code that is in the file.

    Raises:
        InputError: the name is neither (on making a choice, before anything is imported).
    """

    name: str
    weights: tuple[Path, ...] = ()
    checkpoint: Path | None = None
    features: str | None = None
    trust: bool = False

    def __post_init__(self) -> None:
        module, _, attribute = self.name.partition(":")
        if self.name not in TABLE and not (module and attribute):
            near = difflib.get_close_matches(self.name, TABLE, n=1)
            hint = f"did you mean {near[0]!r}? There" if near else "there"
            raise InputError(
                f"unknown tracker {self.name!r}; {hint} are {', '.join(TABLE)}, and your own as module:attribute"
            )

    @property
    def entry(self) -> Entry:
        """Where it comes from."""
        return TABLE.get(self.name) or Entry(self.name)

    @property
    def reads_truth(self) -> bool:
        """Whether it reads more of the truth than the first box."""
        return self.entry.kind == "yardstick"

    @property
    def folder(self) -> str:
        """Name of the folder of its results: the tracker's, which for an entry point has a dot for the colon."""
        return self.name.replace(":", ".")

    def make(self, seed: int = 0) -> Runner:
        """Import it and make it.

        Raises:
            InputError: it cannot be imported, lacks an option, does not take one that is given, or is no tracker.
        """
        found = resolve(self.entry.entry_point)
        weights = self._files()
        options = {
            "weights": weights or None,
            "checkpoint": self.checkpoint,
            "features": self.features,
            "trust": self.trust or None,
        }
        given = {key: value for key, value in options.items() if value is not None}
        if self.entry.kind != "tracker":
            if given:
                raise InputError(f"{self.name} takes no --{next(iter(given))}; leave it out")
            return Runner(self.name, lambda sequence: _blind(found, sequence))
        tracker = self._call(found, given, seed)
        if not all(callable(getattr(tracker, method, None)) for method in ("init", "update")):
            raise InputError(
                f"{self.name} makes an instance of {type(tracker).__name__}, wanted one with the methods "
                "init(frame, box) and update(frame)"
            )
        marks = [getattr(tracker, "id", None), _digest(weights) if self.entry.files else None]
        return Runner(" ".join([self.name, *filter(None, marks)]), lambda sequence: tr.run(tracker, sequence), tracker)

    def _files(self) -> list[Path]:
        """The weights; a folder stands for the files that are wanted."""
        patterns = self.entry.files
        if not patterns or len(self.weights) != 1:
            return list(self.weights)
        folder = self.weights[0]
        if not folder.is_dir():
            raise InputError(f"{self.name} needs a folder or {len(patterns)} files; got --weights {folder}")
        files = []
        for pattern in patterns:
            fitting = sorted(folder.glob(pattern))
            if len(fitting) != 1:
                raise InputError(
                    f"{folder} holds {len(fitting)} files {pattern}, {self.name} needs one; give the "
                    f"{len(patterns)} files by name: --weights FILE FILE"
                )
            files += fitting
        return files

    def _call(self, factory: Callable[..., Any], given: dict[str, Any], seed: int) -> Any:
        try:
            parameters = inspect.signature(factory).parameters
        except ValueError:  # some that are written in C
            raise InputError(f"{self.name} is no class or function of Python; give one that makes a tracker") from None
        takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
        for option in given:
            if option not in parameters and not takes_all:
                raise InputError(f"{self.name} takes no --{option}; leave it out")
        if "seed" in parameters or takes_all:
            given = given | {"seed": seed}
        for name, one in parameters.items():
            variable = one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
            if one.default is one.empty and not variable and (name not in given or one.kind is one.POSITIONAL_ONLY):
                hint = f"give --{name}" if name in ("weights", "checkpoint") else "give it a default"
                raise InputError(f"{self.name} needs {name!r} to be made; {hint}")
        return factory(**given)


def resolve(entry_point: str) -> Any:
    """What ``module:attribute`` stands for. The working directory is looked in too.

    Raises:
        InputError: there is no such module or attribute, or the module needs a package that is not installed.
    """
    module, _, attribute = entry_point.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # a console script's path has its own folder instead; last, so that it hides nothing
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        if module == missing or module.startswith(f"{missing}."):
            top = module.partition(".")[0]
            hint = "run from a checkout of tracking-env" if top == "agents" else "is it spelt so, and on PYTHONPATH?"
            raise InputError(f"cannot import {module}: there is no module {missing}; {hint}") from None
        extra = "pip install 'tracking-env[train]'" if module.startswith("agents.") else f"pip install {missing}"
        raise InputError(f"{module} needs {missing}, which is not installed; type: {extra}") from None
    try:
        for part in attribute.split("."):
            found = getattr(found, part)
    except AttributeError:
        near = difflib.get_close_matches(attribute, dir(found), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "give module:attribute"
        raise InputError(f"{module} has no {attribute!r}; {hint}") from None
    if not callable(found):
        raise InputError(
            f"{entry_point} is a {type(found).__name__}, wanted a class or a function that makes a tracker"
        )
    return found


def _blind(line: Callable[[Sequence], np.ndarray], sequence: Sequence) -> Trajectory:
    """A line as a run. What looks at no frame has no speed either."""
    return Trajectory(line(sequence), np.full(len(sequence), np.nan))


def _digest(files: list[Path]) -> str:
    """Tells the contents of files from others."""
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()[:8]
