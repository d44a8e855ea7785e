"""What programs print: any text on any stream, and nothing that a terminal would obey."""

import ast
import io
import logging
import os
import subprocess
import sys

import pytest

from tests.helpers.paths import ROOT
from tracking_env import terminal


def program(code, **options):
    """Run Python code that uses `terminal`; returns the finished process, its output as bytes."""
    head = "import sys, os\nfrom tracking_env import terminal\n"
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | options.pop("env", {})
    return subprocess.run(
        [sys.executable, "-c", head + code], capture_output=True, timeout=60, env=environment, **options
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.952 ± 0.001\n\tnext", "0.952 ± 0.001\n\tnext"),
        ("clip\x1b[31m\x1b]0;title\x07", r"clip\x1b[31m\x1b]0;title\x07"),
        ("a\rb\x00\x9b", r"a\rb\x00\x9b"),
        ("right\u202eto left", r"right\u202eto left"),
        ("日本\udcff", "日本" + r"\udcff"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text, expected):
    assert terminal.printable(text) == expected


@pytest.mark.parametrize("encoding", ["ascii", "cp932", "gbk", "cp437", "latin-1"])
def test_a_stream_of_any_encoding_takes_any_text(encoding, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.prepare_streams()
    terminal.print_result("± × … • 日本 \udcff\x1b")
    text = stream.buffer.getvalue().decode(encoding)
    assert text.split()[0] in ("±", "+-") and text.endswith("\\udcff\\x1b\n") and terminal.lost_output() is None


def test_characters_that_the_encoding_lacks_become_their_nearest_ascii(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.prepare_streams()
    terminal.print_result("0.5 ± 0.1, ╭─╮, 日本")
    assert stream.buffer.getvalue() == b"0.5 +- 0.1, +-+, ??\n"


def test_an_error_is_one_line(capsys):
    terminal.print_error("no folder a\nb\x1b[2J")
    assert capsys.readouterr().err == "no folder a\\nb\\x1b[2J\n"


class Full(io.RawIOBase):
    """A stream on a full disk."""

    def writable(self):
        return True

    def write(self, data):
        raise OSError(28, "No space left on device")


def test_a_full_stream_raises_nothing_and_is_remembered(monkeypatch):
    terminal.prepare_streams()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(Full())))
    terminal.print_result("a table")
    lost = terminal.lost_output()
    assert lost is not None and lost.strerror == "No space left on device"


def test_closed_streams_lead_nowhere_and_no_file_gets_their_numbers(tmp_path):
    code = "terminal.prepare_streams(); terminal.print_result('x'); terminal.print_error('y')\n"
    code += "file = open(sys.argv[1], 'w'); assert file.fileno() > 2; print(terminal.lost_output(), file=file)"
    closed = f'exec {sys.executable} -c "$CODE" {tmp_path / "file"} <&- >&- 2>&-'
    code = "import sys\nfrom tracking_env import terminal\n" + code
    subprocess.run(
        ["sh", "-c", closed], check=True, timeout=60, env=os.environ | {"CODE": code, "PYTHONPATH": str(ROOT)}
    )
    assert (tmp_path / "file").read_text() == "None\n"


def test_warnings_are_printed_without_control_characters():
    code = "import logging\nterminal.prepare_streams(); logging.getLogger('x').warning('no %s', 'clip\\x1b[31m')"
    assert program(code).stderr == b"no clip\\x1b[31m\n"
    assert logging.getLogger().handlers  # pytest's own: this process was not changed


def test_decoders_are_silent_and_python_is_not():
    code = """
import cv2, numpy as np
from tracking_env.log_levels import quiet_decoders, separate_stderr
data = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))[1]
data[len(data) // 2 :][:40:2] = 255
cv2.imdecode(data, 1)
separate_stderr()
with quiet_decoders():
    cv2.imdecode(data, 1)
    print("python", file=sys.stderr)
os.write(2, b"after\\n")
"""
    lines = program(code).stderr.decode().splitlines()
    assert len(lines) > 2 and lines[-2:] == ["python", "after"]
    assert len(program(code.replace("cv2.imdecode(data, 1)\nseparate", "separate")).stderr.splitlines()) == 2


def test_every_message_of_a_codec_error_handler_is_plain_ascii():
    assert all(text.isascii() for text in terminal._ASCII.values())


def test_programs_write_to_the_streams_through_terminal_alone():
    for package in ("tracking_env", "agents", "train"):
        for path in (ROOT / package).rglob("*.py"):
            if path.name not in ("terminal.py", "log_levels.py"):
                calls = {
                    ast.unparse(node)
                    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                    if isinstance(node, ast.Attribute)
                }
                assert not {"sys.stdout.write", "sys.stderr.write"} & calls, path
