"""From a program's work to its exit code and its one line."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.helpers.paths import ROOT
from tracking_env.errors import TRACEBACKS, InputError
from tracking_env.program import run_program


def failing(error):
    def work(flags):
        raise error

    return work


@pytest.fixture(autouse=True)
def no_tracebacks(monkeypatch):
    monkeypatch.delenv(TRACEBACKS, raising=False)


NO_MEMORY = cv2.error(
    "OpenCV(4.10.0) /io/opencv/modules/core/src/alloc.cpp:73: error: (-4:Insufficient memory) "
    "Failed to allocate 9 bytes in function 'OutOfMemoryError'\n"
)
FULL = "it: error: cannot print the result: No space left on device; files are complete\n"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("no folder a\nb"), 2, "it: error: no folder a\\nb"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            2,
            "it: error: [Errno 28] No space left on device; make room, then type it again",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "a"), 2, "it: error: [Errno 13] Permission denied: 'a'"),
        (MemoryError(), 2, "it: error: out of memory (MemoryError); close other programs, or give less at a time"),
        (
            NO_MEMORY,
            2,
            "it: error: out of memory (OpenCV(4.10.0) error: (-4:Insufficient memory) Failed to allocate 9 bytes in "
            "function 'OutOfMemoryError'); close other programs, or give less at a time",
        ),
        (KeyboardInterrupt(), 130, "it: stopped"),
        (
            ZeroDivisionError("division"),
            1,
            "it: error: unexpected ZeroDivisionError: division (test_program.py, line 20); --traceback shows where it "
            "came from",
        ),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(error, code, line, capsys):
    assert run_program("it", failing(error), [], again="type it again") == code
    assert capsys.readouterr() == ("", f"{line}\n")


def test_the_memory_that_numpy_lacks_is_named(capsys):
    assert run_program("it", lambda flags: np.empty(1 << 60, np.uint8) and 0, []) == 2
    assert "out of memory (Unable to allocate" in capsys.readouterr().err


def test_traceback_shows_where_an_error_came_from_and_is_no_flag_of_the_work(capsys, monkeypatch):
    monkeypatch.setenv(TRACEBACKS, "")  # so that the variable is removed after the test
    flags = []

    def work(given_flags):
        flags.extend(given_flags)
        raise InputError("no box")

    assert run_program("it", work, ["a", "--traceback", "b"]) == 2
    error = capsys.readouterr().err
    assert flags == ["a", "b"] and error.startswith("Traceback") and error.endswith("\nit: error: no box\n")
    assert "in work" in error


@pytest.mark.parametrize("flag", ["rtsp://10.0.0.1:554/x", "--video=rtsp://10.0.0.1:554/x", "https://a.org/OTB"])
def test_an_address_in_place_of_a_file_is_refused_as_it_was_typed(flag, capsys):
    assert run_program("it", lambda flags: 0, [flag]) == 2
    assert f"error: {flag.partition('=')[2] or flag} is an address; fetch or record it first" in capsys.readouterr().err
    assert run_program("it", lambda flags: 0, ["hf://user/repo", "C:/videos", "a:b"]) == 0


def test_another_process_may_print_the_line(capsys):
    assert run_program("it", failing(InputError("no")), [], reports=lambda: False) == 2
    assert capsys.readouterr().err == ""


PROGRAM = "from tracking_env.program import run_program\nfrom tracking_env.terminal import print_result\nimport sys\n"


@pytest.mark.parametrize(
    ("work", "output", "code", "line"),
    [
        ("print_result('table')", "/dev/full", 2, FULL),
        ("print('help') or sys.exit(0)", "/dev/full", 2, FULL),
        ("print_result('table') or print_result('again')", "closed pipe", 141, ""),
        ("print('help', flush=True)", "closed pipe", 141, ""),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line_after_all_work(work, output, code, line, tmp_path):
    done = tmp_path / "done"
    program = f"{PROGRAM}def work(flags):\n    {work}\ncode = run_program('it', work, [])\n"
    program += f"open({str(done)!r}, 'w')\nsys.exit(code)"
    if output == "closed pipe":
        reading, stdout = os.pipe()
        os.close(reading)
    else:
        if not Path(output).exists():
            pytest.skip("no /dev/full")
        stdout = os.open(output, os.O_WRONLY)
    ended = subprocess.run(
        [sys.executable, "-c", program],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
    )
    os.close(stdout)
    assert (ended.returncode, ended.stderr) == (code, line) and done.exists()


@pytest.mark.parametrize("flags", [[""], ["--out", ""], ["--out="], ["--weights", "a", ""]])
def test_an_empty_argument_is_no_path(flags, capsys):
    # As a path it would be the working directory: --out "$UNSET" would write there.
    assert run_program("it", lambda flags: 0, flags) == 2
    assert capsys.readouterr().err.startswith("it: error: an argument is empty")
