"""From a folder and a specification to sequences: real ones from disk, or drawn ones where there is no folder."""

from pathlib import Path

from tracking_env import otb, synthetic
from tracking_env.errors import InputError
from tracking_env.sequence import Sequence

EMBEDDED = "synthetic:0-31"
"""What there is without any files."""


def load(root: str | Path | None = None, sequences: str | None = None) -> list[Sequence]:
    """The sequences that ``sequences`` names; no frame is read or drawn yet.

    Args:
        root: folder that holds OTB's sequence folders, or your own in that layout.
        sequences: names and lists separated by commas (see `otb.names`), or drawn ones such as ``synthetic:0-31`` (see
            `synthetic.parse`), which need no root. By default all that are in the root, or `EMBEDDED` without one.

    Raises:
        InputError: the specification names what is not there.
    """
    if sequences is None:
        sequences = EMBEDDED if root is None else otb.AVAILABLE
    if sequences.startswith("synthetic:"):
        return synthetic.parse(sequences)
    if root is None:
        raise InputError(f"{sequences!r} needs a folder of real sequences; give root, or sequences such as {EMBEDDED}")
    return otb.load(Path(root), sequences)
