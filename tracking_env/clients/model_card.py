"""Write the model card of a checkpoint: what it is, its training data, its scores, and how to use it."""

import shlex
from dataclasses import dataclass
from typing import Any

from tracking_env.errors import MissingPackageError
from tracking_env.trackers.checkpoint import REMOVED, SCRIPTS
from tracking_env.trackers.checkpoint import Kind as AgentKind

_LOCAL_FLAGS = ("out", "store", "device", "resume", "overwrite")  # say where a run happens, not what it trains
_PATH_FLAGS = {"root": "OTB", "weights": "FILE", "start": "RUN"}  # placeholders for paths of the user's machine


@dataclass(frozen=True)
class Kind:
    """The checkpoints that one training script writes.

    Attributes:
        tracker: name of the tracker that runs them.
        preset_flag: the script's flag that sets the defaults of the other flags.
        progress_key: key of ``config.json`` that counts the finished epochs, updates or steps.
        report_key: key of ``report.json`` with the same number.
        extractor_key: key of ``config.json`` and of the extractor's id.
        on_by_default: flags that are on unless ``--no-NAME`` turns them off.
    """

    tracker: AgentKind
    preset_flag: str
    progress_key: str
    report_key: str
    extractor_key: str = "extractor"
    on_by_default: tuple[str, ...] = ()

    @property
    def script(self) -> str:
        """Path of the script in a checkout."""
        return SCRIPTS[self.tracker]


KINDS = {
    "drlt": Kind(
        tracker="drlt",
        preset_flag="preset",
        progress_key="epoch",
        report_key="epochs",
    ),
    "search": Kind(
        tracker="search",
        preset_flag="preset",
        progress_key="done",
        report_key="updates",
        extractor_key="maps",
        on_by_default=("correlation", "look", "template", "memory"),
    ),
    "sb3": Kind(
        tracker="sb3",
        preset_flag="algo",
        progress_key="steps",
        report_key="env_steps",
    ),
    "experts": Kind(
        tracker="experts",
        preset_flag="preset",
        progress_key="done",
        report_key="updates",
        extractor_key="experts",
    ),
}
"""One kind per training script, by the name of its tracker."""


def render(kind: Kind, config: dict[str, Any], report: dict[str, Any] | None, address: str) -> str:
    """The model card as Markdown.

    Args:
        kind: of the checkpoint.
        config: the checkpoint's ``config.json``.
        report: the training run's ``report.json``; None without one.
        address: value of ``--checkpoint`` that reads the published checkpoint.

    Raises:
        InputError: jinja2 is not installed.
    """
    try:
        import jinja2
    except ModuleNotFoundError as error:
        raise MissingPackageError("the model card", error, "hub") from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tracking_env.clients"),
        autoescape=False,  # The card is Markdown, and all values are this project's numbers and names.
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = _format_score
    run = config.get("run", {})
    data = run.get("data", {})
    extractor = config[kind.extractor_key]
    return environment.get_template("model_card.md").render(
        kind=kind,
        config=config,
        run=run,
        data=data,
        progress=config[kind.progress_key],
        extractor=extractor if isinstance(extractor, str) else ", ".join(extractor),
        # Weights of the other extractors are downloaded when they are needed, or there are none.
        needs_weights=kind.tracker == "search" and str(data.get("features")).startswith("nanotrack"),
        report=report,
        rows=[("this checkpoint", report["mean"]), *report["lines"].items()] if report else [],
        command=training_command(kind, run),
        address=address,
    )


def training_command(kind: Kind, run: dict[str, Any]) -> str:
    """The command that repeats the training, with a placeholder for each path.

    Args:
        kind: of the checkpoint.
        run: the configuration of the run, as in the checkpoint's ``config.json``.
    """
    words = ["python", kind.script]
    flags = _flatten(run)
    # The preset comes first, since it would change the flags before it.
    names = sorted(flags, key=lambda name: name != kind.preset_flag)
    for name in names:
        value = flags[name]
        is_default = isinstance(value, bool) and value == (name in kind.on_by_default)
        if name in _LOCAL_FLAGS or name in REMOVED or is_default:
            continue
        flag = "--" + name.replace("_", "-")
        if name in _PATH_FLAGS and value not in (None, "random"):
            value = _PATH_FLAGS[name]
        if value is True:
            words.append(flag)
        elif value is False:
            words.append(flag.replace("--", "--no-", 1))
        else:
            words += [flag, str(value)]
    return shlex.join(words)


def _format_score(mean: dict[str, Any], part: str, metric: str) -> str:
    value = (mean[part] or {}).get(metric)
    return "-" if value is None else f"{value:.3f}"


def _flatten(config: dict[str, Any]) -> dict[str, Any]:
    """The values of nested dictionaries by their innermost names, which are the names of the flags."""
    flags: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flags |= _flatten(value)
        else:
            flags[name] = value
    return flags
