"""The training and test sequences of a run."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from tracking_env.datasets import loading
from tracking_env.datasets.augmentation.crop import augment_clip
from tracking_env.datasets.sequence import NO_FIRST_BOX, Sequence, Split
from tracking_env.errors import InputError

DRAWN_TRAINING, DRAWN_TEST = "synthetic:0-127", "synthetic:10000-10019"
"""Drawn sequences of a run without a root; their seeds differ, so the test sequences are unseen as a whole."""


@dataclass(frozen=True)
class DataConfig:
    """Training and test data, and the features that the agent observes."""

    root: str | None = None
    """folder of OTB sequences, or of GOT-10k, LaSOT, UAV123, VOT or videos; without it sequences are drawn"""
    sequences: str | None = None
    """names or lists (drlt30, otb100, ...), or drawn sequences (synthetic:0-95); by default all in the root"""
    test_sequences: str | None = None
    """other sequences to test on; then `sequences` are trained on as a whole. By default the paper's protocol: training
    on the first third of each of `sequences`, testing on all of it"""
    extra: str | None = None
    """more sequences, always trained on as a whole: names in the root, or drawn ones (synthetic:0-63)"""
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
        """The configuration with the defaults that depend on the root."""
        if self.sequences is not None:
            return self
        if self.root is not None:
            return replace(self, sequences="available")
        return replace(self, sequences=DRAWN_TRAINING, test_sequences=self.test_sequences or DRAWN_TEST)


class Data(NamedTuple):
    """Loaded sequences; their frames are read on demand."""

    training: list[Sequence]
    testing: list[Sequence]
    unseen: bool
    """whether the test sequences are others than those trained on"""
    clips: list[tuple[Sequence, range]]
    """training frames: of each training sequence those that are open to training, then extra sequences, then copies"""

    @property
    def split(self) -> Split:
        """The part of each clip's sequence that is trained on, for ``OTBTrack-v0``."""
        return "all" if self.unseen else "train"

    @property
    def all(self) -> list[Sequence]:
        """Every sequence whose features are needed, once."""
        sequences = [sequence for sequence, _ in self.clips] + self.testing
        return list({sequence.name: sequence for sequence in sequences}.values())

    def facts(self) -> dict[str, Any]:
        """The entry ``dataset`` of ``report.json``."""
        return {
            "name": self.testing[0].dataset,
            "training": [sequence.name for sequence in self.training],
            "training_frames": sum(len(part) for _, part in self.clips[: len(self.training)]),
            "testing": [sequence.name for sequence in self.testing],
            "testing_frames": sum(len(sequence) for sequence in self.testing),
        }


def load_data(config: DataConfig) -> Data:
    """The sequences that a configuration (see `DataConfig.filled`) names.

    Raises:
        InputError: a sequence is missing, has too few true boxes, or is both extra and tested on.
    """
    training = loading.load(config.root, config.sequences)
    unseen = config.test_sequences is not None
    testing = loading.load(config.root, config.test_sequences) if unseen else training
    for sequence in (*training, *testing):
        if sequence.annotated.sum() < min(2, len(sequence)):
            raise InputError(f"{sequence.name} has one true box: there is nothing to learn or to score; name others")
    for sequence in testing:
        # Now: an error after training would lose its evaluation.
        if not sequence.annotated[0]:
            raise InputError(f"{sequence.name}: {NO_FIRST_BOX}; leave it out of what is tested")
    clips = [(sequence, sequence.part("all" if unseen else "train")) for sequence in training]
    if config.extra:
        is_drawn = config.extra.startswith("synthetic:")
        extra = loading.load(None if is_drawn else config.root, config.extra)
        named = {sequence.name for sequence in (*training, *testing)}
        shared = [sequence.name for sequence in extra if sequence.name in named]
        if shared:
            raise InputError(f"{min(shared)} is among --extra and the sequences; what is tested may not be extra")
        clips += [(sequence, sequence.part("all")) for sequence in extra]
    copies = [augment_clip(sequence, part, number) for sequence, part in clips for number in range(config.augment)]
    return Data(training, testing, unseen, clips + [(copy, copy.part("all")) for copy in copies])
