"""``tracking-env check``: is a folder of OTB sequences as it should be?"""

import json
from pathlib import Path

from tracking_env.commands import Json
from tracking_env.datasets.validation import folder


def check_folder(root: Path, sequences: str | None = None, as_json: Json = False) -> int:
    """Look for all that is wrong with a folder of OTB sequences, and say how to mend it; exit code 1 if there is any.

    Example: tracking-env check --root OTB

    Args:
        root: folder that holds OTB's sequence folders, or your own in that layout.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas; what is not there
            is a fault. By default all that are in the root, your own too.
        as_json: print JSON instead of lines.
    """
    checked = folder.check(root, sequences)
    if as_json:
        print(json.dumps(checked.to_json(), indent=1))
    else:
        for one in sorted(checked.findings, key=lambda one: not one.fault):
            print(one)
        looked = f"{len(checked.sequences)} sequences, {checked.frames} frames decoded"
        print(f"{looked}: {checked.faults} faults, {len(checked.findings) - checked.faults} notes")
    return 1 if checked.faults else 0
