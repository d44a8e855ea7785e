"""Everything that a GPU is needed for, in one call of some minutes, on a machine without a network or data.

python benchmarks/device/pack.py --root OTB --weights FOLDER --out .gpu      # before, on a machine with the data
python benchmarks/gpu.py --carried .gpu --out FOLDER --minutes 7             # on the machine with the GPU
python benchmarks/device/score.py FOLDER --carried .gpu                      # afterwards: scores, plots, table

The machine needs Python, torch, NumPy, OpenCV and TensorBoard; the wheels of other packages are in the carried folder.
The parts run in order of worth, each in processes of its own, so that a fault of the device ends one of them only:

* `update`: an update of the `paper` preset in each variant (cuDNN's LSTM or an own one, fused Adam, bf16, CUDA graphs);
* `training`: the preset trained with the fastest good variant, for as many epochs as fit;
* `online`: DRLT alone one frame at a time, and with the YOLO v1 network (random weights) and decoding before it;
* `extraction`: YOLO v1 in half precision with decoding, and the environments;
* `repeat`: three runs of one seed;
* `compile`: the update under torch.compile.

OUT/results.json holds what was measured so far; it is written anew after every line that a part prints, so that a
cut-off loses only the rest. OUT/log.txt has the parts' own messages.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HERE = "benchmarks/device"
REFERENCE = "train/reinforce.py"
COMPILED = "compiled, own recurrence"
GOOD = 0.2
"""A variant may train if its first gradient is no farther than this from the reference's, relative to its norm. Samples
of other noise give gradients that are farther apart, and a variant that computes something else is."""
SECONDS = {"update": 110, "online": 60, "extraction": 70, "repeat": 60, "compile": 90}
"""Limits of a process of each part, for MINUTES in all; training gets what is left."""
RESERVED = 130
"""Seconds that training leaves to the parts after it, for MINUTES in all."""
MINUTES = 7.0
SHORTEST = 15
"""Seconds below which no process is started."""


class Session:
    """Runs commands within one deadline, and keeps what they print.

    Args:
        arguments: of this script.
        packages: folder of the unpacked wheels.
    """

    def __init__(self, arguments: argparse.Namespace, packages: Path) -> None:
        self.arguments = arguments
        self.deadline = time.monotonic() + 60 * arguments.minutes
        self.scale = arguments.minutes / MINUTES
        self.log = (arguments.out / "log.txt").open("a", buffering=1)
        self.results: dict[str, Any] = {"arguments": vars(arguments) | {"carried": None, "out": None}}
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(packages), str(ROOT)]),
            "TRACKING_ENV_CACHE": str(packages / "cache"),
            "PYTHONUNBUFFERED": "1",
            "OMP_WAIT_POLICY": "PASSIVE",  # as in the training scripts
        }

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    def run(self, part: str, script: str, *flags: str, seconds: float | None = None) -> list[dict[str, Any]]:
        """Run a script of the checkout; its lines of JSON become rows of a part.

        Args:
            part: name of the part.
            script: path in the checkout.
            flags: of the script.
            seconds: limit, by default that of the part; never beyond the deadline.

        Returns:
            The rows. If the script fails or takes too long, the last one is an ``error``.
        """
        rows: list[dict[str, Any]] = []
        if self.left < SHORTEST:
            return self.keep(part, rows, {"error": f"{script}: no time left"})
        limit = min(self.left - 2, self.scale * SECONDS[part] if seconds is None else seconds)
        self.log.write(f"\n--- {part}: {script} {' '.join(flags)} (at most {limit:.0f} s)\n")
        begun = time.monotonic()
        with subprocess.Popen(
            [sys.executable, str(ROOT / script), *flags],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=self.environment,
            cwd=ROOT,
        ) as process:
            timer = threading.Timer(limit, process.kill)
            timer.start()
            assert process.stdout
            for line in process.stdout:
                try:
                    row = json.loads(line)
                except ValueError:
                    self.log.write(line)
                else:
                    self.keep(part, rows, row)
            code = process.wait()
            timer.cancel()
        if code:
            cause = "took too long" if time.monotonic() - begun >= limit else f"ended with code {code}"
            self.keep(part, rows, {"error": f"{script} {cause}"})
        return rows

    def keep(self, part: str, rows: list[dict[str, Any]], row: dict[str, Any]) -> list[dict[str, Any]]:
        """Add a row to a part and write all results; returns the rows of the command."""
        rows.append(row)
        if "starts" in row:  # tells this script where a process died, and nobody else anything
            return rows
        self.results.setdefault(part, []).append(row)
        print(f"{part}: {json.dumps(row)}", flush=True)
        self.results["seconds"] = round(60 * self.arguments.minutes - self.left, 1)
        partial = self.arguments.out / "results.partial"
        partial.write_text(json.dumps(self.results, indent=1))
        partial.replace(self.arguments.out / "results.json")
        return rows


def measure_updates(session: Session, common: list[str]) -> None:
    """Part `update`. After a fault of the device a new process takes the variants that were not reached."""
    end = time.monotonic() + session.scale * SECONDS["update"]
    started: list[str] = []
    while time.monotonic() < end:
        flags = [*common, "--updates", str(session.arguments.updates), "--skip", *started]
        rows = session.run("update", f"{HERE}/update_speed.py", *flags, seconds=end - time.monotonic())
        new = [row["starts"] for row in rows if "starts" in row and row["starts"] not in started]
        if not new or "error" not in rows[-1]:
            return
        started += new


def fastest(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The fastest variant whose gradient is good; None if none was measured.

    If the reference itself failed, there is nothing to compare with, and every variant counts.
    """
    measured = [row for row in rows if row.get("ms")]
    compared = any(row["variant"] == REFERENCE for row in measured)
    good = [row for row in measured if not compared or row["variant"] == REFERENCE or row["difference"] <= GOOD]
    return min(good, key=lambda row: row["ms"], default=None)


