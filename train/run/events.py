"""A writer of TensorBoard's event files that reports a full disk at once.

torch's `SummaryWriter` cannot replace it. It writes in a thread: on a full disk the thread prints a traceback, and
``flush`` returns without an error, so the training loop hears of it only with a later call, or never.
"""

import os
import socket
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class EventFile:
    """An event file of TensorBoard. A resumed run adds one file each time that it starts.

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
