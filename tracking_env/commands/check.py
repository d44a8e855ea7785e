"""``tracking-env check``: find faults in a folder of OTB sequences."""

import json
from pathlib import Path

from tracking_env.commands import Json
from tracking_env.datasets.validation import folder
from tracking_env.terminal import print_result


def check_folder(root: Path, sequences: str | None = None, as_json: Json = False) -> int:
    """Check a folder of OTB sequences, and say how to fix what is wrong. The exit code is 1 if there is a fault.

    Example: tracking-env check --root OTB

    Args:
        root: folder of OTB sequences, or of your own sequences in the same layout.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas. By default all.
        as_json: print JSON instead of text.
    """
    checked = folder.check(root, sequences)
    if as_json:
        print_result(json.dumps(checked.to_json(), indent=1))
    else:
        # Faults come before notes.
        for finding in sorted(checked.findings, key=lambda finding: not finding.fault):
            print_result(finding)
        notes = len(checked.findings) - checked.faults
        summary = f"{len(checked.sequences)} sequences, {checked.frames} frames decoded"
        print_result(f"{summary}: {checked.faults} faults, {notes} notes")
    return 1 if checked.faults else 0
