"""The run directory: configuration, logs, checkpoints, report.

======================  ===============================================================================
``config.json``         the whole configuration
``metrics.jsonl``       one line of scalars per logged epoch (or step), the same as in TensorBoard
``events.out.*``        TensorBoard: scalars, success plots, film strips, the configuration with the final scores
``checkpoints/``        the newest two, see `agents.checkpoints.drlt` and `agents.checkpoints.sb3`
``best/``               train/sb3.py only: the policy with the best score on the training clips
``report.json``         final scores, see `train.run.steps.finish_run`
``results/NAME.txt``    final boxes on every test sequence, in OTB's format
``untrained/NAME.txt``  those of the agent before training
``overlay.mp4``         the test sequence of median AUC with the true box and the agent's
======================  ===============================================================================
"""

import json
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any

from filelock import FileLock, Timeout

from agents.checkpoints.removed_options import check_removed_options
from tracking_env.errors import InputError
from tracking_env.files import PARTIAL, read_json, remove, write_atomically
from tracking_env.trackers.checkpoint import newest
from train.run.flags import RunFlags, differences, flatten
from train.run.log import RunLog

_LOCK = ".lock"  # held by the process that trains
_FOLDERS = {"checkpoints": "[0-9]*", "best": "[0-9]*", "results": "*.txt", "untrained": "*.txt"}
"""Folders that a run makes, with what it writes into them."""
_FILES = ("warm", "metrics.jsonl", "events.out.tfevents.*", "report.json", "overlay.mp4")
"""What else a run makes, but for ``config.json``."""


