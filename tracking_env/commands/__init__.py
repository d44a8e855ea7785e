"""The commands of ``tracking-env``, one file each. A command is a function; its parameters are the flags.

A command prints its result and returns the exit code. Python code calls the library instead.
"""

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import tyro

from tracking_env.terminal import print_error, print_result

TRACKERS = (
    "search, drlt, sb3, experts, proposals, mil, nano, nanotrack-v3, fear-xs, vittrack, kcf, csrt or your own "
    "module:attribute."
)
"""Names of trackers, for the help of the flag ``--tracker``."""
Checkpoint = Annotated[
    str | None,
    tyro.conf.arg(
        help="trained agent: folder of a run or a checkpoint; drlt-otb, drlt-drawn, ppo-drawn come with the code, "
        "hf://USER/REPO, or an SB3 file."
    ),
]
"""Type of the flag ``--checkpoint`` of all commands that run a tracker."""
Weights = Annotated[
    tuple[Path, ...],
    tyro.conf.arg(
        help="weights files, or their folder; for nano, proposals, nanotrack-v3, fear-xs, vittrack, experts and "
        "pretrained extractors. By default the downloaded ones."
    ),
]
"""Type of the flag ``--weights`` of all commands that run a tracker."""
Device = Literal["auto", "cpu", "cuda"]
"""Values of the flag ``--device``."""
ScoringName = Literal[
    "otb", "got10k", "lasot", "trackingnet", "uav123", "nfs", "tcolor128", "vot", "vot-unsupervised", "drlt-paper"
]
"""Values of the flag ``--protocol``: the names of `tracking_env.evaluation.protocols.PROTOCOLS`."""
Json = Annotated[bool, tyro.conf.arg(name="json")]
"""Type of the parameter ``as_json``, whose flag is ``--json``."""

Against = Annotated[tuple[str, ...], tyro.conf.arg(metavar="[NAME [NAME ...]]")]
"""Type of the flag ``--against``: some of `tracking_env.evaluation.raw_results.NAMES`."""


def print_version() -> int:
    """Print the version of the installed package; returns the exit code."""
    print_result(f"tracking-env {metadata.version('tracking-env')}")
    return 0


def print_failures(failed: Mapping[str, Mapping[str, str]]) -> int:
    """Print on stderr which sequences could not be scored, and why.

    Args:
        failed: by label, the reason of each such sequence. A single label is not printed.

    Returns:
        The exit code: 1 if a sequence could not be scored, else 0.
    """
    for label, reasons in failed.items():
        prefix = f"{label}: " if len(failed) > 1 else ""
        for name, reason in reasons.items():
            print_error(f"tracking-env: not scored: {prefix}{name}: {reason}")
    return 1 if any(failed.values()) else 0
