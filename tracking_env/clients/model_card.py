"""The model card of a checkpoint, ``README.md``: what it is and was trained on, what it is worth, how to use it."""

import shlex
from typing import Any

from tracking_env.errors import InputError

_OWN = ("out", "store", "device", "resume", "overwrite")  # flags of the one who runs it, not of the run
_PATHS = {"root": "OTB", "weights": "FILE"}  # what stands for a path


def render(config: dict[str, Any], report: dict[str, Any] | None, address: str) -> str:
    """The card in Markdown.

    Args:
        config: the checkpoint's ``config.json``, see `agents.checkpoint`.
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
        loader=jinja2.PackageLoader("tracking_env"),
        autoescape=False,  # Markdown, of our own numbers and names
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = _number
    run = config.get("run", {})
    return environment.get_template("model_card.md").render(
        config=config,
        data=run.get("data", {}),
        learner=run.get("learner", "reinforce"),
        report=report,
        rows=[("this checkpoint", report["mean"]), *report["lines"].items()] if report else [],
        command=command(run),
        address=address,
    )


def command(run: dict[str, Any]) -> str:
    """The command that trains it again: every flag of its configuration; paths are placeholders."""
    words = ["python", "train/reinforce.py"]
    for name, value in sorted(_flat(run).items(), key=lambda one: one[0] != "preset"):  # it sets the others
        flag = "--" + name.replace("_", "-")
        if name in _OWN or value is False:
            continue
        if name in _PATHS and value not in (None, "random"):
            value = _PATHS[name]
        words += [flag] if value is True else [flag, str(value)]
    return shlex.join(words)


def _number(mean: dict[str, Any], part: str, what: str) -> str:
    value = (mean[part] or {}).get(what)
    return "-" if value is None else f"{value:.3f}"


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in config.items():
        found |= _flat(value) if isinstance(value, dict) else {name: value}
    return found
