"""Run commands on terminals, pipes and files of every encoding, which may be closed or full.

python -m tests.soak.terminals

A command passes if it ends with an exit code of its own and without a traceback, and if what it printed is text of the
stream's encoding without control characters.
"""

import io
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from tests.soak.sample_files import BOXES, encode_boxes, encode_frame
from tracking_env import cli
from tracking_env.evaluation.result_files import write_result
from tracking_env.trackers.checkpoint import PRETRAINED
from train import export

Kind = Literal["pipe", "unread", "full", "closed"]
KINDS: tuple[Kind, ...] = ("pipe", "unread", "full", "closed")
ENCODINGS = ("utf-8", "ascii", "latin-1", "cp437", "cp932", "gbk", "koi8-r")
ODD = "clip \x1b[31mred\x1b]0;title\x07 \u202e日本 ± \udcff"
"""A name with a terminal's escape sequences, a change of direction, other scripts, and a byte that is no UTF-8."""
TIMEOUT = 60
"""Seconds after which a command counts as hanging."""


@dataclass(frozen=True)
class Command:
    """A command with its flags, and the exit codes with which it may end on streams that take its output."""

    name: str
    run: Callable[[], int]
    codes: tuple[int, ...]


def make_commands(folder: Path) -> list[Command]:
    """Commands that print a table with ±, names from elsewhere, or an error. Their files are made in a folder."""
    root, results = folder / "root", folder / "results"
    for name in ("clip", ODD):
        (root / name / "img").mkdir(parents=True)
        for number in range(1, 4):
            (root / name / "img" / f"{number:04d}.png").write_bytes(encode_frame(".png"))
        (root / name / "groundtruth_rect.txt").write_bytes(encode_boxes(BOXES))
    for run, shift in (("run-1", 0), ("run-2", 1)):
        write_result(results / run / "clip.txt", BOXES + shift)
    (results / "run-1" / f"{ODD}.txt").write_bytes(b"damaged\n")
    flags = ["--root", str(root), "--sequences", "available"]
    commands = {
        "score": (["score", str(results), *flags], (0, 1)),
        "sequences": (["sequences", *flags], (0,)),
        "sequences as JSON": (["sequences", *flags, "--json"], (0,)),
        "check": (["check", "--root", str(root)], (0, 1)),
        "evaluate": (["evaluate", "--tracker", "static", *flags, "--out", str(folder / "out")], (0, 1)),
        "extract": (["extract", *flags, "--store", str(folder / "store")], (0,)),
        # MIL does not start on targets of a few pixels.
        "track": (["track", "--video", str(root / ODD), "--box", "1,2,3,4", "--tracker", "mil"], (2,)),
        "push": (["push", str(PRETRAINED / "cells"), str(folder / ODD)], (0, 2)),
        "download": (["download"], (0,)),
        "trax": (["trax", "--tracker", "mil", "--ini", str(folder / f"{ODD}.ini")], (0,)),
        "an odd folder": (["check", "--root", ODD], (2,)),
        "help": (["score", "--help"], (0,)),
        "an unknown flag": (["score", "--unknown"], (2,)),
    }
    chosen = [Command(name, lambda argv=argv: cli.main(argv), codes) for name, (argv, codes) in commands.items()]
    return [*chosen, Command("train/export.py", lambda: export.main([ODD]), (2,))]


def run_on(command: Command, encoding: str, stdout: Kind, stderr: Kind) -> None:
    """Run a command in a fork, and check its exit code and output."""
    readers = {}
    sides = {}
    for number, kind in ((1, stdout), (2, stderr)):
        if kind in ("pipe", "unread"):
            reader, sides[number] = os.pipe()
            readers[number] = reader
        else:
            sides[number] = os.open("/dev/full" if kind == "full" else os.devnull, os.O_WRONLY)
    for number, kind in ((1, stdout), (2, stderr)):
        if kind == "unread":
            os.close(readers.pop(number))
    pid = os.fork()
    if pid == 0:
        _be_command(
            command, encoding, sides, {number for number, kind in ((1, stdout), (2, stderr)) if kind == "closed"}
        )
    for side in sides.values():
        os.close(side)
    texts = {number: os.fdopen(reader, "rb").read() for number, reader in readers.items()}
    start_time = time.perf_counter()
    while not (status := os.waitpid(pid, os.WNOHANG))[0]:
        assert time.perf_counter() - start_time < TIMEOUT, "it hangs"
        time.sleep(0.002)
    code = os.waitstatus_to_exitcode(status[1])
    allowed = {*command.codes}
    if "unread" in (stdout, stderr):
        allowed.add(141)
    if stdout == "full":
        allowed.add(2)
    assert code in allowed, f"exit code {code}: {texts}"
    for text in texts.values():
        decoded = text.decode(encoding)
        assert "Traceback" not in decoded and "unexpected" not in decoded, decoded
        controls = {character for character in decoded if not character.isprintable()} - {"\n", "\t"}
        assert not controls, f"{controls} in {decoded!r}"


def _be_command(command: Command, encoding: str, sides: dict[int, int], closed: set[int]) -> None:
    """Be the command: with these streams, in place of those of this process."""
    code = 99
    try:
        for number, name in ((1, "stdout"), (2, "stderr")):
            if number in closed:
                os.close(number)
                stream = None
            else:
                os.dup2(sides[number], number)
                stream = io.TextIOWrapper(io.BufferedWriter(io.FileIO(number, "w", closefd=False)), encoding)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        try:
            code = command.run()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # as Python does at its end; an error here would be printed
    finally:
        os._exit(code)


def main(seconds: float = 600, only: tuple[str, ...] = ()) -> int:
    """Run every command on every kind of stream. The exit code is 1 if one fails.

    Args:
        seconds: stop after so many.
        only: names of commands. By default all.
    """
    if not Path("/dev/full").exists() or not hasattr(os, "fork"):
        print("left out: this system has no /dev/full or no fork")
        return 0
    failures = count = 0
    deadline = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        for command in make_commands(Path(folder)):
            if only and command.name not in only:
                continue
            runs = failed = 0
            for encoding, stdout, stderr in itertools.product(ENCODINGS, KINDS, KINDS):
                if time.monotonic() > deadline:
                    break
                runs += 1
                try:
                    run_on(command, encoding, stdout, stderr)
                except (AssertionError, UnicodeDecodeError) as error:
                    failed += 1
                    print(f"{command.name}, {encoding}, stdout {stdout}, stderr {stderr}: {error}", file=sys.stderr)
            count, failures = count + runs, failures + failed
            print(f"{command.name:<20} {runs:>5} streams {failed:>5} failed", flush=True)
    print(f"{count} runs, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main))
