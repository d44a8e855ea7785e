"""The wheel in an empty environment: every command that needs no other files, each in its own process.

python -m tests.soak.wheel    # needs the package index; --verbose prints what each command printed

The working directory has foreign packages `agents` and `train`, which must not be imported.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.helpers.paths import ROOT
from tracking_env.datasets import synthetic
from tracking_env.rendering import write_video

EPISODE = """
import warnings
import gymnasium as gym
import tracking_env

warnings.simplefilter("ignore")  # the environment warns that its sequences are synthetic
for name in ("OTBTrack-v0", "OTBTrackPixels-v0", "OTBTrackSearch-v0", "SyntheticTrack-v0"):
    env = gym.make(name, **({} if name.startswith("Synthetic") else {"sequences": "synthetic:0"}), clip_length=5)
    env.action_space.seed(0)
    env.reset(seed=0)
    while not env.step(env.action_space.sample())[3]:
        pass
"""
DATA = ["--sequences", "synthetic:0"]
COMMANDS = [
    ["sequences"],
    ["evaluate", "--tracker", "static", *DATA, "--out", "results"],
    ["evaluate", "--tracker", "velocity", *DATA, "--out", "results"],
    ["evaluate", "--tracker", "mil", *DATA, "--out", "results"],
    ["evaluate", "--tracker", "search", *DATA, "--out", "results"],
    ["extract", *DATA, "--features", "grid", "--store", "store"],
    ["track", "--video", "video.mp4", "--box", "60,40,30,30"],
    ["score", "tracked/search", "--root", "video.mp4"],
    ["trax", "--tracker", "search", "--ini", "trackers.ini"],
]
REPORT = ["report", "tracked/search", "--root", "video.mp4", "--out", "report"]


def main() -> int:
    """Build the wheel, install it, and run the commands; the exit code is 1 where one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verbose", action="store_true", help="print what each command printed")
    verbose = parser.parse_args().verbose
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            check(folder, verbose)
        except subprocess.CalledProcessError as error:
            print(error, error.stdout or "", error.stderr or "", file=sys.stderr)
            return 1
    return 0


def check(folder: Path, verbose: bool) -> None:
    """Do all of it in an empty folder.

    Raises:
        subprocess.CalledProcessError: a command failed.
    """
    python, work = folder / "venv" / "bin" / "python", folder / "work"
    for package in ("agents", "train"):
        (work / package).mkdir(parents=True)
        (work / package / "__init__.py").write_text("raise AssertionError('somebody else was imported')\n")
    video = synthetic.generate(100, 12)
    write_video(work / "video.mp4", (video.frames[at] for at in range(len(video))))
    (work / "video.txt").write_text("".join(",".join(map(str, box)) + "\n" for box in video.boxes.tolist()))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["TRACKING_ENV_CACHE"] = str(folder / "cache")

    def run(*command: str | Path) -> None:
        done = subprocess.run(command, cwd=work, env=environment, check=True, capture_output=True, text=True)
        if verbose:
            print("$", " ".join([Path(command[0]).name, *map(str, command[1:])]), done.stdout + done.stderr, sep="\n")

    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("tracking_env-*.whl")
    run(sys.executable, "-m", "venv", python.parents[1])
    run(python, "-m", "pip", "install", "--quiet", wheel)
    run(python, "-c", EPISODE)
    for command in COMMANDS:
        run(python.with_name("tracking-env"), *command)
    run(python, "-m", "pip", "install", "--quiet", f"{wheel}[report]")
    run(python.with_name("tracking-env"), *REPORT)
    packages = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    )
    assert "torch==" not in packages.stdout, packages.stdout
    print(f"{wheel.name}: the ids make episodes, and {len(COMMANDS) + 1} commands run; no torch is installed")


if __name__ == "__main__":
    sys.exit(main())
