"""The exception for input that a user can correct, and errors as one line of text."""

import difflib
import os
import re
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

_DISTRIBUTION = "tracking-env"
_LONGEST_LINE = 200  # characters of somebody else's message that are repeated in ours
TRACEBACKS = "TRACKING_ENV_TRACEBACK"
"""Environment variable: if set, every error that ends something is printed with its traceback, in all processes."""
COMMAND_LINE = "TRACKING_ENV_COMMAND_LINE"
"""Environment variable: not empty while a program runs, in all of its processes; then errors name flags."""
# Tried once for each word: a message may be somebody's text of megabytes.
_SOURCE_FILE = re.compile(
    r"(?<![^\s\[\]()'\"])(?=[^\s\[\]()'\"]*[/\\])[^\s\[\]()'\"]*\.(?:cpp|cxx|cc|c|cu|hpp|h)(?::\d+)*:?\s*"
)
_NO_MEMORY = re.compile(
    r"out ?of ?memory|(not enough|insufficient) memory|bad_alloc|(can't|cannot|failed to|unable to) allocate", re.I
)
_LIBRARIES = [Path(__file__).parent, *(Path(sysconfig.get_path(kind)) for kind in ("stdlib", "purelib", "platlib"))]


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


@contextmanager
def naming_flags() -> Iterator[None]:
    """Let the errors that are raised in this block name flags, in this process and in those that it starts."""
    before = os.environ.get(COMMAND_LINE, "")
    os.environ[COMMAND_LINE] = "1"
    try:
        yield
    finally:  # Python may have called a command: its own errors name arguments again
        os.environ[COMMAND_LINE] = before


def option(name: str, value: object = None) -> str:
    """An argument as the user writes it: a flag where a program runs, else an argument of Python.

    Args:
        name: the argument's name in Python.
        value: its value; True of a flag without one; None to name the argument alone.

    Example:
        >>> option("clip_length"), option("device", "cpu"), option("overwrite", True)
        ('`clip_length`', "device='cpu'", 'overwrite=True')
    """
    if os.environ.get(COMMAND_LINE):
        flag = "--" + name.replace("_", "-")
        return flag if value is None or value is True else f"{flag} {value}"
    return f"`{name}`" if value is None else f"{name}={value if isinstance(value, bool) else str(value)!r}"


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
    """The first line of an error's message, at most 200 characters, or the error's type if it has no message.

    Paths of C++ files are left out: OpenCV, onnxruntime and torch name those of the machine that built them.
    """
    message = _SOURCE_FILE.sub("", _message(error)).strip()
    return message.splitlines()[0].strip()[:_LONGEST_LINE] if message else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, of whatever library, says that there is not enough memory."""
    return isinstance(error, MemoryError) or _NO_MEMORY.search(f"{type(error).__name__} {_message(error)}") is not None


def describe(error: BaseException) -> str:
    """One line about an error that ended something. Also prints the traceback if `TRACEBACKS` is set.

    Returns:
        The message of an `InputError`; of any other error its type, its message, and the file and line of the user's
        code that led to it, or else the line that raised it.
    """
    if os.environ.get(TRACEBACKS):
        traceback.print_exception(error)
    if isinstance(error, InputError):
        return str(error)
    if is_out_of_memory(error):
        return f"out of memory ({first_line(error)}); close other programs, or give less at a time"
    message = " ".join(_SOURCE_FILE.sub("", _message(error)).split())[:_LONGEST_LINE]
    place = _place(error)
    where = f" ({Path(place.filename).name}, line {place.lineno})" if place else ""
    return f"{type(error).__name__}{message and ': '}{message}{where}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an error of somebody else's code, whose own text fails
        return ""


def _place(error: BaseException) -> traceback.FrameSummary | None:
    """The innermost call in code that is neither this library's nor an installed package's; else the innermost."""
    calls = traceback.extract_tb(error.__traceback__)
    own = [call for call in calls if not any(Path(call.filename).is_relative_to(folder) for folder in _LIBRARIES)]
    return next(reversed(own or calls), None)
