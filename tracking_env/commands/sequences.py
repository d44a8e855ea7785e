"""``tracking-env sequences``: what there is to track."""

import json
from pathlib import Path

from tracking_env.commands import Json
from tracking_env.datasets import loading, otb


def list_sequences(root: Path | None = None, sequences: str | None = None, as_json: Json = False) -> int:
    """List sequences: name, evaluated frames, attributes.

    Example: tracking-env sequences --root OTB --sequences otb50

    Args:
        root: folder that holds OTB's sequence folders, or of GOT-10k, LaSOT, UAV123, VOT or videos; without it the
            benchmark's own list is shown.
        sequences: names and lists (otb100, otb50, otb2013, drlt30, available), separated by commas; of other data sets
            names and folders (train, val; airplane), with the layout before a colon where it must be said, such as
            vot:bag. By default all that are in the root, or otb100 without one.
        as_json: print JSON instead of lines.
    """
    if root is None:
        entries = [otb.TABLE[name] for name in otb.names(sequences or "otb100", None)]
        rows = [(entry.name, entry.frames, entry.attributes) for entry in entries]
    else:
        loaded = loading.load(root, sequences)
        rows = [(one.name, len(one), one.attributes) for one in loaded]
    if as_json:
        keys = ("name", "frames", "attributes")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=1))
        return 0
    width = max(len(name) for name, _, _ in rows)
    for name, frames, attributes in rows:
        print(f"{name:<{width}}  {frames:>4}  {' '.join(attributes)}".rstrip())
    return 0
