"""benchmarks/gpu.py to the letter at small size: packed, all parts in a bare environment on the CPU, scored.

python -m tests.soak.gpu [--minutes N]

The environment has torch, NumPy, OpenCV and TensorBoard, as the machine with a GPU; other packages travel as wheels.
The exit code is 1 unless every part has its numbers.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.device.pack import WHEELS
from tests.helpers.bare_machine import make_environment, make_wheel
from tests.helpers.paths import ROOT

PARTS = ("update", "training", "online", "extraction", "repeat", "compile")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="limit; it takes two or three")
    minutes = parser.parse_args().minutes
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = make_environment(folder / "venv", ("torch", "numpy", "opencv-python", "tensorboard"))
        (folder / "wheels").mkdir()
        for package in WHEELS:
            make_wheel(package, folder / "wheels")
        source = ["--sequences", "synthetic:0-1", "--features", "grid", "--wheels", folder / "wheels"]
        carried = ["--carried", folder / "carried"]
        small = ["--device", "cpu", "--size", "8", "--updates", "2", "--epochs", "3", "--frames", "40"]
        trial = [*carried, "--out", folder / "out", *small, "--network", "grid", "--minutes", str(minutes)]
        device = ROOT / "benchmarks" / "device"
        for command, variables in (
            ([sys.executable, device / "pack.py", *source, "--out", folder / "carried"], environment),
            ([python, "-I", ROOT / "benchmarks" / "gpu.py", *trial], {"PATH": os.environ["PATH"]}),
            ([sys.executable, device / "score.py", folder / "out", *carried], environment),
        ):
            subprocess.run([str(word) for word in command], check=True, env=variables)
        results = json.loads((folder / "out" / "results.json").read_text())
    failed = [part for part in PARTS if not results.get(part) or any("error" in row for row in results[part])]
    print(f"{results['seconds']:.0f} s; failed: {', '.join(failed) or 'nothing'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
