"""The log of a run: ``metrics.jsonl``, TensorBoard's event file and a mirror in Weights & Biases."""

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import cv2
import numpy as np
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import summary

from tracking_env.errors import MissingPackageError
from tracking_env.files import require_file, write_atomically
from train.run.flags import CONTROL

METRICS = "metrics.jsonl"


class RunLog:
    """The log of a run, new or resumed: metrics after the checkpoint that it resumes from are deleted.

    Args:
        path: the run directory.
        unit: name of the count of progress in the metrics file: ``epoch``, ``step`` or ``update``.
        done: epochs, updates or steps of the checkpoint that it resumes from.
        config: the run's flags, by name.
        wandb: mirror the curves.
        supervised: units before the first environment step; TensorBoard counts each of them as one step.
        env_steps: environment steps of one unit; TensorBoard's curves are over environment steps.

    Raises:
        MissingPackageError: Weights & Biases is asked for and not installed.
    """

    def __init__(
        self,
        path: Path,
        unit: str,
        done: int,
        config: Mapping[str, Any],
        wandb: bool,
        supervised: int,
        env_steps: int,
    ) -> None:
        self._metrics, self._unit, self._config = path / METRICS, unit, config
        self._supervised, self._env_steps = supervised, env_steps
        drop_metrics_after(self._metrics, unit, done)
        self._events = EventFile(path, self._place(done) + 1)
        self._mirror = WandbMirror(path, config) if wandb else None
        flags = "\n".join(f"    {name} = {value}" for name, value in config.items())
        self._add(summary.text("config", flags))

    def add(self, step: int, scalars: dict[str, float], clocks: Mapping[str, float] = MappingProxyType({})) -> None:
        """Append the scalars of an epoch (1-based) or step to the metrics file and to TensorBoard.

        Args:
            step: the epoch, update or step.
            scalars: values by name.
            clocks: values that depend on the machine, by name: for TensorBoard alone, since the metrics file depends
                on the seed alone.
        """
        with self._metrics.open("a") as file:
            file.write(json.dumps({self._unit: step} | scalars) + "\n")
        shown = scalars | dict(clocks)
        for name, value in shown.items():
            self._add(summary.scalar(name, value), step)
        if self._mirror:
            self._mirror.log(self._place(step), shown)

    def add_picture(self, step: int, name: str, picture: np.ndarray, kind: Literal["png", "jpg"]) -> None:
        """Add a picture ``(height, width, 3)`` uint8 RGB to TensorBoard: plots as PNG, video frames as JPEG."""
        options = [cv2.IMWRITE_JPEG_QUALITY, 75] if kind == "jpg" else []
        _, data = cv2.imencode(f".{kind}", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
        height, width, channels = picture.shape
        image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=data.tobytes())
        self._add(Summary(value=[Summary.Value(tag=name, image=image)]), step)

    def add_final_scores(self, agent: str, scores: dict[str, float]) -> None:
        """Add the scores of a finished run to TensorBoard, with its flags as hyper-parameters to sort runs by.

        `SummaryWriter.add_hparams` would write them as a second run, in a folder inside this one.
        """
        flags = {name: value for name, value in self._config.items() if name not in CONTROL}
        for part in summary.hparams({"agent": agent} | flags, scores):
            self._add(part)
        for name, value in scores.items():
            self._add(summary.scalar(name, value))

    def close(self) -> None:
        """Finish the mirror."""
        if self._mirror:
            self._mirror.close()

    def _place(self, step: int) -> int:
        """Where an epoch, update or step is on TensorBoard's axis."""
        return min(step, self._supervised) + max(0, step - self._supervised) * self._env_steps

    def _add(self, part: Summary, step: int | None = None) -> None:
        self._events.add(part, None if step is None else self._place(step))


def drop_metrics_after(path: Path, unit: str, done: int) -> None:
    """Delete the lines of a metrics file that are not of epochs, updates or steps up to ``done``."""
    if not path.exists():
        return
    require_file(path)
    lines = path.read_text(errors="replace").splitlines()
    valid = [line for line in lines if 0 < _step_of(line, unit) <= done]
    with write_atomically(path) as partial:
        partial.write_text("".join(line + "\n" for line in valid))


def _step_of(line: str, unit: str) -> int:
    """The epoch or step of a line of metrics; 0 for a line that is cut off, as on a full disk."""
    try:
        return int(json.loads(line)[unit])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return 0


class EventFile:
    """An event file of TensorBoard, whose writer reports a full disk at once. A resumed run adds another file.

    torch's `SummaryWriter` cannot replace it. It writes in a thread: on a full disk the thread prints a traceback, and
    ``flush`` returns without an error, so the training loop hears of it only with a later call, or never.

    Args:
        folder: where the file is created; its name sorts after those of older files.
        first_step: the epoch or step from which on TensorBoard hides the curves of older files.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        name = f"events.out.tfevents.{seconds:010d}.{socket.gethostname()}.{os.getpid()}.{nanoseconds:09d}"
        self.path = folder / name
        self._append(Event(file_version="brain.Event:2"))
        self._append(Event(step=first_step, session_log=SessionLog(status=SessionLog.START)))

    def add(self, summary: Summary, step: int | None = None) -> None:
        """Append a summary of an epoch or step; it is in the file when this returns.

        Raises:
            OSError: the disk is full, or cannot be written to.
        """
        self._append(Event(summary=summary, step=step))

    def _append(self, event: Event) -> None:
        event.wall_time = time.time()
        with self.path.open("ab") as file:
            RecordWriter(file).write(event.SerializeToString())


class WandbMirror:
    """One run of Weights & Biases for one run directory; a resumed run goes on in it.

    With the environment variable ``WANDB_MODE=offline`` everything stays in the folder ``wandb`` of the run, and
    ``wandb sync`` sends it later.

    Args:
        path: the run directory.
        config: its configuration, by field.

    Raises:
        MissingPackageError: the package is not installed.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ModuleNotFoundError as error:
            raise MissingPackageError("--wandb", error, "wandb") from None
        name = "-".join(path.resolve().parts[-2:])
        self._run = wandb.init(
            project="tracking-env", name=name, id=name, resume="allow", dir=str(path), config=dict(config)
        )

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Add scalars by name, at a number of environment steps."""
        self._run.log(dict(scalars), step=step)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()
