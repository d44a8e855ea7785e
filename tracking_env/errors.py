"""The one exception for what a user can mend."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used as it is: a file, a folder, a name, a flag or a value.

    The message is one line that says what was got, what was wanted and what to do. Command-line programs print it and
    exit with code 2; library users can catch it as a ``ValueError``.
    """


def nearest(word: object, known: Iterable[str]) -> str:
    """What follows an unknown word in a message: ``, did you mean 'sequence'?``, or nothing where none is near."""
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
