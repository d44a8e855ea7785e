"""The run directory: configuration, logs, checkpoints, report.

======================  ===============================================================================
``config.json``         the whole configuration
``metrics.jsonl``       one line of scalars per logged epoch (or step), the same as in TensorBoard
``events.out.*``        TensorBoard: scalars, success plots, film strips, the configuration with the final scores
``checkpoints/``        the newest two, see `agents.checkpoint` and `agents.sb3_checkpoint`
``best/``               of train/sb3.py: the policy that was best on the training clips
``report.json``         final scores, see `train.results`
``results/NAME.txt``    final boxes of every test sequence, in OTB's format
``overlay.mp4``         the test sequence of median AUC with the true box and the agent's
======================  ===============================================================================
"""

import json
import signal
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import cv2
import numpy as np
from filelock import FileLock, Timeout
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import summary

from agents.removed_options import check_removed_options
from tracking_env.errors import InputError
from tracking_env.files import PARTIAL, read_json, remove, whole
from tracking_env.trackers.checkpoint import newest
from train.events import EventFile
from train.flags import CONTROL, RunFlags, differences, flat

_LOCK = ".lock"  # held by the process that trains


class Run:
    """One run directory, made anew or opened to go on; nothing in it changes before `start`.

    Args:
        config: with ``out`` set.
        unit: what progress is counted in, in the metrics file: ``epoch`` or ``step``.

    Attributes:
        newest: the checkpoint to go on from; None for a new run.

    Raises:
        InputError: the folder already holds a run (or something else), or there is nothing to resume, or the run there
            has another configuration.
    """

    def __init__(self, config: RunFlags, unit: str = "epoch") -> None:
        self.config = config
        self.unit = unit
        self.path = Path(config.out or "runs")
        self.stop_asked = False
        self._events: EventFile | None = None
        self._lock = FileLock(self.path / _LOCK)
        self.newest = self._look()

    def _look(self) -> Path | None:
        """The checkpoint to go on from; refuses what `Run` says."""
        config, saved = self.config, self.path / "config.json"
        if config.resume:
            if not saved.exists():
                raise InputError(f"no run to resume in {self.path}; leave --resume out, or give --out of one that is")
            before = read_json(saved)
            check_removed_options(before, f"the run in {self.path}")
            changed = differences(config, before)
            if changed:
                raise InputError(f"the run in {self.path} was made with another configuration: {', '.join(changed)}")
            # A run that was stopped before its first checkpoint has nothing to go on from, and begins again.
            return newest(self.checkpoints) if any(self.checkpoints.glob("[0-9]*")) else None
        if self.path.exists() and not (self.path.is_dir() and not self._content()):
            if not saved.exists():
                raise InputError(f"{self.path} exists and is not a run; give another folder with --out")
            if not config.overwrite:
                raise InputError(
                    f"{self.path} already holds a run; type --resume to go on with it, --overwrite to start anew, or "
                    "--out FOLDER for another"
                )
        return None

    def _content(self) -> list[Path]:
        """What is in the folder but the lock, and but what a process that died left of unfinished files."""
        return [one for one in self.path.iterdir() if one.name != _LOCK and not one.name.startswith(PARTIAL)]

    def start(self, done: int = 0) -> None:
        """Clear the way for a new run, or forget what a continued one will do again; open the logs.

        Args:
            done: epochs or steps of the checkpoint that it goes on from.

        Raises:
            InputError: the folder cannot be written to, or another process trains in it, or did in the meantime.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(blocking=False)
        except Timeout:
            raise InputError(
                f"another process trains in {self.path}; wait for it, or give another folder with --out"
            ) from None
        except OSError as error:
            raise InputError(f"cannot write to {self.path}: {error.strerror}; give another folder with --out") from None
        try:
            if self._look() != self.newest:
                raise InputError(f"the run in {self.path} has gone on in the meantime; type the same command again")
        except InputError:
            self._lock.release()
            raise
        for left in [*self.path.rglob(f"{PARTIAL}*")]:
            remove(left)
        if self.newest is None:
            # The configuration last, so that a process that dies here leaves the older run's or none, never a mixture.
            for one in sorted(self._content(), key=lambda one: (one.name == "config.json", one.name != "checkpoints")):
                remove(one)
            self.write_json("config.json", asdict(self.config))
        self._metrics = self.path / "metrics.jsonl"
        self._forget_after(done)
        self._events = EventFile(self.path, done + 1)

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    def log(self, at: int, scalars: dict[str, float]) -> None:
        """Append scalars of an epoch (1-based), or of a number of steps, to the metrics file and to TensorBoard."""
        with self._metrics.open("a") as file:
            file.write(json.dumps({self.unit: at} | scalars) + "\n")
        for name, value in scalars.items():
            self._add(summary.scalar(name, value), at)

    def picture(self, at: int, name: str, picture: np.ndarray, kind: Literal["png", "jpg"]) -> None:
        """Add a picture ``(height, width, 3)`` uint8 RGB to TensorBoard: a drawing as PNG, or frames as JPEG."""
        options = [cv2.IMWRITE_JPEG_QUALITY, 75] if kind == "jpg" else []
        _, data = cv2.imencode(f".{kind}", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
        height, width, channels = picture.shape
        image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=data.tobytes())
        self._add(Summary(value=[Summary.Value(tag=name, image=image)]), at)

    def text(self, name: str, text: str) -> None:
        """Add a text to TensorBoard."""
        self._add(summary.text(name, text))

    def summarise(self, agent: str, scores: dict[str, float]) -> None:
        """Add a finished run's scores to TensorBoard, and its flags as hyper-parameters, to sort runs by them.

        SummaryWriter's own way, `add_hparams`, would make a run of its own of them, in a folder inside this one.
        """
        flags = {name: value for name, value in flat(self.config).items() if name not in CONTROL}
        for one in summary.hparams({"agent": agent} | flags, scores):
            self._add(one)
        for name, value in scores.items():
            self._add(summary.scalar(name, value))

    def _add(self, what: Summary, at: int | None = None) -> None:
        assert self._events, "not started"
        self._events.add(what, at)

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file into the directory, whole or not at all."""
        with whole(self.path / name) as partial:
            partial.write_text(json.dumps(value, indent=1))

    def close(self) -> None:
        """Let others train in the folder; interrupts are no longer caught."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._lock.release()

    def catch_interrupts(self, once: bool = True) -> None:
        """Make Ctrl-C (or SIGTERM) set `stop_asked`; with ``once`` only the first, the next one ends the program."""

        def handle(number: int, _: FrameType | None) -> None:
            self.stop_asked = True
            if once:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

        signal.signal(signal.SIGINT, handle)
        signal.signal(signal.SIGTERM, handle)

    def _forget_after(self, done: int) -> None:
        """Drop the metrics of what will be run again."""
        if self._metrics.exists():
            lines = [
                line for line in self._metrics.read_text(errors="replace").splitlines() if 0 < self._at(line) <= done
            ]
            with whole(self._metrics) as partial:
                partial.write_text("".join(line + "\n" for line in lines))

    def _at(self, line: str) -> int:
        """The epoch or step of a line of metrics; 0 of one that broke off on a full disk."""
        try:
            return int(json.loads(line)[self.unit])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return 0
