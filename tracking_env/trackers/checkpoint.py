"""A trained agent's folder, of which nothing but ``policy.onnx`` is run.

======================  ==============================================================================================
``config.json``         which agent it is, the extractor that it was trained on, and the whole configuration of its run
``model.safetensors``   its weights, from which training goes on
``policy.onnx``         the same network as one graph: see `tracking_env.trackers.onnx_policy`
======================  ==============================================================================================

The training scripts leave such folders, numbered by epochs, steps or updates, in ``RUN/checkpoints``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tracking_env.datasets import otb, synthetic
from tracking_env.errors import InputError, option, suggest
from tracking_env.files import list_folder, read_json, sha256
from tracking_env.trackers.onnx_policy import OnnxPolicy

CONFIG, WEIGHTS, POLICY = "config.json", "model.safetensors", "policy.onnx"
PRETRAINED = Path(__file__).parent / "pretrained"
"""Trained agents that come with the package, a folder each; ``README.md`` says how they were trained."""

Kind = Literal["drlt", "search", "sb3", "experts"]
"""The tracker's name under which an agent runs."""
SCRIPTS: Mapping[Kind, str] = {
    "drlt": "train/reinforce.py",
    "search": "train/search.py",
    "sb3": "train/sb3.py",
    "experts": "train/experts.py",
}
REMOVED: Mapping[str, tuple[Any, ...]] = {
    "learn_sigma": (False,),
    "entropy": (0.0,),
    "normalise": (False,),
    "glance": (True, False),
}
"""Fields of old configurations that no longer exist, with the values that still load: the old default, and today's
behaviour."""
_KEYS: Mapping[Kind, frozenset[str]] = {
    "drlt": frozenset({"network", "extractor", "features", "epoch"}),
    "search": frozenset({"agent", "network", "channels", "maps", "done"}),
    "sb3": frozenset({"algorithm", "hidden", "extractor", "features", "steps"}),
    "experts": frozenset({"agent", "network", "experts", "observations", "pausing", "done"}),
}
"""Keys of ``config.json`` by which an agent is recognised."""
EXPORT = "python train/export.py"
"""What adds ``policy.onnx`` to a folder, in a checkout."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained agent's folder that was read.

    Attributes:
        path: the folder.
        kind: which agent it is.
        config: the content of its ``config.json``.
    """

    path: Path
    kind: Kind
    config: dict[str, Any]

    @property
    def run(self) -> dict[str, Any]:
        """The configuration of the run that trained it."""
        return self.config["run"]

    @property
    def extractor(self) -> str:
        """The id of the extractor that it was trained on; the names and ids of the experts that it decides among."""
        if self.kind == "experts":
            experts = self.config["experts"]
            return ", ".join(map(str, experts)) if isinstance(experts, list) else experts
        return self.config["maps" if self.kind == "search" else "extractor"]

    @property
    def features(self) -> tuple[str | None, str | None]:
        """Name and weights file of that extractor, as the run was given them; None what it was not given.

        Raises:
            InputError: the configuration holds something else there.
        """
        data = self.run.get("data", {})
        pair = (data.get("features"), data.get("weights")) if isinstance(data, dict) else (data, data)
        if not all(part is None or isinstance(part, str) for part in pair):
            raise InputError(
                f"the checkpoint {self.path} is damaged or of another version: its run's data is {data!r}"[:300]
            )
        return pair

    @property
    def trained_on(self) -> frozenset[str]:
        """Names of the sequences that it was trained on; empty where its run does not name them."""
        data = self.run.get("data")
        names = data.get("sequences") if isinstance(data, dict) else None
        if not isinstance(names, str):
            return frozenset()
        if names.startswith("synthetic:"):
            return frozenset(sequence.name for sequence in synthetic.parse(names))
        words = names.rpartition(":")[2].split(",")
        return frozenset(name for word in words for name in otb.LISTS.get(word.strip(), (word.strip(),)))

    @property
    def digest(self) -> str:
        """Tells its three files from others, the runtime that executes them included."""
        # All three: the configuration and the weights tell where training stood, the graph what runs.
        digests = (sha256(self.path / name)[:8] for name in (CONFIG, WEIGHTS, POLICY))
        return "-".join(digests) + " onnxruntime"

    def policy(self) -> OnnxPolicy:
        """The network, ready to run.

        Raises:
            InputError: ``policy.onnx`` is missing, damaged, or no policy.
        """
        file = self.path / POLICY
        # The weights are not run, but they are part of the digest.
        if not (self.path / WEIGHTS).is_file():
            raise InputError(f"{self.path} has no {WEIGHTS}; fetch or train it again")
        if not file.is_file():
            raise InputError(f"{self.path} has no {POLICY}; type in a checkout: {EXPORT} {self.path}")
        try:
            return OnnxPolicy(file)
        except InputError as error:
            raise InputError(f"cannot use {file}: {error}; type in a checkout: {EXPORT} {self.path}") from None

    def check_extractor(self, extractor: str) -> None:
        """See that an extractor's id is that of the extractor that the agent was trained on.

        Raises:
            InputError: it is another one.
        """
        if extractor != self.extractor:
            raise InputError(
                f"the checkpoint {self.path} was trained on {self.extractor}, not on {extractor}; give the weights "
                f"that it was trained with, as {option('weights')}"
            )


