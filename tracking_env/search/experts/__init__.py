"""Frozen pretrained trackers that other code may ask to look anywhere."""

from collections.abc import Sequence
from pathlib import Path

from tracking_env.errors import InputError, suggest
from tracking_env.search.experts.base import Choice, Expert, ExpertTracker, Look, Template
from tracking_env.search.experts.fear import FearXS
from tracking_env.search.experts.nanotrack_v3 import NanoTrackV3
from tracking_env.search.experts.vittrack import VitTrack

__all__ = ["EXPERTS", "Choice", "Expert", "ExpertTracker", "Look", "Template", "make_expert"]

EXPERTS = {kind.name: kind for kind in (NanoTrackV3, FearXS, VitTrack)}
"""The experts by the names of their trackers."""


def make_expert(name: str, weights: Sequence[Path | str] = (), device: str = "cpu") -> Expert:
    """An expert by name.

    Args:
        name: ``nanotrack-v3``, ``fear-xs`` or ``vittrack``.
        weights: its files, or a folder that holds them; by default the downloaded ones.
        device: ``cpu``, ``cuda`` or ``auto``.

    Raises:
        InputError: the name is unknown, a file is missing or wrong, or there is no such device.
    """
    if name not in EXPERTS:
        raise InputError(f"unknown expert {name!r}{suggest(name, EXPERTS)}; there are {', '.join(EXPERTS)}")
    return EXPERTS[name](weights, device)
