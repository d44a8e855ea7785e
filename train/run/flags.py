"""The flags that all training scripts share, and the way from flags to a configuration."""

import contextlib
import io
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, get_type_hints

import tyro

from tracking_env.errors import InputError, first_line, suggest
from tracking_env.files import read_json
from tracking_env.trackers.checkpoint import REMOVED
from train.run.data import DataConfig


@dataclass(frozen=True)
class RunFlags:
    """Options of every training run: data, run directory, seeds, device."""

    data: DataConfig = field(default_factory=DataConfig)
    """training and test data"""
    out: str | None = None
    """run directory; by default runs/ and the preset's name"""
    seed: int = 0
    """seed of the weights, the order of the data and the policy's noise"""
    seeds: int = 1
    """number of runs, with this seed and the next ones, in folders seed-0, ... of `out`; the report then holds their
    mean and deviation"""
    device: str = "auto"
    """auto (a GPU if there is one), cpu, cuda, cuda:1, ..."""
    resume: bool = False
    """continue the run in `out` where it stopped"""
    overwrite: bool = False
    """delete the run in `out` and start a new one"""
    config: str | None = None
    """config.json of another run: its values in place of a preset's, so that it is repeated; give another `out`"""
    wandb: bool = False
    """mirror the curves to Weights & Biases; needs the extra wandb. With WANDB_MODE=offline nothing is sent"""

    def __post_init__(self) -> None:
        if self.resume and self.overwrite:
            raise InputError("--resume and --overwrite exclude each other; give one of them")
        if self.seeds < 1:
            raise InputError(f"--seeds is {self.seeds}; give a number of runs >= 1")
        if self.seed < 0:
            raise InputError(f"--seed is {self.seed}; give a number >= 0")
        for name, value in flatten(self).items():
            largest = LARGEST.get(type(value))
            if largest is not None and largest < value < math.inf:
                raise InputError(f"--{name.replace('_', '-')} is {value}; give a number of at most {largest}")


LARGEST = {int: 2**31 - 1, float: 1e38}
"""The largest numbers of flags: torch takes no larger ones."""
CONTROL = ("out", "device", "resume", "overwrite", "config", "wandb")
"""Fields that may differ between a run and its continuation."""

ADDED: Mapping[str, Any] = MappingProxyType(
    {"env": "OTBTrack-v0", "sigma_end": None, "reward_scale": 1.0, "keypoints": 0, "map_side": 10}
)
"""Fields that the configurations of old runs lack, with the value that those runs had."""

Config = TypeVar("Config", bound=RunFlags)


def parse_flags(
    args: Sequence[str] | None,
    preset_field: str,
    presets: Mapping[Any, Config],
    script: str,
    description: str,
    out: str = "runs/",
) -> Config:
    """The configuration for command-line flags: a preset, with the flags' values in place of its own.

    Args:
        args: the flags, by default those of this process.
        preset_field: field of the configuration, and so the flag, that names the preset.
        presets: configurations by name; the first is the default.
        script: name of the script, for ``--help``.
        description: what the script does, for ``--help``.
        out: start of the default run directory; the preset's name follows.

    Raises:
        InputError: a flag is unknown, or a value is out of range.
    """
    args = list(sys.argv[1:] if args is None else args)
    # The preset must be known before tyro parses the rest, because its values are the defaults of all flags.
    name, file = value_of(f"--{preset_field}", args), value_of("--config", args)
    if name is not None and name not in presets:
        raise InputError(f"unknown {preset_field} {name!r}; choose one of {', '.join(presets)}")
    if file is None:
        name = name or next(iter(presets))
        default = presets[name]
    elif name is None:
        default = read_config(type(next(iter(presets.values()))), Path(file))
        name = getattr(default, preset_field)
    else:
        raise InputError(f"--config and --{preset_field} exclude each other; the file has a {preset_field} of its own")
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            config, unknown = tyro.cli(
                type(default),
                prog=script,
                description=description,
                args=args,
                default=default,
                return_unknown_args=True,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
            )
    except SystemExit as stopped:
        if not stopped.code:  # after --help
            raise
        raise InputError(message_in_box(printed.getvalue())) from None
    if unknown:
        flags = ["--" + field_name.replace("_", "-") for field_name in flatten(config)]
        raise InputError(f"unknown flag {unknown[0]!r}{suggest(unknown[0], flags)}; --help lists them all")
    return replace(config, data=config.data.filled(), out=config.out or f"{out}{name}")


def message_in_box(text: str) -> str:
    """The message of tyro's box, such as ``Error parsing --steps: ...``, in one line."""
    lines = [line.strip(" │") for line in text.splitlines()[1:]]  # without the title; ASCII terminals get no frame
    rulers = [not line.strip("─-╭╮╰╯") for line in lines]
    begin = rulers.index(False)
    end = rulers.index(True, begin)  # below, the box repeats help
    # The names of the configuration's parts are no flags.
    return re.sub(r"^Error parsing (\w+: )?", "", " ".join(lines[begin:end]))


def read_config(kind: type[Config], path: Path) -> Config:
    """The configuration that a run's ``config.json`` holds, without the fields of `CONTROL`.

    Args:
        kind: the configuration's class.
        path: the file.

    Raises:
        InputError: it cannot be read, is of another script or version, or a value is out of range.
    """
    values = read_json(path)
    try:
        # Tuples come back from JSON as lists, of which no configuration has any.
        return _filled(kind, {name: value for name, value in values.items() if name not in CONTROL})
    except (TypeError, KeyError) as error:
        raise InputError(f"{path} is no configuration of this script: {first_line(error)}") from None


def _filled(kind: Any, values: dict[str, Any]) -> Any:
    """A dataclass with these values, which may be dictionaries for nested ones; names of `REMOVED` are left out."""
    types = get_type_hints(kind)
    arguments = {}
    for name, value in values.items():
        if name in REMOVED:
            continue
        arguments[name] = _filled(types[name], value) if isinstance(value, dict) else value
    return kind(**arguments)


def value_of(flag: str, args: Sequence[str]) -> str | None:
    """The value given to a flag, as ``--flag value`` or ``--flag=value``; of several the last."""
    value = None
    for position, arg in enumerate(args):
        if arg == flag and position + 1 < len(args):
            value = args[position + 1]
        elif arg.startswith(f"{flag}="):
            value = arg.partition("=")[2]
    return value


def flatten(config: Any) -> dict[str, Any]:
    """All fields of a configuration (a dataclass or its dictionary) by their own names.

    Fields of nested dataclasses are included without a prefix, because field names are unique across a configuration.
    """
    flat: dict[str, Any] = {}
    for name, value in (config if isinstance(config, dict) else asdict(config)).items():
        flat |= flatten(value) if isinstance(value, dict) else {name: value}
    return flat


def differences(config: Any, saved: dict[str, Any]) -> list[str]:
    """The differences of a configuration from that of a saved run, as ``name: saved -> now``; `CONTROL` is left out."""
    now, before = flatten(config), flatten(saved)
    before = {name: value for name, value in ADDED.items() if name in now} | before
    names = [name for name in now | before if name not in CONTROL and name not in REMOVED]
    return [f"{name}: {before.get(name)} -> {now.get(name)}" for name in names if now.get(name) != before.get(name)]