class RunDirectory:
    """One run directory, new or opened to resume; nothing in it changes before `start`.

    Args:
        config: the run's configuration, with ``out`` set.
        unit: name of the count of progress in the metrics file: ``epoch``, ``step`` or ``update``.

    Attributes:
        newest: the checkpoint to resume from; None for a new run.
        opened: `time.perf_counter` when this was created.
        stop_requested: whether Ctrl-C was pressed since `catch_interrupts`.
        supervised, env_steps: what TensorBoard's axis needs, see `RunLog`; set them before `start`.
        curves: the run's log, from `start` on.

    Raises:
        InputError: the folder already holds a run or other files, there is nothing to resume, or the run there has
            another configuration.
    """

    def __init__(self, config: RunFlags, unit: str = "epoch") -> None:
        self.config = config
        self.unit = unit
        self.path = Path(config.out or "runs")
        self.opened = time.perf_counter()
        self.stop_requested = False
        self.env_steps, self.supervised = 1, 0
        self._lock = FileLock(self.path / _LOCK)
        self.newest = self._checkpoint_to_resume()

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    def check_extractor(self, trained_on: str, extractor: str) -> None:
        """Raise an `InputError` unless the checkpoint's extractor id is the one in use."""
        if trained_on != extractor:
            raise InputError(f"the run in {self.path} was trained on {trained_on}, not on {extractor}")

    def start(self, done: int = 0) -> None:
        """Lock the directory, delete what the run will write again, and open the logs.

        A new run deletes what an older one made, and nothing else. A resumed run deletes the metrics after its
        checkpoint.

        Args:
            done: epochs or steps of the checkpoint that it resumes from.

        Raises:
            InputError: the folder cannot be written to, or another process trains in it, or has trained in it since
                this object was created.
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
            # Extracting features may have taken hours: another process may have trained here meanwhile.
            if self._checkpoint_to_resume() != self.newest:
                raise InputError(f"the run in {self.path} has gone on in the meantime; type the same command again")
        except InputError:
            self._lock.release()
            raise
        self._delete_unfinished()
        if self.newest is None:
            self._delete_run()
            self.write_json("config.json", asdict(self.config))
        flags = flatten(self.config)
        self.curves = RunLog(self.path, self.unit, done, flags, self.config.wandb, self.supervised, self.env_steps)

    def log(self, step: int, scalars: dict[str, float], clocks: Mapping[str, float] = MappingProxyType({})) -> None:
        """Log the scalars of an epoch, update or step; arguments as of `RunLog.add`."""
        self.curves.add(step, scalars, clocks)

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file into the directory, whole or not at all."""
        with write_atomically(self.path / name) as partial:
            partial.write_text(json.dumps(value, indent=1))

    def catch_interrupts(self, once: bool = True) -> None:
        """Make Ctrl-C (or SIGTERM) set `stop_requested`; with ``once`` a second one ends the program."""

        def handle(number: int, _: FrameType | None) -> None:
            self.stop_requested = True
            if once:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

        signal.signal(signal.SIGINT, handle)
        signal.signal(signal.SIGTERM, handle)

    def close(self) -> None:
        """Release the directory to other processes, and stop catching interrupts."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if self._lock.is_locked:  # processes that do not lead have started no log
            self.curves.close()
        self._lock.release()

    def _checkpoint_to_resume(self) -> Path | None:
        """The newest checkpoint of a run to resume, else None; raises the errors of the constructor."""
        config, config_path = self.config, self.path / "config.json"
        if config.resume:
            if not config_path.exists():
                raise InputError(f"no run to resume in {self.path}; leave --resume out, or give --out of one that is")
            saved = read_json(config_path)
            check_removed_options(saved, f"the run in {self.path}")
            changed = differences(config, saved)
            if changed:
                raise InputError(f"the run in {self.path} was made with another configuration: {', '.join(changed)}")
            # A run that was stopped before its first checkpoint starts again from the beginning.
            return newest(self.checkpoints) if any(self.checkpoints.glob("[0-9]*")) else None
        if self.path.exists() and not (self.path.is_dir() and not self._content()):
            self._check_is_run()
            if not config.overwrite:
                raise InputError(
                    f"{self.path} already holds a run; type --resume to go on with it, --overwrite to start anew, or "
                    "--out FOLDER for another"
                )
        return None

    def _check_is_run(self) -> None:
        """Raise an `InputError` unless the directory holds a run of the script that this configuration is of."""
        path = self.path / "config.json"
        if not path.exists():
            raise InputError(f"{self.path} exists and is not a run; give another folder with --out")
        # Many programs have a file of that name. The fields of a configuration tell the scripts apart, too.
        missing = asdict(self.config).keys() - read_json(path).keys()
        if missing:
            raise InputError(
                f"{self.path} is no run of this script: its config.json has no {', '.join(sorted(missing)[:3])}; give "
                "another folder with --out"
            )

    def _delete_unfinished(self) -> None:
        """Delete what killed processes left in the folders that a run makes."""
        made = [self.path / name for name in (*_FOLDERS, "warm")]
        # Not behind links: what lies there need not be the run's.
        inside = [path for folder in made if not folder.is_symlink() for path in folder.rglob(f"{PARTIAL}*")]
        for unfinished in [*self.path.glob(f"{PARTIAL}*"), *inside]:
            remove(unfinished)

    def _delete_run(self) -> None:
        """Delete an older run. Files of other programs stay, and whatever lies behind links."""
        # Checkpoints first and the configuration last: if the process dies here, the older run is still a run, or there
        # is none, but never a mixture of two.
        for name, pattern in _FOLDERS.items():
            folder = self.path / name
            if folder.is_symlink():
                folder.unlink()
            elif folder.is_dir():
                for path in folder.glob(pattern):
                    remove(path)
                if not any(folder.iterdir()):
                    folder.rmdir()
        for pattern in (*_FILES, "config.json"):
            for path in self.path.glob(pattern):
                remove(path)

    def _content(self) -> list[Path]:
        """The files and folders in the directory, without the lock and without unfinished files."""
        return [path for path in self.path.iterdir() if path.name != _LOCK and not path.name.startswith(PARTIAL)]
