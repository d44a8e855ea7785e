"""Loading sequences by name: real ones from a folder, or drawn ones without files."""

import contextlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from tqdm import tqdm

from tracking_env.datasets import layouts, otb, other_benchmarks, synthetic
from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError
from tracking_env.files import list_folder

EMBEDDED = "synthetic:0-31"
"""Drawn sequences that stand in where no folder is given."""


def load(root: str | Path | None = None, sequences: str | Iterable[str | Sequence] | None = None) -> list[Sequence]:
    """Load the sequences that a specification names; no frame is read or drawn yet, but videos are counted.

    Args:
        root: a folder that holds sequences in OTB's layout or in one of `layouts.LAYOUTS`, or a video file
            with its box file. The layout is detected.
        sequences: names and lists, separated by commas (see `otb.resolve_names` and `other_benchmarks.find`). To choose
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
    if sequences is not None and not isinstance(sequences, str):
        loaded = []
        for item in sequences:
            if not isinstance(item, str | Sequence):
                raise InputError(f"sequences holds {item!r}; give names, or Sequence objects")
            loaded += [item] if isinstance(item, Sequence) else load(root, item)
        return loaded
    functions = find(root, sequences).values()
    # To count the frames of videos takes long; what is ready within two seconds shows no bar.
    return [load_one() for load_one in tqdm(functions, "load", unit="sequence", leave=False, delay=2, disable=None)]


def find(root: str | Path | None = None, sequences: str | None = None) -> dict[str, Callable[[], Sequence]]:
    """The sequences that a specification names, without loading them: functions that load them, by name.

    Args and errors are those of `load`, but for a sequence that cannot be loaded.
    """
    if sequences is None and root is None:
        sequences = EMBEDDED
    if sequences is not None and sequences.startswith("synthetic:"):
        drawn = {sequence.name: sequence for sequence in synthetic.parse(sequences)}
        return {name: partial(drawn.__getitem__, name) for name in drawn}
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
        return other_benchmarks.find(root, layout, spec)
    # If sequences are named, otb.find says which of them are missing, which helps more than this.
    if layout is None and spec == otb.AVAILABLE and root.exists():
        raise InputError(_say_unknown(root))
    return otb.find(root, spec)


def _say_unknown(root: Path) -> str:
    """What to do about a folder in no known layout: one level too high or too deep is the most likely mistake."""
    for folder in list_folder(root):
        if (folder / folder.name / "img").is_dir():
            return f"{folder / folder.name} lies one folder too deep; move what is in it up to {folder}"
        with contextlib.suppress(InputError):
            layout = layouts.detect_layout(folder) if folder.is_dir() else None
            if layout is not None:
                return f"{root} holds no sequences, but {folder} does, in the layout of {layout}; give that folder"
    return f"{root} is empty or in no known layout; the layouts are {layouts.KNOWN}"
