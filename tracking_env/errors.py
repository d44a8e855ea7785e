"""The exception for input that a user can correct, and errors as one line of text."""

import difflib
import re
import traceback
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

_DISTRIBUTION = "tracking-env"
_LONGEST_LINE = 200  # characters of somebody else's message that are repeated in ours


class InputError(ValueError):
    """Input that cannot be used as it is: a file, a folder, a name, a flag or a value.

    The message is one line: what was given, what was expected, and what to do. Command-line programs print it and exit
    with code 2. Library users can catch it as a ``ValueError``.
    """


class UnknownArgumentError(InputError, TypeError):
    """A keyword argument that a constructor does not take. It is a ``TypeError`` too, as in any other call."""


class MissingPackageError(InputError):
    """A package is not installed that an optional part of the library needs.

    The message names the packages to install, with their versions, as the library's installed metadata has them.
    Without metadata it names the missing package alone.

    Args:
        purpose: what needs the package; the message begins with it.
        missing: the package's name, or the error of the failed import.
        extra: the extra of this library that has the package, a key of ``project.optional-dependencies``. Its packages
            are named, or the missing one alone if no extra is given.

    Attributes:
        package: the missing package's name.

    Example::

        try:
            import jinja2
        except ModuleNotFoundError as error:
            raise MissingPackageError("report", error, "report") from None
    """

    def __init__(self, purpose: str, missing: ImportError | str, extra: str = "") -> None:
        self.package = missing if isinstance(missing, str) else missing.name or first_line(missing)
        packages = requirements(extra) if extra else _bounds_of(self.package)
        quoted = " ".join(f"'{requirement}'" for requirement in packages)
        super().__init__(f"{purpose} needs {self.package}; type: pip install {quoted or self.package}")


def requirements(extra: str) -> list[str]:
    """The packages of one of this library's extras, in pip's notation, such as ``["torch>=2.8,<2.14"]``.

    Returns:
        An empty list if the library's metadata is not installed, or has no such extra.
    """
    # The standard library has no parser of markers, and these are all of one form: extra == 'train'.
    pattern = re.compile(rf"extra\s*==\s*['\"]{re.escape(extra)}['\"]")
    return [name + bounds for name, bounds, marker in _read_metadata() if pattern.search(marker)]


def _bounds_of(package: str) -> list[str]:
    """A package in pip's notation, if this library requires it anywhere; else an empty list."""
    distribution = package.replace("_", "-")  # modules have underscores, distributions most often hyphens
    return [name + bounds for name, bounds, _ in _read_metadata() if name.replace("_", "-") == distribution][:1]


def _read_metadata() -> list[tuple[str, str, str]]:
    """Name, version bounds and marker of each requirement of this library."""
    try:
        lines = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # the source folder itself is on the path
        return []
    entries = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        name, bounds = re.fullmatch(r"([^<>=!~]+)(.*)", requirement.strip()).groups()  # type: ignore[union-attr]
        # Metadata has the bounds in any order; people expect the lower one first.
        entries.append((name, ",".join(sorted(bounds.split(","), reverse=True)), marker))
    return entries


def suggest(word: object, known: Iterable[str]) -> str:
    """What an error message says after an unknown word: the known word that is most like it.

    Upper and lower case are not told apart.

    Returns:
        Text such as `` (did you mean 'sequence'?)``, or an empty string if no known word is similar.
    """
    by_lower_case = {name.lower(): name for name in known}
    similar = difflib.get_close_matches(str(word).lower(), by_lower_case, n=1)
    return f" (did you mean {by_lower_case[similar[0]]!r}?)" if similar else ""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, at most 200 characters, or the error's type if it has no message."""
    message = str(error).strip()
    return message.splitlines()[0].strip()[:_LONGEST_LINE] if message else type(error).__name__


def describe(error: Exception) -> str:
    """One line about an error that ended something.

    Returns:
        The message of an `InputError`; of any other error its type, its message, and the file and line that raised it.
    """
    if isinstance(error, InputError):
        return str(error)
    # The innermost call, where the error was raised.
    place = traceback.extract_tb(error.__traceback__)[-1]
    message = " ".join(str(error).split())[:_LONGEST_LINE]
    return f"{type(error).__name__}: {message} ({Path(place.filename).name}, line {place.lineno})"
