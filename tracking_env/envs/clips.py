"""The clips that are episodes: which there are, and drawing one for every environment of a batch."""

from collections.abc import Sequence as Many
from typing import Any, NamedTuple

import numpy as np

from tracking_env.datasets.sequence import Sequence, Split
from tracking_env.errors import InputError, suggest

OPTIONS = ("sequence", "start", "length")
"""The options of `Clips.choose`, and so of ``reset(options=...)``."""


class ChosenClips(NamedTuple):
    """One clip per environment of a batch, each field ``(n,)`` intp."""

    number: np.ndarray
    """index of the sequence in `Clips.names`"""
    start: np.ndarray
    """first frame, 0-based"""
    stop: np.ndarray
    """the frame after the last one"""


class StartFrames(NamedTuple):
    """Where clips of one length may start, in K sequences."""

    frames: np.ndarray
    """the start frames of all sequences, one sequence after the other, ``(S,)``"""
    offsets: np.ndarray
    """index in ``frames`` of each sequence's first one, ``(K,)``"""
    counts: np.ndarray
    """start frames of each sequence, at least 1, ``(K,)``"""


class Clips:
    """The clips of a split's sequences.

    Args:
        sequences: those without a true box in the split are left out.
        split: the frames of each sequence that clips are made of.
        length: frames of a clip, fewer where the split ends before; None for the rest of the split.

    Attributes:
        sequences: the sequences that are not left out, by name.
        names: their names, in order.

    Raises:
        InputError: no sequence is left, two have one name, or the length is less than 1.
    """

    def __init__(self, sequences: list[Sequence], split: Split, length: int | None) -> None:
        if length is not None and length < 1:
            raise InputError(f"clip_length is {length}; give a number of frames >= 1, or None for the whole split")
        names = [sequence.name for sequence in sequences]
        # Sequences are chosen by name, in `options` and in the table of clips.
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"two sequences are named {twice!r}; give each a name of its own")
        self.sequences = {sequence.name: sequence for sequence in sequences if len(_annotated(sequence, split))}
        if not self.sequences:
            raise InputError(
                f"no sequence has a frame with a true box in the split {split!r}; "
                "give longer sequences or another split"
            )
        self.split: Split = split
        self.length = length
        self.names = list(self.sequences)
        self._stops = np.array([sequence.part(split).stop for sequence in self.sequences.values()])
        self._starts: dict[int | None, StartFrames] = {}

    def choose(self, generators: Many[np.random.Generator], options: dict[str, Any]) -> ChosenClips:
        """Draw a clip for each generator: a sequence, then one of its `start_frames`.

        Args:
            generators: one per environment. Two numbers are drawn from each, for the sequence and for the start, also
                if the options fix them: so an environment draws the same alone as in a batch.
            options: any of `OPTIONS`, for all environments: ``sequence`` (a name), ``start`` (0-based frame of the
                whole video, inside the split), ``length`` (frames; None for the rest of the split).

        Returns:
            One clip per generator.

        Raises:
            InputError: an option is unknown, or names a sequence, start or length that does not exist.
        """
        length = self._check(options)
        name, start = options.get("sequence"), options.get("start")
        # `random` takes a fourth of the time of `integers`.
        draws = [(generator.random(), generator.random()) for generator in generators]
        first_draw, second_draw = np.array(draws).T
        if name is None:
            number = (first_draw * len(self.names)).astype(np.intp)
        else:
            number = np.full(len(generators), self.names.index(name))
        if start is None:
            frames, offsets, counts = self.start_frames(length)
            begin = frames[offsets[number] + (second_draw * counts[number]).astype(np.intp)]
        else:
            for index in np.unique(number):
                self._check_start(self.names[index], start)
            begin = np.full(len(generators), start)
        # Near the end of the split clips are shorter.
        stop = self._stops[number]
        return ChosenClips(number, begin, stop if length is None else np.minimum(begin + length, stop))

    def start_frames(self, length: int | None) -> StartFrames:
        """The frames that have a true box and leave a full clip.

        A sequence in which no frame leaves one has a single start frame: the first with a true box.
        """
        if length not in self._starts:  # computed once per length: resets happen often, and lengths hardly differ
            frames = []
            for sequence in self.sequences.values():
                annotated, part = _annotated(sequence, self.split), sequence.part(self.split)
                last = part.stop - (len(part) if length is None else length)
                full = int((annotated <= last).sum())
                frames.append(annotated[: max(1, full)])
            counts = np.array([len(starts) for starts in frames])
            self._starts[length] = StartFrames(np.concatenate(frames), counts.cumsum() - counts, counts)
        return self._starts[length]

    def _check(self, options: dict[str, Any]) -> int | None:
        """Refuse wrong options; the length of the clips to draw."""
        for key, value in options.items():
            if key not in OPTIONS:
                raise InputError(f"unknown reset option {key!r}{suggest(key, OPTIONS)}; the options are {OPTIONS}")
            if key != "sequence" and not isinstance(value, int | np.integer | None):
                raise InputError(f"the option {key} is {value!r}; give a whole number, or None")
        name = options.get("sequence")
        if name is not None and name not in self.sequences:
            raise InputError(f"no sequence {name!r} in this environment{suggest(name, self.names)}")
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


def _annotated(sequence: Sequence, split: Split) -> np.ndarray:
    """The frames of a split that have a true box, ``(n,)``."""
    part = sequence.part(split)
    return part.start + np.flatnonzero(sequence.annotated[part.start : part.stop])
