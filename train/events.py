"""TensorBoard's log of a run, written by whoever logs.

PyTorch's `SummaryWriter` writes in a thread of its own. What fails there, as on a full disk, Python prints with a
traceback, and the run is told with one of the next lines, or never.
"""

import os
import socket
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class EventFile:
    """One file of TensorBoard's; a run that goes on has another one for each time that it began.

    Args:
        folder: where it is made, under a name after all older ones.
        first: epoch or step from which on TensorBoard shows nothing of the older ones.
    """

    def __init__(self, folder: Path, first: int) -> None:
        seconds, rest = divmod(time.time_ns(), 10**9)
        self.path = folder / f"events.out.tfevents.{seconds:010d}.{socket.gethostname()}.{os.getpid()}.{rest:09d}"
        self._append(Event(file_version="brain.Event:2"))
        self._append(Event(step=first, session_log=SessionLog(status=SessionLog.START)))

    def add(self, summary: Summary, at: int | None = None) -> None:
        """Append a summary, of epoch or step ``at``; it is in the file when this returns.

        Raises:
            OSError: the disk is full, or cannot be written to.
        """
        self._append(Event(summary=summary, step=at))

    def _append(self, event: Event) -> None:
        event.wall_time = time.time()
        with self.path.open("ab") as file:
            RecordWriter(file).write(event.SerializeToString())
