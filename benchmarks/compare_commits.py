"""Whether two commits compute the same numbers, bit for bit: result files, features, trained weights, scores.

python benchmarks/compare_commits.py BEFORE AFTER
python benchmarks/compare_commits.py BEFORE AFTER --root OTB --sequences Couple,Jumping,Suv --weights FOLDER

Each commit is checked out into a worktree of its own and runs the same commands, one thread, one seed. Compared are the
boxes of five trackers on three sequences, the features of two extractors, the weights after two epochs (or updates) of
each training script, and what ``score --json`` prints. Exit code 1 where anything differs.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors import safe_open

REPOSITORY = Path(__file__).resolve().parents[1]
COMMAND = ["-m", "tracking_env.cli"]
TINY_SCHEDULES = {
    "reinforce": ["--observation", "16", "--hidden", "8", "--l1-epochs", "1", "--iou-epochs", "1", "--device", "cpu"],
    "search": [
        *("--width", "4", "--warm-batch", "4", "--warm-steps", "2", "--crops", "1", "--clips", "1", "--episodes", "2"),
        *("--steps", "4", "--l1-updates", "1", "--iou-updates", "1"),
    ],
    "sb3": ["--hidden", "8", "--envs", "2", "--env-steps", "80", "--evaluate-every", "40", "--device", "cpu"],
}
COMPARED = ("*.npy", "*.safetensors", "*.txt", "score.json")
TIMINGS = "*_time.txt"


def jobs(data: list[str], weights: str | None, skip: list[str]) -> dict[str, list[str]]:
    """The commands to run in a checkout, by name; their output lies in folders of these names."""
    training = [*data, "--store", "store-training"]
    commands = {
        f"train-{script}": [f"train/{script}.py", *training, *flags, "--out", f"train-{script}", "--seed", "0"]
        for script, flags in TINY_SCHEDULES.items()
    }
    evaluate = [*COMMAND, "evaluate", *data, "--out", "results"]
    trackers = {"static": [], "mil": [], "drlt": ["--checkpoint", "train-reinforce"]}
    trackers |= {"sb3": ["--checkpoint", "train-sb3"], "search": ["--checkpoint", "train-search"]}
    if weights is not None:
        trackers |= {"nano": ["--weights", weights]}
        commands["features-yolo"] = [
            *(*COMMAND, "extract", *data, "--features", "yolo-nano-voc", "--weights", weights, "--device", "cpu"),
            *("--store", "features-yolo"),
        ]
    commands["features-grid"] = [*COMMAND, "extract", *data, "--features", "grid", "--store", "features-grid"]
    commands |= {f"track-{name}": [*evaluate, "--tracker", name, *flags] for name, flags in trackers.items()}
    commands = {name: command for name, command in commands.items() if name not in skip}
    folders = [f"results/{name}" for name in trackers if f"track-{name}" in commands]
    if "--root" in data:  # drawn sequences are scored as they are tracked: their boxes lie in no file
        commands["score"] = [*COMMAND, "score", *folders, *data, "--json"]
    return commands


def run_jobs(commit: str, commands: dict[str, list[str]], folder: Path) -> dict[str, str]:
    """Run the commands in a worktree of a commit; the sha256 of every compared file, by its path."""
    checkout, output = folder / "checkout", folder / "output"
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", checkout, commit], cwd=REPOSITORY, check=True)
    output.mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(checkout),
        "OMP_NUM_THREADS": "1",
        "TRACKING_ENV_CACHE": str(folder / "cache"),
    }
    try:
        for name, command in commands.items():
            if command[0].endswith(".py"):
                command = [str(checkout / command[0]), *command[1:]]
            print(f"{commit}: {name}", file=sys.stderr, flush=True)
            done = subprocess.run(
                [sys.executable, *command], cwd=output, env=environment, capture_output=True, text=True
            )
            if done.returncode:
                sys.exit(f"{commit}: {name} ended with exit code {done.returncode}: {done.stderr.strip()[-1000:]}")
            if name == "score":
                (output / "score.json").write_text(without_speed(done.stdout))
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", checkout], cwd=REPOSITORY, check=True)
    files = {path for pattern in COMPARED for path in output.rglob(pattern) if not path.match(TIMINGS)}
    return {path.relative_to(output).as_posix(): digest(path) for path in sorted(files)}


def without_speed(printed: str) -> str:
    """What ``score --json`` printed, less the frames per second, which differ from run to run."""

    def cleaned(value: object) -> object:
        if isinstance(value, dict):
            return {key: cleaned(item) for key, item in value.items() if key != "fps"}
        return [cleaned(item) for item in value] if isinstance(value, list) else value

    return json.dumps(cleaned(json.loads(printed)), indent=1, sort_keys=True)


def digest(path: Path) -> str:
    """The sha256 of a file; of a file of weights that of its tensors, for their order says nothing."""
    if path.suffix != ".safetensors":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    content = hashlib.sha256()
    with safe_open(path, "numpy") as file:
        # Of two names for one tensor, the file holds either, and notes the other.
        stored = list(file.keys())
        names = {name: name for name in stored}
        names |= {alias: name for alias, name in (file.metadata() or {}).items() if name in stored}
        for name in sorted(names):
            content.update(name.encode() + file.get_tensor(names[name]).tobytes())
    return content.hexdigest()


def main() -> int:
    """Compare, print a line for each difference and a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--root", type=Path, help="folder of real sequences; by default they are drawn")
    parser.add_argument("--sequences", default="synthetic:0-2")
    parser.add_argument("--weights", type=Path, help="folder of yolo-nano-voc's and NanoTrack's files")
    parser.add_argument(
        "--skip", nargs="*", default=[], metavar="NAME", help="jobs to leave out, such as features-yolo"
    )
    arguments = parser.parse_args()
    data = ["--sequences", arguments.sequences]
    data += ["--root", str(arguments.root.resolve())] if arguments.root else []
    weights = str(arguments.weights.resolve()) if arguments.weights else None
    commands = jobs(data, weights, arguments.skip)
    with tempfile.TemporaryDirectory() as folder:
        digests = []
        for number, commit in enumerate((arguments.before, arguments.after)):
            place = Path(folder, str(number))
            place.mkdir()
            digests.append(run_jobs(commit, commands, place))
    before, after = digests
    different = sorted(path for path in before | after if before.get(path) != after.get(path))
    for path in different:
        print(f"differs: {path}")
    print(f"{len(before)} files of {arguments.before}, {len(after)} of {arguments.after}: {len(different)} differ")
    return 1 if different or not before else 0


if __name__ == "__main__":
    sys.exit(main())
