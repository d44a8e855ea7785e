"""Loading sequences by name: real ones from a folder, or drawn ones without files."""

from collections.abc import Iterable
from pathlib import Path

from tracking_env.datasets import layouts, otb, other_benchmarks, synthetic
from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError

EMBEDDED = "synthetic:0-31"
"""Drawn sequences that stand in where no folder is given."""


def load(root: str | Path | None = None, sequences: str | Iterable[str | Sequence] | None = None) -> list[Sequence]:
    """Load the sequences that a specification names; no frame is read or drawn yet.

    Args:
        root: a folder that holds sequences in OTB's layout or in one of `layouts.LAYOUTS`, or a video file
            with its box file. The layout is detected.
        sequences: names and lists, separated by commas (see `otb.resolve_names` and `other_benchmarks.load`). To choose
            the layout, prefix it: ``got10k:val``, or ``vot:`` for all. Drawn sequences, such as ``synthetic:0-31`` (see
            `synthetic.parse`), need no root. By default all sequences in the root, or `EMBEDDED` without a root. Or a
            list of such specifications; it may hold `Sequence` objects too, which are handed on.

    Raises:
        InputError: a name is unknown, a sequence cannot be loaded, or the layout of the root is unknown.

    Example::

        load("OTB", "drlt30")
        load("OTB", ["Suv", "Woman"])
        load("GOT-10k", "got10k:val")
        load(sequences="synthetic:0-3")
    """
    if sequences is None and root is None:
        sequences = EMBEDDED
    if sequences is not None and not isinstance(sequences, str):
        loaded = []
        for item in sequences:
            if not isinstance(item, str | Sequence):
                raise InputError(f"sequences holds {item!r}; give names, or Sequence objects")
            loaded += [item] if isinstance(item, Sequence) else load(root, item)
        return loaded
    if sequences is not None and sequences.startswith("synthetic:"):
        return synthetic.parse(sequences)
    if root is None:
        raise InputError(f"{sequences!r} needs a folder of real sequences; give root, or sequences such as {EMBEDDED}")
    root = Path(root)
    # From the right: without a colon, all of the text is the specification.
    prefix, colon, spec = (sequences or otb.AVAILABLE).rpartition(":")
    spec = spec or otb.AVAILABLE
    if colon and prefix not in ("otb", *layouts.LAYOUTS):
        raise InputError(f"unknown layout {prefix!r} in {sequences!r}; the layouts are {layouts.KNOWN}")
    layout = prefix or layouts.detect_layout(root)
    if layout in layouts.LAYOUTS:
        return other_benchmarks.load(root, layout, spec)
    # If sequences are named, otb.load says which of them are missing, which helps more than this.
    if layout is None and spec == otb.AVAILABLE and root.exists():
        raise InputError(f"{root} is empty or in no known layout; the layouts are {layouts.KNOWN}")
    return otb.load(root, spec)


def default_names(root: Path | None) -> str:
    """The sequences to score on by default: the paper's 30 of OTB, or all of another data set."""
    other = root is not None and layouts.detect_layout(root) in layouts.LAYOUTS
    return otb.AVAILABLE if other else "drlt30"
