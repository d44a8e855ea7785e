"""Reference tables of flags, made from the commands' own ``--help`` while the documentation is built.

A hook of MkDocs. The line ``<!-- help: tracking-env score -->`` in a page becomes a description and a table of flags.
``<!-- help: tracking-env -->`` becomes a section for each command.

python docs/make_commands.py tracking-env score     # print what a page shows
"""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from tracking_env import cli

ROOT = Path(__file__).resolve().parents[1]
MARKER = re.compile(r"^<!-- help: (.+?) -->$", re.MULTILINE)
COLUMNS = 110  # narrow enough for one box of options beside another never to fit


class Option(NamedTuple):
    """One flag or argument of a command."""

    flag: str
    meaning: str
    default: str


def read_help(command: str) -> str:
    """What ``COMMAND --help`` prints.

    Args:
        command: ``tracking-env``, ``tracking-env NAME``, or a script such as ``train/sb3.py``.

    Raises:
        subprocess.CalledProcessError: the script fails, for example because torch is missing.
    """
    program, *rest = command.split()
    environment = {"COLUMNS": str(COLUMNS), "NO_COLOR": "1"}
    if program == "tracking-env":  # in this process: a dozen commands, each of which would import the same again
        printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # tyro draws its boxes for UTF-8 only
        setting = mock.patch.dict(os.environ, environment)
        with setting, contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            cli.main([*rest, "--help"])
        printed.seek(0)
        return printed.read()
    return subprocess.run(
        [sys.executable, program, "--help"],
        cwd=ROOT,
        env=os.environ | environment | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout


def read_options(text: str) -> dict[str, list[Option]]:
    """The options in a help text, by the title of their box, such as ``data options``."""
    groups: dict[str, list[Option]] = {}
    entries: list[tuple[str, list[str]]] = []
    title = ""
    for line in text.splitlines():
        if line.startswith("╭"):
            title, entries = line.strip("╭╮─ "), []
        elif line.startswith("╰"):
            groups[title] = [_option(flag, " ".join(meaning)) for flag, meaning in entries if flag != "-h, --help"]
        elif line.startswith("│"):
            content = line.strip("│")[1:].rstrip()
            if content.startswith(("-", "[", "{")) or re.match(r"[A-Z]+\b(  |$)", content):
                flag, *meaning = re.split(r"\s{2,}", content, maxsplit=1)
                entries.append((flag, meaning))
            elif entries and content.startswith(" "):
                entries[-1][1].append(content.strip())
    return {title: options for title, options in groups.items() if options}


def _option(flag: str, meaning: str) -> Option:
    matched = re.fullmatch(r"(.*?)\s*\((default: (.*)|required)\)", meaning, re.DOTALL)
    if not matched:
        return Option(flag, meaning, "")
    default = matched[3] if matched[3] is not None else "required"
    return Option(flag, matched[1], {"None": "", "False": "off", "True": "on"}.get(default, default))


def names() -> list[str]:
    """The commands of ``tracking-env``, in the order of its help."""
    listed = re.search(r"\{([a-z,-]+)\}", re.sub(r"\s", "", read_help("tracking-env").split("╭")[0]))
    if not listed:
        raise ValueError("tracking-env --help lists no commands")
    return listed[1].split(",")


def describe(command: str) -> str:
    """A command as Markdown: its description, its example, and a table for each group of its flags."""
    text = read_help(command)
    prose = re.sub(r"^usage:.*?\n\n", "", text.split("╭")[0], flags=re.DOTALL).strip()
    prose = re.sub(r"^Example: (.*?)$", r"```bash\n\1\n```", prose, flags=re.MULTILINE | re.DOTALL)
    parts = [prose]
    groups = read_options(text)
    # One table for arguments and flags of the command itself; a script's further groups have tables of their own.
    own = groups.pop("positional arguments", []) + groups.pop("options", [])
    for title, options in {"": own, **groups}.items():
        if title:
            parts.append(f"**{title.removesuffix(' options').capitalize()}**")
        parts.append("\n".join(["| flag | default | meaning |", "|---|---|---|", *map(_row, options)]))
    return "\n\n".join(parts)


def _row(option: Option) -> str:
    flag, meaning, default = option
    if flag.startswith("--no-"):  # the help says what is on without the flag
        meaning, default = f"Switches this off: {meaning}", ""
    flag = re.sub(r"\[+(\w+) \[\1 \.\.\.\]+", r"\1 ...", flag)  # [PATH [PATH ...]] is any number of paths
    default = f"`{default}`" if default not in ("", "required") else default
    cells = f"`{flag.replace('{None}|', '')}`", default, meaning
    return "| " + " | ".join(cell.replace("|", r"\|").replace("<", "&lt;") for cell in cells) + " |"


def on_page_markdown(markdown: str, **_: object) -> str:
    """Fill in a page's markers; MkDocs calls it for every page."""

    def fill(marker: re.Match[str]) -> str:
        if marker[1] != "tracking-env":
            return describe(marker[1])
        return "\n\n".join(f"## {name}\n\n{describe(f'tracking-env {name}')}" for name in names())

    return MARKER.sub(fill, markdown)


if __name__ == "__main__":
    print(describe(" ".join(sys.argv[1:])))
