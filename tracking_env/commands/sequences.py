"""``tracking-env sequences``: list sequences."""

import json
from pathlib import Path

from tracking_env.commands import Json
from tracking_env.datasets import loading, otb
from tracking_env.terminal import print_result, printable


def list_sequences(root: Path | None = None, sequences: str | None = None, as_json: Json = False) -> int:
    """List sequences: name, number of evaluated frames, attributes.

    The layout of the root is detected. To choose it, write it before the names: --sequences vot:bag.

    Example: tracking-env sequences --root OTB --sequences otb50

    Args:
        root: folder of sequences: OTB, GOT-10k, LaSOT, UAV123, VOT, or videos. By default the list of OTB.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas. By default all.
        as_json: print JSON instead of text.
    """
    if root is None:
        entries = [otb.TABLE[name] for name in otb.resolve_names(sequences or "otb100", None)]
        rows = [(entry.name, entry.frames, entry.attributes) for entry in entries]
    else:
        loaded = loading.load(root, sequences)
        rows = [(sequence.name, len(sequence), sequence.attributes) for sequence in loaded]
    if as_json:
        keys = ("name", "frames", "attributes")
        print_result(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=1))
        return 0
    rows = [(printable(name, more=""), frames, attributes) for name, frames, attributes in rows]
    width = max(len(name) for name, _, _ in rows)
    for name, frames, attributes in rows:
        print_result(f"{name:<{width}}  {frames:>4}  {' '.join(attributes)}".rstrip())
    return 0
