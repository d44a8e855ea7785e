"""The commands of ``tracking-env``, a file each: functions whose parameters are flags. They print."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from tracking_env.evaluation.scoring import Report

Json = Annotated[bool, tyro.conf.arg(name="json")]
"""The flag ``--json``."""


def labelled(folders: Sequence[Path]) -> dict[str, Path]:
    """Folders by their names, or by their paths where two have the same name."""
    names = [folder.resolve().name for folder in folders]
    return {name if names.count(name) == 1 else str(one): one for name, one in zip(names, folders, strict=True)}


def complain(reports: Mapping[str, Report]) -> int:
    """Say what could not be scored; returns the exit code. One report needs no label."""
    for label, one in reports.items():
        for name, reason in one.failed.items():
            where = f"{label}: " if len(reports) > 1 else ""
            print(f"tracking-env: not scored: {where}{name}: {reason}", file=sys.stderr)
    return 1 if any(one.failed for one in reports.values()) else 0
