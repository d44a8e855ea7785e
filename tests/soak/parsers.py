"""Every reader of files from outside, with good files of each for a fuzzer to damage."""

import io
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from torch import nn

from agents import checkpoint, pointing_checkpoint, sb3_checkpoint
from agents.drlt import DRLT, DRLTConfig
from agents.heads import Heads
from agents.pointing import Pointing, PointingConfig
from agents.reinforce import ReinforceConfig
from agents.sb3 import SB3Agent, policy_options, spaces_of
from tracking_env import convnets, layouts, otb, results, running
from tracking_env.check import check
from tracking_env.darknet import Darknet
from tracking_env.darknet_files import read_cfg
from tracking_env.evaluation import score_folder, write_result
from tracking_env.sequence import ArrayFrames, Sequence, read_image
from tracking_env.store import FeatureStore
from tracking_env.tasks import Task
from train.config import RunConfig
from train.run import Run
from train.schedule import Progress

BOXES = np.array([[1.0, 2, 3, 4], [2, 3, 4, 5], [3.5, 4, 5, 6]])
PICTURE = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
CFG = """[net]
width=8
height=8
channels=3
[convolutional]
filters=2
size=3
stride=2
pad=1
batch_normalize=1
activation=leaky
[maxpool]
size=2
stride=2
[route]
layers=-1,-1
[upsample]
stride=2
[connected]
output=3
activation=linear
"""


@dataclass(frozen=True)
class Parser:
    """A reader of one kind of file.

    Attributes:
        file: the damaged file's path in the folder that ``read`` is given.
        seeds: good contents.
        read: reads the folder; raises `InputError` of what it cannot use, and nothing else.
        prepare: what else must be in the folder, once.
    """

    file: str
    seeds: tuple[bytes, ...]
    read: Callable[[Path], Any]
    prepare: Callable[[Path], Any] = lambda folder: None


def encoded(suffix: str) -> bytes:
    return cv2.imencode(suffix, PICTURE)[1].tobytes()


def text(rows: np.ndarray, separator: str = ",") -> bytes:
    return "".join(separator.join(map(str, row)) + "\n" for row in rows).encode()


def mat() -> bytes:
    from scipy.io import savemat

    file, cell = io.BytesIO(), np.empty((1, 1), dtype=object)
    cell[0, 0] = {"res": BOXES, "type": "rect", "startFrame": 1}
    savemat(file, {"results": cell})
    return file.getvalue()


def score(folder: Path) -> None:
    """Read results and score them: what was read must be usable."""
    score_folder(folder, {"Deer": BOXES})


def sequence() -> Sequence:
    return Sequence("one", ArrayFrames(np.stack([PICTURE] * 3)), BOXES)


class Mean:
    """The extractor of the store."""

    id, dim = "mean", 3

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """The frame."""
        return frame

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        return frames.mean(axis=(1, 2), dtype=np.float32)


def build_store(folder: Path) -> None:
    FeatureStore(Mean(), folder / "store")[sequence()]


def read_store(folder: Path) -> None:
    features = FeatureStore(Mean(), folder / "store")[sequence()]
    assert features.shape == (3, 3) and features.dtype == np.float16
    with np.errstate(invalid="ignore"):  # they are mapped, not looked through: training stops at what is not finite
        np.asarray(features, np.float32).sum()


def stored(name: str) -> tuple[str, bytes]:
    """A file of a good store: its path and content."""
    with tempfile.TemporaryDirectory() as folder:
        build_store(Path(folder))
        (path,) = Path(folder, "store").glob(name)
        return f"store/{path.name}", path.read_bytes()


def darknet(folder: Path) -> None:
    network = Darknet(read_cfg(folder / "net.cfg"), (0,), "net.cfg")
    weights = folder / "net.weights"
    if weights.exists():
        network.load(weights)
        (out,) = network(torch.zeros(1, network.shapes[0][0] and 3, network.height, network.width))
        assert torch.isfinite(out).all()
    elif network.needs < 10**5 and network.height * network.width < 10**4:
        numbers = np.zeros(network.needs, "<f4")
        (folder / "filled").write_bytes(np.array([0, 2, 0, 0, 0], "<i4").tobytes() + numbers.tobytes())
        network.load(folder / "filled")
        channels = int(read_cfg(folder / "net.cfg")[0].get("channels", 3))
        if channels < 100:
            network(torch.zeros(1, channels, network.height, network.width))


def darknet_weights() -> bytes:
    network = Darknet([{"type": "net", **pairs(CFG)}, *sections(CFG)[1:]], (0,))
    return np.array([0, 2, 0, 0, 0], "<i4").tobytes() + np.ones(network.needs, "<f4").tobytes()


def sections(cfg: str) -> list[dict[str, str]]:
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(cfg)
        file.flush()
        return read_cfg(Path(file.name))


def pairs(cfg: str) -> dict[str, str]:
    return {key: value for key, value in sections(cfg)[0].items() if key != "type"}


