"""A tracker's entry point, ``module:attribute``: its import, the digests of its code, and the options that it takes."""

import contextlib
import importlib
import inspect
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from tracking_env.errors import InputError, MissingPackageError, describe, option, suggest
from tracking_env.files import sha256


def resolve(entry_point: str) -> Any:
    """The class or function that ``module:attribute`` names. The working directory is searched too.

    Raises:
        InputError: there is no such module or attribute, or the module needs a package that is not installed.
    """
    module_name, _, attribute = entry_point.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # a console script's path has its own folder instead; last, so that it hides nothing
    try:
        with contextlib.chdir(here):  # some modules change the working directory
            target: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        # Any other name is that of a module which this one imports.
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise InputError(
                f"cannot import {module_name}: there is no module {missing}; check the spelling, and PYTHONPATH"
            ) from None
        raise MissingPackageError(module_name, missing) from None
    except (Exception, SystemExit) as error:  # whatever the module does while it is imported
        raise InputError(f"cannot import {module_name}: {describe(error)}") from None
    try:
        for part in attribute.split("."):
            target = getattr(target, part)
    except AttributeError:
        hint = suggest(attribute, dir(target)) or "; give module:attribute"
        raise InputError(f"{module_name} has no {attribute!r}{hint}") from None
    if not callable(target):
        raise InputError(
            f"{entry_point} is a {type(target).__name__}, wanted a class or a function that makes a tracker"
        )
    return target


def choose_options(name: str, factory: Callable[..., Any], options: dict[str, Any], seed: int) -> dict[str, Any]:
    """The keyword arguments to call a tracker's factory with: the options, and the seed if it takes one.

    Raises:
        InputError: the factory does not take an option, or needs another one.
    """
    try:
        parameters = inspect.signature(factory).parameters
    except ValueError:  # some that are written in C
        raise InputError(f"{name} is no class or function of Python; give one that makes a tracker") from None
    kinds = {parameter.kind for parameter in parameters.values()}
    takes_any = inspect.Parameter.VAR_KEYWORD in kinds
    for argument in options:
        if argument not in parameters and not takes_any:
            raise InputError(f"{name} takes no {option(argument)}; leave it out")
    # A seed is passed to every run, so a tracker without randomness need not take it.
    if "seed" in parameters or takes_any:
        options = options | {"seed": seed}
    for argument, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        # Options are passed by keyword, which a positional-only parameter does not take.
        missing = argument not in options or parameter.kind is parameter.POSITIONAL_ONLY
        if missing and parameter.default is parameter.empty:
            hint = f"give {option(argument)}" if argument in ("weights", "checkpoint") else "give it a default"
            raise InputError(f"{name} needs {argument!r} to be made; {hint}")
    return options


def takes(tracker: Any, method: str, count: int) -> bool:
    """Whether a tracker has a method that can be called with so many arguments."""
    function = getattr(tracker, method, None)
    try:
        inspect.signature(function).bind(*range(count))  # type: ignore[arg-type]
    except TypeError:
        return False
    except ValueError:  # methods in C that do not tell
        return callable(function)
    return True


def source_digests(factory: Callable[..., Any], entry_point: str) -> list[str]:
    """Digests of the files of Python code in which an own tracker is named and made."""
    names = dict.fromkeys((entry_point.partition(":")[0], getattr(factory, "__module__", None)))
    return [_source_digest(sys.modules[name]) for name in names if name in sys.modules]


@cache
def _source_digest(module: ModuleType) -> str:
    # Once for each module: the code that runs is that of the import, even if the file changes later.
    path = getattr(module, "__file__", None) or ""
    return sha256(Path(path)) if path.endswith(".py") else ""