def train(session: Session, common: list[str]) -> None:
    """Part `training`: the fastest good variant; if that fails before its first boxes, the reference."""
    rows = session.results.get("update", [])
    choice = fastest(rows)
    reference = [row for row in rows if row.get("variant") == REFERENCE and row.get("ms")]
    for row in [choice, *reference[:1]] if choice else []:
        seconds = session.left - session.scale * RESERVED
        flags = [*common, "--out", str(session.arguments.out), "--variant", row["variant"]]
        flags += ["--seconds", f"{seconds:.0f}", "--epoch-seconds", str(row["seconds_per_epoch"])]
        flags += ["--epochs", str(session.arguments.epochs)] if session.arguments.epochs else []
        results = session.run("training", f"{HERE}/training.py", *flags, seconds=seconds + 10)
        if any("epoch" in result for result in results):
            return


def repeat(session: Session, common: list[str]) -> None:
    """Part `repeat`: the reference and the fastest variant, then the reference with deterministic algorithms only."""
    choice = fastest(session.results.get("update", []))
    names = dict.fromkeys([REFERENCE, *([choice["variant"]] if choice else [])])
    session.run("repeat", f"{HERE}/repeat.py", *common, "--variants", *names)
    session.run("repeat", f"{HERE}/repeat.py", *common, "--deterministic")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--carried", type=Path, required=True, help="folder that benchmarks/device/pack.py made")
    parser.add_argument("--out", type=Path, required=True, help="folder of all results")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="time of the whole script")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", nargs="+", metavar="PART", help="parts to run, by default all")
    parser.add_argument("--size", type=int, help="neurons of both layers, if not the paper's 5000: for trials")
    parser.add_argument("--epochs", type=int, help="largest number of epochs, if not the paper's 500: for trials")
    parser.add_argument("--updates", type=int, default=40, help="updates of each timed block of part `update`")
    parser.add_argument("--frames", type=int, default=1000, help="frames of the part `extraction`")
    parser.add_argument("--network", default="yolov1-small", help="extractor of the parts `online` and `extraction`")
    arguments = parser.parse_args()
    arguments.out = arguments.out.resolve()
    arguments.out.mkdir(parents=True, exist_ok=True)
    carried = arguments.carried.resolve()
    with tempfile.TemporaryDirectory() as packages:
        session = Session(arguments, Path(packages))
        for wheel in sorted((carried / "wheels").glob("*.whl")):
            zipfile.ZipFile(wheel).extractall(packages)
        run_parts(session, carried)
    return 0


def run_parts(session: Session, carried: Path) -> None:
    """All parts in order of worth, or those of `--only`."""
    arguments = session.arguments
    device = ["--device", arguments.device]
    common = ["--carried", str(carried), *device, *(["--size", str(arguments.size)] if arguments.size else [])]
    layers = [word for name in ("observation", "hidden") for word in (f"--{name}", str(arguments.size or 5000))]
    network = ["--features", arguments.network, *device, "--json"]
    network += [] if arguments.network == "grid" else ["--weights", "random"]
    frames = str(arguments.frames)
    parts: dict[str, Callable[[], object]] = {
        "update": lambda: measure_updates(session, common),
        "training": lambda: train(session, common),
        "online": lambda: [
            session.run("online", "benchmarks/speed/online.py", "--synthetic", *network, *layers, *half)
            for half in ([], ["--half"])
        ],
        "extraction": lambda: [
            session.run("extraction", "benchmarks/speed/extract.py", *network, "--repeat", "2", "--synthetic", frames),
            session.run("extraction", "benchmarks/speed/env.py", "--dim", "4096", "--json"),
        ],
        "repeat": lambda: repeat(session, common),
        "compile": lambda: session.run("compile", f"{HERE}/update_speed.py", *common, "--variants", COMPILED),
    }
    for name in arguments.only or parts:
        parts[name]()


if __name__ == "__main__":
    sys.exit(main())
