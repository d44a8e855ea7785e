"""The tracker that runs if the user names none: the best one whose files are here, or can be fetched."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tracking_env.errors import InputError
from tracking_env.features import download
from tracking_env.features.model_zoo import TRACKERS
from tracking_env.files import cache_folder
from tracking_env.registry import TrackerSpec
from tracking_env.trackers import checkpoint as ck
from tracking_env.trackers.time_limit import SECONDS

BEST = "experts"
FALLBACK = "search"
"""The best one on validation videos of those that need no files; the other one is ``mil``."""


class ChosenTracker(NamedTuple):
    """A tracker, and why it is this one, for the user; an empty text if the user chose its checkpoint."""

    spec: TrackerSpec
    reason: str


def choose_tracker(
    checkpoint: Path | None = None,
    weights: Sequence[Path] = (),
    offline: bool = False,
    features: str | None = None,
    trust: bool = False,
    device: str | None = None,
    timeout: float = SECONDS,
    notify: Callable[[str], None] = lambda line: None,
) -> ChosenTracker:
    """The tracker to run if the user names none.

    With a checkpoint it is the one that the checkpoint is of. Else it is `BEST`. The files of its experts are
    downloaded if they are missing, after a line that says so. If an expert cannot run, the first one that can
    runs alone; if none can, `FALLBACK`.

    Args:
        checkpoint: a trained agent.
        weights: the experts' files, or their folder; by default those that were downloaded.
        offline: never download.
        features: see `TrackerSpec`.
        trust: see `TrackerSpec`.
        device: see `TrackerSpec`.
        timeout: see `TrackerSpec`.
        notify: takes the line before a download.

    Raises:
        InputError: the checkpoint is no trained agent, no expert can run with the weights that are given, or the
            timeout is no number of seconds.

    Example::

        spec, reason = choose_tracker(offline=True)
        tracker = spec.make().live()
    """
    weights = tuple(weights)
    # Made first: a wrong timeout is refused before anything is downloaded.
    fallback = TrackerSpec(FALLBACK, timeout=timeout)
    if checkpoint is not None:
        name = "sb3" if checkpoint.is_file() else ck.read(checkpoint).kind
        return ChosenTracker(TrackerSpec(name, weights, checkpoint, features, trust, device, timeout), "")
    identities = ck.read(ck.PRETRAINED / BEST).config["experts"]
    names = [str(identity).partition(" ")[0] for identity in identities]
    problems = _problems(names, weights)
    if problems and not weights and not offline:
        failed = _fetch(list(problems), notify)
        problems = _problems(names) | failed
    able = [name for name in names if name not in problems]
    if not problems:
        best = TrackerSpec(BEST, weights, device=device, timeout=timeout)
        return ChosenTracker(best, f"which decides among {' and '.join(names)}")
    problem = next(iter(problems.values()))
    if able:
        expert = TrackerSpec(able[0], weights, device=device, timeout=timeout)
        return ChosenTracker(expert, f"alone, since {problem}")
    if weights:
        raise InputError(problem)  # a mistake in the path: a weaker tracker is not what the user asked for
    return ChosenTracker(fallback, f"which needs no files, since {problem}")


def _problems(names: Sequence[str], weights: tuple[Path, ...] = ()) -> dict[str, str]:
    """Why experts cannot run, by name; those that can are not there."""
    problems = {}
    for name in names:
        try:
            TrackerSpec(name, weights).make()
        except InputError as error:
            problems[name] = str(error)
    return problems


def _fetch(names: Sequence[str], notify: Callable[[str], None]) -> dict[str, str]:
    """Download the files of experts; returns by name why the first download failed, after which none is tried."""
    folder = cache_folder() / "weights"
    size = sum(file.size or 0 for name in names for file in TRACKERS[name])
    notify(f"fetching {' and '.join(names)}, {size / 1e6:.1f} MB, to {folder}")
    for name in names:
        try:
            for file in TRACKERS[name]:
                download.fetch(file, folder)
        except InputError as error:
            # Without a network each further file would take as long to fail.
            return {name: str(error)}
    return {}