def read(folder: Path, kind: Kind | None = None) -> Checkpoint:
    """Read the checkpoint that a folder stands for, see `find`.

    Args:
        folder: of a run, or of one checkpoint.
        kind: the agent that it must be; None for any.

    Raises:
        InputError: there is no checkpoint, it is damaged, or it is another agent's.
    """
    path = find(folder)
    config = read_json(path / CONFIG)
    recognised = kind_of(config)
    if recognised is None:
        raise InputError(f"the checkpoint {path} is damaged or of another version: its config.json names no agent")
    if kind is not None and recognised != kind:
        raise InputError(f"{path} is a checkpoint of {SCRIPTS[recognised]}; its tracker is {recognised}")
    # The file may be anybody's: check the types that the rest relies on.
    checkpoint = Checkpoint(path, recognised, config)
    if not isinstance(config.get("run", {}), dict) or not isinstance(checkpoint.extractor, str):
        raise InputError(
            f"the checkpoint {path} is damaged or of another version: its run is {str(config.get('run'))[:200]!r}, its "
            f"extractor {checkpoint.extractor!r}"
        )
    return checkpoint


def kind_of(config: Mapping[str, Any]) -> Kind | None:
    """Which agent a ``config.json`` is of; None where it is no agent's."""
    # A subset is enough: a configuration may have further keys.
    return next((kind for kind, keys in _KEYS.items() if keys <= config.keys()), None)


def load_policy(checkpoint: str | Path) -> OnnxPolicy:
    """The policy of a trained agent, for the environment that it was trained in.

    Args:
        checkpoint: a name of `pretrained_names`, or a folder: see `find`.

    Raises:
        InputError: there is no such agent, or its ``policy.onnx`` is missing or damaged.

    Example:
        Let the agent act in an environment::

            policy, state = load_policy("drlt-drawn"), None
            env = gym.make("OTBTrack-v0", sequences="synthetic:10000", split="all")
            observation, info = env.reset(seed=0)
            action, state = policy.act(observation, state)
    """
    return read(Path(checkpoint)).policy()


def pretrained_names() -> list[str]:
    """Names of the trained agents that come with the package."""
    return [path.name for path in list_folder(PRETRAINED) if path.is_dir()]


def find(folder: Path) -> Path:
    """The checkpoint that a folder stands for: itself, or the newest one of a run or of a folder of checkpoints.

    Args:
        folder: where it is. If there is no such folder, a name of `pretrained_names`.

    Raises:
        InputError: there is none.
    """
    if not folder.exists() and str(folder) in pretrained_names():
        return PRETRAINED / folder
    if (folder / WEIGHTS).exists():
        return folder
    inside = folder / "checkpoints"
    return newest(inside if inside.is_dir() else folder)


def newest(folder: Path) -> Path:
    """The checkpoint of the highest number in a folder.

    Raises:
        InputError: there is none.
    """
    numbered_folders = numbered(folder)
    if not numbered_folders:
        names = pretrained_names()
        raise InputError(
            f"no checkpoint in {folder}{suggest(str(folder), names)}; train first, or give the folder of a run that "
            f"has one, or an agent that comes with the package: {', '.join(names)}"
        )
    return numbered_folders[-1]


def numbered(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the one of the highest number last."""
    folders = [path for path in list_folder(folder) if path.name.isdecimal() and path.is_dir()]
    return sorted(folders, key=lambda path: int(path.name))
