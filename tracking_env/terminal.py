"""Text for terminals, pipes and logs, whatever their encoding.

Programs print with `print_result` and `print_error`. Both take any text and raise nothing: work of hours must not be
lost because nobody reads its last line. `lost_output` tells at the end why something could not be printed.
"""

import codecs
import errno
import io
import logging
import os
import sys
from contextlib import suppress
from typing import IO, Any

_ASCII = {"±": "+-", "×": "x", "²": "2", "•": "*", "–": "-", "—": "-", "…": "...", "│": "|", "─": "-"} | dict.fromkeys(
    "╭╮╰╯├┤┌┐└┘", "+"
)
"""What is printed for a character where the terminal's encoding lacks it; a question mark for all others."""
_ERRORS = "tracking_env.ascii"  # name of the handler of encoding errors
_unprinted: list[OSError] = []


def _encode_as_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_ASCII.get(character, "?") for character in characters), error.end


codecs.register_error(_ERRORS, _encode_as_ascii)


def prepare_streams() -> None:
    """Make the standard streams of this process take any text. One that is closed becomes an empty one.

    Warnings of Python's ``logging`` are printed as `printable` text.
    """
    _unprinted.clear()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The next file to be opened would get this number, and what C libraries print would land in it.
            _discard(number)
        stream: Any = getattr(sys, name)
        if stream is None:  # Python's, where it was closed
            setattr(sys, name, io.TextIOWrapper(io.FileIO(os.devnull, "r" if number == 0 else "w"), "utf-8"))
        elif number > 0 and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)
    if not logging.getLogger().handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_PrintableFormatter("%(message)s"))
        logging.getLogger().addHandler(handler)


def printable(text: str, more: str = "\n\t") -> str:
    r"""The text with control characters, such as a terminal's escape sequences, written as ``\x1b``.

    Args:
        text: any text, such as the name of a file from elsewhere.
        more: control characters that stay as they are.

    Example:
        >>> printable("clip\x1b[31m")
        'clip\\x1b[31m'
    """
    return "".join(
        character if character.isprintable() or character in more else ascii(character)[1:-1] for character in text
    )


def print_result(result: object) -> None:
    """Print a result on stdout. Raises no error: see `lost_output`."""
    _write(printable(str(result)), sys.stdout)


def print_error(line: str) -> None:
    """Print a message on stderr, as one line. Raises no error."""
    _write(printable(line, more=""), sys.stderr)


def lost_output() -> OSError | None:
    """Flush stdout; return why it did not take all of the output, None if it did."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _give_up(sys.stdout, error)
    return _unprinted[0] if _unprinted else None


def _write(text: str, stream: IO[str]) -> None:
    try:
        stream.write(f"{text}\n")
        stream.flush()
    except (OSError, ValueError) as error:
        _give_up(stream, error)


def _give_up(stream: IO[str], error: OSError | ValueError) -> None:
    """Let a stream lead nowhere, since Python flushes it once more at its end and would print an error."""
    if stream is sys.stdout:  # ValueError: somebody has closed it
        _unprinted.append(error if isinstance(error, OSError) else OSError(errno.EBADF, "it was closed"))
    with suppress(OSError, ValueError):  # a stream of a test has no number
        _discard(stream.fileno())


def _discard(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)


class _PrintableFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
