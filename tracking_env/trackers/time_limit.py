"""A tracker whose calls are given up when they take too long."""

import contextlib
import ctypes
import queue
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from tracking_env.errors import InputError, describe, option
from tracking_env.trackers.base import Tracker

SECONDS = 60.0
"""How long a call may take by default: many times what the slowest tracker takes for a frame."""
MAKING = 10
"""How many times as long it may take to make the tracker, which may read large networks."""
_WAIT = 0.5  # seconds between looks at the clock; on Windows Ctrl-C is not noticed meanwhile


class TimeLimitedTracker:
    """A tracker that runs in a thread of its own, so that a call without end can be given up.

    Compiled code, such as OpenCV's, cannot be interrupted; the thread that waits for it can. The thread of a call that
    was given up is left behind, and the next `init` makes the tracker anew. All other attributes are the tracker's.

    Args:
        make: makes the tracker. It is called in the thread too, since some libraries keep settings for each thread.
        seconds: the most that a call may take.

    Example:
        >>> tracker = TimeLimitedTracker(lambda: make_tracker("mil"), seconds=10)
        >>> tracker.init(frame, box)
    """

    def __init__(self, make: Callable[[], Tracker], seconds: float = SECONDS) -> None:
        self._make, self._seconds = make, seconds
        self._start()

    def _start(self) -> None:
        self._thread = _Thread()
        self._tracker = self._call("making", self._seconds * MAKING, self._make)

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame, as `Tracker.init`.

        Raises:
            InputError: it takes too long.
        """
        if self._thread.busy:
            self._start()
        self._call("init", self._seconds, self._tracker.init, frame, box)

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The target's box ``(4,)`` in the next frame, as `Tracker.update`.

        Raises:
            InputError: it takes too long.
        """
        box: np.ndarray = self._call("update", self._seconds, self._tracker.update, frame)
        return box

    def _call(self, name: str, seconds: float, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return self._thread.call(seconds, function, *args)
        except _NoAnswerError:
            raise InputError(
                f"the tracker's {name} has not returned after {seconds:g} seconds; give {option('timeout')} a larger "
                "number if it is only slow"
            ) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_tracker"], name)


def call_limited(function: Callable[[], Any], seconds: float) -> Any:
    """What a function returns or raises. Its thread is left behind if that takes longer.

    Raises:
        TimeoutError: it has not returned after these seconds.
    """
    try:
        return _Thread().call(seconds, function)
    except _NoAnswerError:
        raise TimeoutError(f"no answer after {seconds:g} seconds") from None


class _NoAnswerError(Exception):
    """A call has not returned in time."""


class _Thread:
    """A thread that makes one call at a time for another. It ends with this object.

    Attributes:
        busy: whether a call has not returned: the caller has given it up, or was interrupted.
    """

    def __init__(self) -> None:
        self.busy = False
        self._calls: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # A daemon does not keep the process from ending.
        self._thread = threading.Thread(target=_serve, args=(self._calls, self._answers), daemon=True)
        self._thread.start()
        weakref.finalize(self, self._calls.put, None)

    def call(self, seconds: float, function: Callable[..., Any], *args: Any) -> Any:
        """What a function returns or raises; `_NoAnswerError` if it does neither in these seconds."""
        self.busy = True
        self._calls.put((function, args))
        start = time.monotonic()
        while True:
            try:
                value, error = self._answers.get(timeout=min(_WAIT, seconds))
                break
            except queue.Empty:
                if time.monotonic() - start >= seconds:
                    self._end()
                    raise _NoAnswerError from None
        self.busy = False
        if isinstance(error, StopIteration) or not isinstance(error, Exception | KeyboardInterrupt | None):
            # Raised here it would end the program, or the loop over its frames.
            raise InputError(f"the tracker ended with {describe(error)}")
        if error is not None:
            raise error
        return value

    def _end(self) -> None:
        """End the thread as soon as it runs Python code: at once in a loop of Python, never in one of C."""
        ident = ctypes.c_ulong(self._thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))


def _serve(calls: "queue.SimpleQueue[Any]", answers: "queue.SimpleQueue[Any]") -> None:
    # No method of `_Thread`: it would hold the object, which then would never end.
    while (call := calls.get()) is not None:
        function, args = call
        try:
            with contextlib.chdir("."):  # whoever changes the working directory changes it for all threads
                value = function(*args)
            answers.put((value, None))
        except BaseException as error:  # a tracker may raise anything; the caller handles it
            answers.put((None, error))
        del call, function, args  # frames are large
