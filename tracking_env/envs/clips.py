"""The clips that episodes are made of: which there are, and drawing one for every environment of a batch."""

from collections.abc import Sequence as Many
from typing import Any, NamedTuple

import numpy as np

from tracking_env.datasets.sequence import Sequence, Split
from tracking_env.errors import InputError, nearest

OPTIONS = ("sequence", "start", "length")
"""What `Clips.choose` can be told, and so ``reset(options=...)``."""


class Chosen(NamedTuple):
    """One clip per environment of a batch, each ``(n,)`` intp."""

    number: np.ndarray
    """Which sequence, counted as in `Clips.names`."""
    start: np.ndarray
    """Its first frame, 0-based."""
    stop: np.ndarray
    """The frame after its last one."""


class Clips:
    """The clips of a split's sequences.

    Args:
        sequences: those without a true box in the split are left out.
        split: the frames of each that clips are made of.
        length: frames of a clip, shorter where the split ends before; None for the rest of the split.

    Attributes:
        sequences: those that are left, by name.
        names: of the sequences, in their order.

    Raises:
        InputError: none is left, two have one name, or the length is less than 1.
    """

    def __init__(self, sequences: list[Sequence], split: Split, length: int | None) -> None:
        if length is not None and length < 1:
            raise InputError(f"clip_length is {length}; give a number of frames >= 1, or None for the whole split")
        self.sequences = {one.name: one for one in sequences if len(_known(one, split))}
        if len({one.name for one in sequences}) < len(sequences):
            twice = next(one.name for one in sequences if sum(other.name == one.name for other in sequences) > 1)
            raise InputError(f"two sequences are named {twice!r}; give each a name of its own")
        if not self.sequences:
            raise InputError(
                f"no sequence has a frame with a true box in the split {split!r}; "
                "give longer sequences or another split"
            )
        self.split: Split = split
        self.length = length
        self.names = list(self.sequences)
        self._stops = np.array([one.part(split).stop for one in self.sequences.values()])
        self._starts: dict[int | None, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def choose(self, generators: Many[np.random.Generator], options: dict[str, Any]) -> Chosen:
        """Draw a clip for each generator: a sequence, then a start among those that `starts` lists.

        Args:
            generators: one for each environment. Each gives two numbers, for the sequence and the start, whatever the
                options are: an environment draws the same alone as in a batch.
            options: any of `OPTIONS`, for all environments: ``sequence`` (a name), ``start`` (0-based frame of the
                whole video, inside the split), ``length`` (in place of the clips' own).

        Raises:
            InputError: an option is unknown, or names a sequence, start or length that is not there.
        """
        length = self._check(options)
        name, start = options.get("sequence"), options.get("start")
        # `random` takes a fourth of the time of `integers`.
        first_draw, second_draw = np.array([(one.random(), one.random()) for one in generators]).T
        if name is None:
            number = (first_draw * len(self.names)).astype(np.intp)
        else:
            number = np.full(len(generators), self.names.index(name))
        if start is None:
            frames, first, count = self.starts(length)
            begin = frames[first[number] + (second_draw * count[number]).astype(np.intp)]
        else:
            for one in np.unique(number):
                self._check_start(self.names[one], start)
            begin = np.full(len(generators), start)
        stop = self._stops[number]
        return Chosen(number, begin, stop if length is None else np.minimum(begin + length, stop))

    def starts(self, length: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where clips of a length may start: frames that have a true box and leave a full clip.

        Returns:
            The frames of all sequences after each other, ``(S,)``; where each sequence's begin among them, and how many
            they are, ``(K,)``. A sequence that has no room for a full clip has one: the first with a true box.
        """
        if length not in self._starts:
            frames = []
            for one in self.sequences.values():
                known, part = _known(one, self.split), one.part(self.split)
                full = int((known <= part.stop - (len(part) if length is None else length)).sum())
                frames.append(known[: max(1, full)])
            count = np.array([len(one) for one in frames])
            self._starts[length] = np.concatenate(frames), count.cumsum() - count, count
        return self._starts[length]

    def _check(self, options: dict[str, Any]) -> int | None:
        """The length to take."""
        for key, value in options.items():
            if key not in OPTIONS:
                raise InputError(f"unknown reset option {key!r}{nearest(key, OPTIONS)}; the options are {OPTIONS}")
            if key != "sequence" and not isinstance(value, int | np.integer | None):
                raise InputError(f"the option {key} is {value!r}; give a whole number, or None")
        name = options.get("sequence")
        if name is not None and name not in self.sequences:
            raise InputError(f"no sequence {name!r} in this environment{nearest(name, self.names)}")
        length = options.get("length", self.length)
        if length is not None and length < 1:
            raise InputError(f"the option length is {length}; give a number of frames >= 1, or None")
        return length

    def _check_start(self, name: str, start: int) -> None:
        sequence = self.sequences[name]
        part = sequence.part(self.split)
        if start not in part:
            raise InputError(f"start {start} is outside {name}'s {self.split!r} frames {part.start}..{part.stop - 1}")
        if not sequence.annotated[start]:
            raise InputError(f"{name} has no true box in frame {start} to start from; give another start")


def _known(sequence: Sequence, split: Split) -> np.ndarray:
    """Frames of a split that have a true box, ``(n,)``."""
    part = sequence.part(split)
    return part.start + np.flatnonzero(sequence.annotated[part.start : part.stop])
