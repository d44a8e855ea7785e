"""From a folder and a specification to sequences: real ones from disk, or drawn ones where there is no folder."""

from pathlib import Path

from tracking_env.datasets import otb, other_benchmarks, synthetic
from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError

EMBEDDED = "synthetic:0-31"
"""What there is without any files."""


def load(root: str | Path | None = None, sequences: str | None = None) -> list[Sequence]:
    """The sequences that ``sequences`` names; no frame is read or drawn yet.

    Args:
        root: folder that holds OTB's sequence folders, or your own in that layout; or one of `layouts.LAYOUTS`, which
            is recognised; or a video file.
        sequences: names and lists separated by commas (see `otb.names`, `layouts.load`). The layout's name and a colon
            may go before them (``got10k:val``, ``vot:``), where it cannot be told from the files. Or drawn ones such as
            ``synthetic:0-31`` (see `synthetic.parse`), which need no root. By default all that are in the root, or
            `EMBEDDED` without one.

    Raises:
        InputError: the specification names what is not there, or the root is in no known layout.
    """
    if sequences is None and root is None:
        sequences = EMBEDDED
    if sequences is not None and sequences.startswith("synthetic:"):
        return synthetic.parse(sequences)
    if root is None:
        raise InputError(f"{sequences!r} needs a folder of real sequences; give root, or sequences such as {EMBEDDED}")
    root = Path(root)
    layout, colon, spec = (sequences or otb.AVAILABLE).rpartition(":")
    spec = spec or otb.AVAILABLE
    if colon and layout not in ("otb", *other_benchmarks.LAYOUTS):
        raise InputError(f"unknown layout {layout!r} in {sequences!r}; the known ones are {other_benchmarks.KNOWN}")
    kind = layout or other_benchmarks.recognise(root)
    if kind in other_benchmarks.LAYOUTS:
        return other_benchmarks.load(root, kind, spec)
    if kind is None and spec == otb.AVAILABLE and root.exists():
        raise InputError(f"{root} is in no known layout, or empty; the known ones are {other_benchmarks.KNOWN}")
    return otb.load(root, spec)


def default(root: Path | None) -> str:
    """The sequences to score on where none are named: the paper's 30 of OTB, and all of another data set."""
    return (
        otb.AVAILABLE if root is not None and other_benchmarks.recognise(root) in other_benchmarks.LAYOUTS else "drlt30"
    )
