"""What a run is trained and tested on."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from tracking_env.datasets import loading
from tracking_env.datasets.augment import augment_clip
from tracking_env.datasets.sequence import Sequence, Split
from tracking_env.errors import InputError

DRAWN_TRAINING, DRAWN_TEST = "synthetic:0-127", "synthetic:10000-10019"  # other seeds: unseen as a whole


@dataclass(frozen=True)
class DataConfig:
    """What is trained and tested on, and what the agent sees of it."""

    root: str | None = None
    """folder of OTB sequences, or of GOT-10k, LaSOT, UAV123, VOT or videos; without it sequences are drawn"""
    sequences: str | None = None
    """names or lists (drlt30, otb100, ...), or drawn ones (synthetic:0-95); by default all that are in the root"""
    test_sequences: str | None = None
    """other sequences to test on, then `sequences` are trained on as a whole; by default the paper's protocol: training
    on the first third of each of `sequences`, testing on all of it"""
    extra: str | None = None
    """more sequences, trained on as a whole in any case: names in the root, or drawn ones (synthetic:0-63)"""
    augment: int = 0
    """changed copies (moving, mirrored crops) of each training clip, besides the clip; not in the paper"""
    features: str = "grid"
    """extractor: grid (no weights), yolo-nano-voc, yolov1-small, yolov1, mobilenet-v2, ...; with
    :ROWSxCOLUMNS after it the network's map is averaged to that grid"""
    weights: str | None = None
    """weights file of the extractor, or its folder; by default downloaded; random: untrained"""
    store: str | None = None
    """folder of extracted features; by default in the user's cache folder"""

    def __post_init__(self) -> None:
        if self.augment < 0:
            raise InputError(f"--augment is {self.augment}; give a number of copies >= 0")

    def filled(self) -> "DataConfig":
        """With the defaults that depend on the root written out."""
        if self.sequences is not None:
            return self
        if self.root is not None:
            return replace(self, sequences="available")
        return replace(self, sequences=DRAWN_TRAINING, test_sequences=self.test_sequences or DRAWN_TEST)


class Data(NamedTuple):
    """Sequences, loaded; frames are read on demand."""

    training: list[Sequence]
    testing: list[Sequence]
    unseen: bool
    """the test sequences are others than those trained on"""
    clips: list[tuple[Sequence, range]]
    """what is trained on: the frames of each training sequence that are open to it, then extra ones, then copies"""

    @property
    def split(self) -> Split:
        """The part of each clip's sequence that is trained on, for ``OTBTrack-v0``."""
        return "all" if self.unseen else "train"

    @property
    def all(self) -> list[Sequence]:
        """Every sequence whose features are needed, once."""
        return list({one.name: one for one in (*(clip for clip, _ in self.clips), *self.testing)}.values())

    def facts(self) -> dict[str, Any]:
        """Its part of ``report.json``."""
        return {
            "name": self.testing[0].dataset,
            "training": [one.name for one in self.training],
            "training_frames": sum(len(part) for _, part in self.clips[: len(self.training)]),
            "testing": [one.name for one in self.testing],
            "testing_frames": sum(map(len, self.testing)),
        }


def load(config: DataConfig) -> Data:
    """The sequences that a (filled) configuration names.

    Raises:
        InputError: one is not there, or cannot be used.
    """
    training = loading.load(config.root, config.sequences)
    unseen = config.test_sequences is not None
    testing = loading.load(config.root, config.test_sequences) if unseen else training
    for one in (*training, *testing):
        if one.annotated.sum() < min(2, len(one)):
            raise InputError(f"{one.name} has one true box: there is nothing to learn or to score; name others")
    clips = [(one, one.part("all" if unseen else "train")) for one in training]
    if config.extra:
        drawn = config.extra.startswith("synthetic:")
        extra = loading.load(None if drawn else config.root, config.extra)
        shared = {one.name for one in extra} & {one.name for one in (*training, *testing)}
        if shared:
            raise InputError(f"{min(shared)} is among --extra and the sequences; what is tested may not be extra")
        clips += [(one, one.part("all")) for one in extra]
    copies = [augment_clip(one, part, number) for one, part in clips for number in range(config.augment)]
    return Data(training, testing, unseen, clips + [(one, one.part("all")) for one in copies])
