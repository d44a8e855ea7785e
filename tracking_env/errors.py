"""The one exception for what a user can mend, and one line for any other."""

import difflib
import traceback
from collections.abc import Iterable
from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used as it is: a file, a folder, a name, a flag or a value.

    The message is one line that says what was got, what was wanted and what to do. Command-line programs print it and
    exit with code 2; library users can catch it as a ``ValueError``.
    """


class UnknownArgumentError(InputError, TypeError):
    """A keyword that a constructor has not; also a ``TypeError``, as from any other call."""


def nearest(word: object, known: Iterable[str]) -> str:
    """What follows an unknown word in a message: ``, did you mean 'sequence'?``, or nothing where none is near."""
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def reason(error: Exception) -> str:
    """What happened in one line: an `InputError`'s own, or of somebody else's the type, the message and the place."""
    if isinstance(error, InputError):
        return str(error)
    at = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]} ({Path(at.filename).name}, line {at.lineno})"
