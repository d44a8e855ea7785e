"""The help of the commands: each option has a text, and the same option has the same text in every command."""

import inspect
import re
from collections import defaultdict

import pytest

from tracking_env import cli
from tracking_env.commands import TRACKERS
from tracking_env.registry import TABLE

COMMANDS = {name: command.target for name, command in cli.app._subcommands.items()}
DIFFERENT = {  # options with another meaning in these commands
    ("check", "root"),
    ("download", "out"),
    ("extract", "device"),
    ("extract", "features"),
    ("extract", "jobs"),
    ("extract", "weights"),
    ("play", "weights"),
    ("push", "checkpoint"),
    ("report", "out"),
    ("report", "protocol"),  # a page shows no anchors
    ("report", "rival"),
    ("score", "protocol"),
}


def option_texts(function):
    """The text of each option, by its name, read from the section ``Args`` of the docstring."""
    _, _, section = inspect.getdoc(function).partition("Args:\n")
    entries = re.findall(r"^    (\w+): (.*(?:\n {8,}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name):
    assert option_texts(COMMANDS[name]).keys() == inspect.signature(COMMANDS[name]).parameters.keys()


def test_the_help_names_every_tracker():
    named = re.findall(r"[\w-]+", TRACKERS)
    assert {tracker for tracker, entry in TABLE.items() if entry.kind == "tracker"} <= set(named)


def test_an_option_has_the_same_help_text_in_every_command():
    """Only the first sentence; a command may add the default of the option."""
    texts = defaultdict(set)
    for command, function in COMMANDS.items():
        for option, text in option_texts(function).items():
            if (command, option) not in DIFFERENT:
                texts[option].add(text.partition(". ")[0].rstrip("."))
    assert {option: text for option, text in texts.items() if len(text) > 1} == {}
