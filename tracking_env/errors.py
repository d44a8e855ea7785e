"""The one exception for what a user can mend."""


class InputError(ValueError):
    """Input that cannot be used as it is: a file, a folder, a name, a flag or a value.

    The message is one line that says what was got, what was wanted and what to do. Command-line programs print it and
    exit with code 2; library users can catch it as a ``ValueError``.
    """
