"""Frozen pretrained trackers that other code may ask to look anywhere."""

from collections.abc import Sequence
from pathlib import Path

from tracking_env.errors import InputError, suggest
from tracking_env.search.experts.base import Choice, Expert, ExpertTracker, Look, Template
from tracking_env.search.experts.fear import FearXS
from tracking_env.search.experts.nanotrack_v3 import NanoTrackV3
from tracking_env.search.experts.simple import ColourExpert, GreyExpert
from tracking_env.search.experts.vittrack import VitTrack

__all__ = [
    "EXPERTS",
    "WITHOUT_FILES",
    "Choice",
    "Expert",
    "ExpertTracker",
    "Look",
    "Template",
    "make_expert",
    "make_experts",
]

EXPERTS: dict[str, type[Expert]] = {kind.name: kind for kind in (NanoTrackV3, FearXS, VitTrack)}
"""The pretrained experts by the names of their trackers."""
WITHOUT_FILES: dict[str, type[Expert]] = {kind.name: kind for kind in (GreyExpert, ColourExpert)}
"""Weak experts that need no files."""


def make_expert(name: str, weights: Sequence[Path | str] = (), device: str = "cpu") -> Expert:
    """An expert by name.

    Args:
        name: ``nanotrack-v3``, ``fear-xs``, ``vittrack``; or ``grey``, ``colour``, which need no files.
        weights: its files, or a folder that holds them; by default the downloaded ones.
        device: ``cpu``, ``cuda`` or ``auto``.

    Raises:
        InputError: the name is unknown, a file is missing or wrong, or there is no such device.
    """
    known = EXPERTS | WITHOUT_FILES
    if name not in known:
        raise InputError(f"unknown expert {name!r}{suggest(name, known)}; there are {', '.join(known)}")
    return known[name](weights, device)


def make_experts(names: Sequence[str], weights: Path | str | None = None) -> list[Expert]:
    """Several experts by name.

    Args:
        names: see `make_expert`.
        weights: the folder of the files of those that need files; by default that of the downloads.

    Raises:
        InputError: as `make_expert`.
    """
    files = () if weights is None else (weights,)
    # A folder is for those that need files; if none does, it is a mistake, which `make_expert` refuses.
    without = WITHOUT_FILES if any(name in EXPERTS for name in names) else {}
    return [make_expert(name, () if name in without else files) for name in names]
