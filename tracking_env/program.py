"""From a program's work to its exit code: every command and every training script ends here."""

import errno
import os
import sys
from collections.abc import Callable, Sequence

from tracking_env import terminal
from tracking_env.errors import TRACEBACKS, InputError, describe, is_out_of_memory, naming_flags
from tracking_env.files import check_no_address, check_not_empty
from tracking_env.log_levels import separate_stderr

TRACEBACK = "--traceback"
"""Flag of every program: print where an error came from."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNREAD, _STOPPED = 141, 130  # as shells report it: 128 plus the number of SIGPIPE, of SIGINT


def run_program(
    name: str,
    work: Callable[[list[str]], int | None],
    args: Sequence[str] | None = None,
    stopped: str = "stopped",
    again: str = "",
    reports: Callable[[], bool] = lambda: True,
) -> int:
    """Run a program, and print one line if it fails.

    Args:
        name: the program's, with which that line begins.
        work: everything from parsing flags to printing results; gets the flags, returns the exit code (None for 0).
        args: the flags, by default those of this process. ``--traceback`` is taken out of them.
        stopped: the line after Ctrl-C.
        again: what to do once a full disk has room again.
        reports: whether this process should print the line; of several processes only one should.

    Returns:
        The exit code: the work's; 2 for an input, a disk or a memory that cannot be used; 1 for an error of the code;
        130 after Ctrl-C; 141 if the reader of the output, such as ``head``, has ended.

    Example:
        >>> run_program("hello", lambda flags: terminal.print_result(" ".join(flags)), ["hello", "you"])
        hello you
        0
    """
    args = list(sys.argv[1:] if args is None else args)
    if TRACEBACK in args:
        args = [arg for arg in args if arg != TRACEBACK]
        os.environ[TRACEBACKS] = "1"
    if not os.environ.get(TRACEBACKS):
        separate_stderr()
    terminal.prepare_streams()
    line = ""
    try:
        with naming_flags():
            for arg in args:
                check_no_address(arg)
                check_not_empty(arg)
            code = work(args) or 0
    except KeyboardInterrupt:
        code, line = _STOPPED, stopped
    except SystemExit:  # of the parser, after --help
        if terminal.lost_output() is None:
            raise
        code = 0
    except Exception as error:
        if isinstance(error, BrokenPipeError):  # of a library that prints by itself, such as the parser its --help
            terminal.lost_output()
            return _UNREAD
        code, line = _explain(error, again)
    lost = terminal.lost_output()
    if code == 0 and lost is not None:
        if isinstance(lost, BrokenPipeError):
            return _UNREAD
        code, line = 2, f"error: cannot print the result: {lost.strerror}; files are complete"
    if line and reports():
        terminal.print_error(f"{name}: {line}")
    return code


def _explain(error: Exception, again: str) -> tuple[int, str]:
    """Exit code and line for an error."""
    text = describe(error)
    if isinstance(error, InputError) or is_out_of_memory(error):
        return 2, f"error: {text}"
    if isinstance(error, OSError):
        room = "; make room" if error.errno in _FULL else ""
        return 2, f"error: {error}{room}{room and again and f', then {again}'}"
    return 1, f"error: unexpected {text}; {TRACEBACK} shows where it came from"
