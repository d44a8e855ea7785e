"""The model card of a checkpoint, ``README.md``: what it is and was trained on, what it is worth, how to use it."""

import shlex
from dataclasses import dataclass
from typing import Any

from tracking_env.errors import InputError
from tracking_env.trackers.checkpoint import kind_of

_OWN = ("out", "store", "device", "resume", "overwrite")  # flags of the one who runs it, not of the run
_PATHS = {"root": "OTB", "weights": "FILE", "start": "RUN"}  # what stands for a path


@dataclass(frozen=True)
class Kind:
    """The checkpoints of one training script.

    Attributes:
        tracker: the name of what loads them.
        script: the script.
        choice: its flag that sets the others.
        done: that of how far training was.
        reported: the name of the same in ``report.json``.
        extractor: that of the extractor's id.
        on: flags without a value that are given by default, and turned off by ``--no-NAME``.
    """

    tracker: str
    script: str
    choice: str
    done: str
    reported: str
    extractor: str = "extractor"
    on: tuple[str, ...] = ()


KINDS = (
    Kind(
        *("drlt", "train/reinforce.py", "preset", "epoch", "epochs"),
    ),
    Kind(
        *("search", "train/search.py", "preset", "done", "updates", "maps"),
        on=("correlation", "look", "template", "memory", "glance"),
    ),
    Kind(
        *("sb3", "train/sb3.py", "algo", "steps", "env_steps"),
    ),
)
"""See `agents.checkpoint`, `agents.pointing_checkpoint` and `agents.sb3_checkpoint`."""


def kind(config: dict[str, Any]) -> Kind | None:
    """Which script's checkpoint a ``config.json`` is of; None of another's."""
    return next((one for one in KINDS if one.tracker == kind_of(config)), None)


def render(kind: Kind, config: dict[str, Any], report: dict[str, Any] | None, address: str) -> str:
    """The card in Markdown.

    Args:
        kind: of the checkpoint.
        config: the checkpoint's ``config.json``.
        report: the run's ``report.json``; None where it is not known.
        address: from where ``--checkpoint`` loads it.

    Raises:
        InputError: the extra is not installed.
    """
    try:
        import jinja2
    except ModuleNotFoundError as error:
        raise InputError(f"the model card needs {error.name}; type: pip install 'tracking-env[hub]'") from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tracking_env.clients"),
        autoescape=False,  # Markdown, of our own numbers and names
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = _number
    run = config.get("run", {})
    data = run.get("data", {})
    return environment.get_template("model_card.md").render(
        kind=kind,
        config=config,
        run=run,
        data=data,
        done=config[kind.done],
        extractor=config[kind.extractor],
        # Others are fetched, or there are none.
        needs_weights=kind.tracker == "search" and str(data.get("features")).startswith("nanotrack"),
        report=report,
        rows=[("this checkpoint", report["mean"]), *report["lines"].items()] if report else [],
        command=command(kind, run),
        address=address,
    )


def command(kind: Kind, run: dict[str, Any]) -> str:
    """The command that trains it again: every flag of its configuration; paths are placeholders."""
    words = ["python", kind.script]
    for name, value in sorted(_flat(run).items(), key=lambda one: one[0] != kind.choice):  # it sets the others
        flag = "--" + name.replace("_", "-")
        if name in _OWN or (value is False and name not in kind.on) or (value is True and name in kind.on):
            continue
        if name in _PATHS and value not in (None, "random"):
            value = _PATHS[name]
        words += [flag] if value is True else [f"--no-{name}"] if value is False else [flag, str(value)]
    return shlex.join(words)


def _number(mean: dict[str, Any], part: str, what: str) -> str:
    value = (mean[part] or {}).get(what)
    return "-" if value is None else f"{value:.3f}"


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in config.items():
        found |= _flat(value) if isinstance(value, dict) else {name: value}
    return found
