"""What the flags of all training scripts have in common: the run's own, and the way from flags to a configuration."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, make_dataclass, replace
from typing import Any, TypeVar

import tyro

from agents.removed_options import REMOVED
from tracking_env.errors import InputError, suggest
from train.data import DataConfig


@dataclass(frozen=True)
class RunFlags:
    """Where a run is kept, and how it begins."""

    data: DataConfig = field(default_factory=DataConfig)
    """what is trained and tested on"""
    out: str | None = None
    """run directory; by default runs/ and the preset's name"""
    seed: int = 0
    """of the weights, the order and the policy's noise"""
    seeds: int = 1
    """runs, with this seed and the next ones, in folders seed-0, ... of `out`; and then their mean and deviation"""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, ..."""
    resume: bool = False
    """go on where the run in `out` stopped"""
    overwrite: bool = False
    """delete the run in `out` and start anew"""

    def __post_init__(self) -> None:
        if self.resume and self.overwrite:
            raise InputError("--resume and --overwrite exclude each other; give one of them")
        if self.seeds < 1:
            raise InputError(f"--seeds is {self.seeds}; give a number of runs >= 1")


CONTROL = ("out", "device", "resume", "overwrite")
"""Fields that may differ between a run and its continuation."""

C = TypeVar("C", bound=RunFlags)


def from_flags(argv: Sequence[str] | None, choice: str, presets: Mapping[Any, C], prog: str, description: str) -> C:
    """The configuration that command-line flags ask for: a preset, and what is changed in it.

    Args:
        argv: the flags, by default the process's.
        choice: the flag that names the preset, also a field of the configuration.
        presets: by name; the first one is the default.
        prog: the script's name.
        description: what it does, for ``--help``.

    Raises:
        InputError: a flag is unknown, or a value is out of range.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    first = next(iter(presets))
    chosen: Any
    chosen, _ = tyro.cli(
        make_dataclass("Choice", [(choice, str, first)]), args=given, return_unknown_args=True, add_help=False
    )
    name = getattr(chosen, choice)
    if name not in presets:
        raise InputError(f"unknown {choice} {name!r}; choose one of {', '.join(presets)}")
    preset = presets[name]
    config, unknown = tyro.cli(
        type(preset),
        prog=prog,
        description=description,
        args=given,
        default=preset,
        return_unknown_args=True,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
    )
    if unknown:
        hint = suggest(unknown[0], ["--" + name.replace("_", "-") for name in flat(config)])
        raise InputError(f"unknown flag {unknown[0]!r}{hint}; --help lists them all")
    return replace(config, data=config.data.filled(), out=config.out or f"runs/{name}")


def flat(config: Any) -> dict[str, Any]:
    """All fields, those of nested dataclasses (or dicts) too, by their own names, which are unique."""
    found: dict[str, Any] = {}
    for name, value in (config if isinstance(config, dict) else asdict(config)).items():
        found |= flat(value) if isinstance(value, dict) else {name: value}
    return found


def differences(config: Any, saved: dict[str, Any]) -> list[str]:
    """What differs between a configuration and a saved run's (`asdict`), but for `CONTROL`: ``name: saved -> now``."""
    now, before = flat(config), flat(saved)
    names = [name for name in now | before if name not in CONTROL and name not in REMOVED]
    return [f"{name}: {before.get(name)} -> {now.get(name)}" for name in names if now.get(name) != before.get(name)]
