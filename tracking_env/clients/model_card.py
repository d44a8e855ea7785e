"""Write the model card of a checkpoint: what it is, its training data, its scores, and how to use it.

The checkpoint may be a stranger's. Its texts appear in the card as the characters that they are: none of them is
Markdown, HTML or a new line.
"""

import re
import shlex
from dataclasses import dataclass
from typing import Any

from tracking_env.errors import InputError, MissingPackageError
from tracking_env.trackers.checkpoint import REMOVED, SCRIPTS
from tracking_env.trackers.checkpoint import Kind as AgentKind

# They say where a run happens, not what it trains.
_LOCAL_FLAGS = ("out", "store", "device", "resume", "overwrite", "config", "wandb")
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
        numbers: further numbers of ``config.json`` that the card states; a dot separates a key from one inside it.
    """

    tracker: AgentKind
    preset_flag: str
    progress_key: str
    report_key: str
    extractor_key: str = "extractor"
    on_by_default: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

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
        numbers=("features", "network.observation", "network.hidden"),
    ),
    "search": Kind(
        tracker="search",
        preset_flag="preset",
        progress_key="done",
        report_key="updates",
        extractor_key="maps",
        on_by_default=("correlation", "look", "template", "memory"),
        numbers=("channels", "network.width"),
    ),
    "sb3": Kind(
        tracker="sb3",
        preset_flag="algo",
        progress_key="steps",
        report_key="env_steps",
        numbers=("features", "hidden"),
    ),
    "experts": Kind(
        tracker="experts",
        preset_flag="preset",
        progress_key="done",
        report_key="updates",
        extractor_key="experts",
        numbers=("observations", "network.hidden"),
    ),
}
"""One kind per training script, by the name of its tracker."""


_LONGEST = 10_000  # characters of one text
_REPORT = {
    "protocol": str,
    "mean": dict,
    "lines": dict,
    "dataset.name": str,
    "dataset.training": list,
    "dataset.training_frames": int,
    "dataset.testing": list,
    "dataset.testing_frames": int,
}
"""What a report must hold, with the type of each entry."""


class ModelCard:
    """The model card of one checkpoint.

    Args:
        kind: which agent it is.
        config: its ``config.json``.
        label: words for it in error messages.

    Raises:
        InputError: the configuration lacks something that every checkpoint of this kind states.
    """

    def __init__(self, kind: AgentKind, config: dict[str, Any], label: str = "the checkpoint") -> None:
        self.kind, self.config, self.label = KINDS[kind], config, label
        for key in (self.kind.progress_key, *self.kind.numbers):
            self._check(key, int, "a number")
        if kind == "sb3":
            self._check("algorithm", str, "a text")
        # A run says only what its script has, but nothing else than an object.
        for parent, key in (("", "run"), ("run", "data"), ("run", "loop")):
            if key in (_get(config, parent) or {}):
                self._check(f"{parent}.{key}".strip("."), dict, "a JSON object")

    def _check(self, key: str, expected: type, name: str) -> None:
        value = _get(self.config, key)
        if type(value) is not expected:
            got = "missing" if value is None else ascii(value)[:60]
            raise InputError(f"{self.label} is damaged or of another version: its {key} is {got}, wanted {name}")

    @property
    def run(self) -> dict[str, Any]:
        """The configuration of the run that trained the checkpoint; empty where it is not known."""
        return self.config.get("run", {})

    def is_about(self, report: dict[str, Any]) -> bool:
        """Whether a ``report.json`` is complete, and about this checkpoint and its extractor."""
        kind = self.kind
        same = report.get(kind.report_key) == self.config[kind.progress_key]
        complete = all(type(_get(report, key)) is expected for key, expected in _REPORT.items())
        return same and complete and report.get("extractor") == self.config[kind.extractor_key]

    def render(self, report: dict[str, Any] | None, address: str) -> str:
        """The card as Markdown.

        Args:
            report: the training run's ``report.json``, see `is_about`; None without one.
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
            autoescape=False,  # The card is Markdown, not HTML: `finalize` escapes every value.
            finalize=lambda value: value if isinstance(value, _Literal) else _escape(str(value)),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.filters |= {"number": _format_score, "code": _code}
        kind, run = self.kind, self.run
        data, closed, fps = run.get("data", {}), run.get("loop", {}), _get(report or {}, "fps.online")
        extractor = self.config[kind.extractor_key]
        # Weights of the other extractors are downloaded when they are needed, or there are none.
        needs_weights = kind.tracker == "search" and str(data.get("features")).startswith("nanotrack")
        use = f"--tracker {kind.tracker} --checkpoint {shlex.quote(address)}{' --weights FOLDER' * needs_weights}"
        return environment.get_template("model_card.md").render(
            kind=kind,
            config=self.config,
            run=run,
            closed=closed,
            updates=sum(updates for key, updates in closed.items() if "updates" in key and type(updates) is int),
            data=data,
            progress=self.config[kind.progress_key],
            extractor=extractor if isinstance(extractor, str) else ", ".join(map(str, extractor)),
            report=report,
            fps=f"{fps:.0f}" if isinstance(fps, int | float) else None,
            rows=[("this checkpoint", report["mean"]), *report["lines"].items()] if report else [],
            command=training_command(kind, run),
            use=use,
        )


class _Literal(str):
    """Text that stands in the card as it is."""


def _one_line(text: str) -> str:
    """The text without control characters, which a terminal may obey; cut where it is longer than any list of names."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:_LONGEST]


def _escape(text: str) -> str:
    """Text for a paragraph or a table of Markdown, in which no character has a meaning of its own."""
    line = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Markdown takes a backslash before any punctuation, but those of entities are needed.
    return re.sub(r"([\\`*_{}\[\]#+!|~:=$@^])", r"\\\1", line)


def _code(text: Any) -> _Literal:
    """Text for a piece of code: in a line between backticks, or alone in a line of a block."""
    return _Literal(_one_line(str(text)).replace("`", "'"))


def _get(tree: Any, key: str) -> Any:
    """The value at a key such as ``run.data`` in nested dictionaries; None where there is none."""
    for part in key.split(".") if key else ():
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


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


def _format_score(mean: Any, part: str, metric: str) -> str:
    value = _get(mean, f"{part}.{metric}")
    return f"{value:.3f}" if isinstance(value, int | float) else "-"


def _flatten(config: dict[str, Any]) -> dict[str, Any]:
    """The values of nested dictionaries by their innermost names, which are the names of the flags."""
    flags: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flags |= _flatten(value)
        else:
            flags[name] = value
    return flags