class Small(nn.Module):
    """A convolution, with the names that torchvision gives."""

    def __init__(self) -> None:
        super().__init__()
        with torch.device("meta"):
            self.conv1 = nn.Conv2d(1, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv1(x)


def pth() -> bytes:
    norm = {f"bn1.{name}": torch.ones(2) for name in ("weight", "bias", "running_mean", "running_var")}
    file = io.BytesIO()
    torch.save({"conv1.weight": torch.ones(2, 1, 3, 3)} | norm, file)
    return file.getvalue()


def read_pth(folder: Path) -> None:
    network = Small()
    convnets.load(network, folder / "net.pth")
    assert network(torch.zeros(1, 1, 4, 4)).shape == (1, 2, 2, 2)


OPTIONS = ReinforceConfig(baseline="value", learn_sigma=True)


@cache
def trained() -> dict[str, bytes]:
    """The files of a checkpoint, by name."""
    model = DRLT(5, DRLTConfig(observation=3, hidden=4))
    heads = Heads(4, OPTIONS)
    optimizer = torch.optim.Adam([*model.parameters(), *heads.parameters()])
    mean, _ = model(torch.zeros(1, 2, 5), torch.zeros(1, 2, 4))
    (mean.sum() + sum(one.sum() for one in heads.parameters())).backward()
    optimizer.step()
    with tempfile.TemporaryDirectory() as folder:
        where = asdict(Progress(3, 1, 1, -0.5, 0))
        path = checkpoint.save(Path(folder), model, optimizer, "mean", 3, {"seed": 0}, heads, where)
        return {one.name: one.read_bytes() for one in path.iterdir()}


def build_checkpoint(folder: Path) -> None:
    for name, content in trained().items():
        (folder / name).write_bytes(content)


def read_checkpoint(folder: Path) -> None:
    """Load, and take a step: what was loaded must be usable."""
    loaded = checkpoint.load(folder)
    checkpoint.trained_on(folder, loaded.run)
    Progress.read(loaded.progress)
    heads = Heads(loaded.model.config.hidden, OPTIONS)
    heads.take(loaded.heads)
    optimizer = torch.optim.Adam([*loaded.model.parameters(), *heads.parameters()])
    checkpoint.restore(optimizer, loaded.model, loaded.optimizer, heads)
    size = loaded.model.feature_mean.numel()
    mean, _ = loaded.model(torch.zeros(1, 2, size), torch.zeros(1, 2, 4))
    mean.sum().backward()
    optimizer.step()


@cache
def pointed() -> dict[str, bytes]:
    """The same of the closed-loop agent."""
    model = Pointing(3, PointingConfig(width=4))
    optimizer = torch.optim.Adam(model.parameters())
    sum(one.sum() for one in model.parameters()).backward()
    optimizer.step()
    with tempfile.TemporaryDirectory() as folder:
        path = pointing_checkpoint.save(
            Path(folder, "one"), model, "cells", 3, {"data": {"features": "cells"}}, optimizer
        )
        return {one.name: one.read_bytes() for one in path.iterdir()}


def build_pointed(folder: Path) -> None:
    for name, content in pointed().items():
        (folder / name).write_bytes(content)


def read_pointed(folder: Path) -> None:
    loaded = pointing_checkpoint.load(folder)
    checkpoint.trained_on(folder, loaded.run)
    optimizer = torch.optim.Adam(loaded.model.parameters())
    pointing_checkpoint.restore(optimizer, loaded.model, loaded.optimizer)
    sum(one.sum() for one in loaded.model.parameters()).backward()
    optimizer.step()
    maps, box = torch.zeros(1, loaded.model.channels, 8, 8), torch.full((1, 4), 0.5)
    loaded.model.begin(maps, box)


@cache
def sb3_trained() -> dict[str, bytes]:
    """The same of an algorithm of Stable-Baselines3."""
    facts = {"algorithm": "ppo", "features": 5, "hidden": 3, "extractor": "mean", "best": None, "run": {}}
    model = PPO("MultiInputPolicy", Spaces(), policy_kwargs=policy_options("ppo", 3, 0.01), device="cpu")
    sum(one.sum() for one in model.policy.parameters()).backward()
    model.policy.optimizer.step()
    with tempfile.TemporaryDirectory() as folder:
        path = sb3_checkpoint.save(Path(folder), model, facts)
        return {one.name: one.read_bytes() for one in path.iterdir()}


class Spaces(gym.Env):
    """What an algorithm must know of an environment."""

    observation_space, action_space = spaces_of(5), gym.spaces.Box(0, 1, (4,))


def build_sb3(folder: Path) -> None:
    for name, content in sb3_trained().items():
        (folder / name).write_bytes(content)


def read_sb3(folder: Path) -> None:
    """As a tracker, and to go on with."""
    loaded = sb3_checkpoint.load(folder)
    checkpoint.trained_on(folder, loaded.run)
    SB3Agent(loaded.policy())
    model = PPO("MultiInputPolicy", Spaces(), policy_kwargs=policy_options("ppo", 3, 0.01), device="cpu")
    loaded.restore(model)
    sum(one.sum() for one in model.policy.parameters()).backward()
    model.policy.optimizer.step()


RUN = RunConfig(out="run", resume=True)


def build_run(folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "config.json").write_text(json.dumps(asdict(RUN)))


def read_run(folder: Path) -> None:
    run = Run(replace(RUN, out=str(folder / "run")))
    run._metrics = folder / "run" / "metrics.jsonl"  # what `start` does first, without opening TensorBoard's log
    run._forget_after(3)


def build_truth(folder: Path) -> None:
    (folder / "mine" / "img").mkdir(parents=True)
    for number in range(1, 4):
        (folder / "mine" / "img" / f"{number:04d}.png").write_bytes(encoded(".png"))


def read_truth(folder: Path) -> None:
    check(folder)
    otb.load(folder, "mine")[0].relative.sum()


def build_images(folder: Path) -> None:
    (folder / "bag").mkdir()
    for number in range(1, 4):
        (folder / "bag" / f"{number:08d}.png").write_bytes(encoded(".png"))
    (folder / "bag" / "groundtruth.txt").write_bytes(text(BOXES))


def read_layout(kind: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> None:
        layouts.recognise(folder)
        for one in layouts.load(folder, kind):
            one.relative.sum()

    return read


def read_tracker(folder: Path) -> None:
    task = Task(folder / "T-tre", sequence(), "start-01", 1)
    running.prepare("mine", folder / "T-tre", [task])


STORED = {kind: stored(name) for kind, name in (("npy", "*.npy"), ("origin", "one-*.json"), ("header", "store.json"))}
RECORDS = {"res": BOXES.tolist(), "type": "rect", "startFrame": 1, "fps": 20.0}
STARTS = b'{"Deer": [0]}'

PARSERS: dict[str, Parser] = {
    "OTB annotations": Parser(
        "mine/groundtruth_rect.txt", (text(BOXES), b"\xef\xbb\xbf" + text(BOXES, "\t")), read_truth, build_truth
    ),
    "VOT annotations": Parser(
        "bag/groundtruth.txt",
        (text(np.tile(BOXES, 2)), text(BOXES), b"1,2,3,4\n0\n1\n"),
        read_layout("vot"),
        build_images,
    ),
    "GOT-10k flags": Parser("bag/absence.label", (b"0\n1\n0\n",), read_layout("got10k"), build_images),
    "list of sequences": Parser("list.txt", (b"bag\n",), read_layout("got10k"), build_images),
    "frame, JPEG": Parser("a.jpg", (encoded(".jpg"),), lambda folder: read_image(folder / "a.jpg")),
    "frame, PNG": Parser("a.png", (encoded(".png"),), lambda folder: read_image(folder / "a.png")),
    "result text": Parser("Deer.txt", (text(BOXES),), score),
    "result times": Parser(
        "Deer_time.txt", (b"0.1\n0.2\n",), score, lambda folder: write_result(folder / "Deer.txt", BOXES)
    ),
    "result JSON": Parser("Deer.json", (json.dumps([RECORDS]).encode(),), score),
    "result MAT": Parser("Deer_T.mat", (mat(),), score),
    "TRE starts": Parser(
        "T-tre/starts.json",
        (STARTS,),
        lambda folder: results.read(folder / "T-tre", ["Deer"]),
        lambda folder: write_result(folder / "T-tre" / "start-01" / "Deer.txt", BOXES),
    ),
    "TRE starts, to go on": Parser("T-tre/starts.json", (STARTS,), read_tracker),
    "tracker.id": Parser("T-tre/tracker.id", (b"mine\n",), read_tracker),
    "darknet cfg": Parser("net.cfg", (CFG.encode(),), darknet),
    "darknet weights": Parser(
        "net.weights", (darknet_weights(),), darknet, lambda folder: (folder / "net.cfg").write_text(CFG)
    ),
    "torch weights": Parser("net.pth", (pth(),), read_pth),
    **{
        f"checkpoint, {name}": Parser(name, (content,), read_checkpoint, build_checkpoint)
        for name, content in sorted(trained().items())
    },
    **{
        f"search checkpoint, {name}": Parser(name, (content,), read_pointed, build_pointed)
        for name, content in sorted(pointed().items())
    },
    **{
        f"SB3 checkpoint, {name}": Parser(name, (content,), read_sb3, build_sb3)
        for name, content in sorted(sb3_trained().items())
    },
    "run, config.json": Parser("run/config.json", (json.dumps(asdict(RUN)).encode(),), read_run, build_run),
    "run, metrics.jsonl": Parser(
        "run/metrics.jsonl", (b'{"epoch": 1, "reward/l1": -0.5}\n{"epoch": 4}\n',), read_run, build_run
    ),
    **{f"store, {kind}": Parser(path, (content,), read_store, build_store) for kind, (path, content) in STORED.items()},
}


class Workplace:
    """A folder for one parser, made anew where a reading has changed it."""

    def __init__(self, parser: Parser, folder: Path) -> None:
        self.parser, self.folder = parser, folder

    def read(self, content: bytes) -> None:
        """Put the content in its place, and read."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.parser.prepare(self.folder)
        path = self.folder / self.parser.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.parser.read(self.folder)
