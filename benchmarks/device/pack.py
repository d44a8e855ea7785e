"""Make the folder that travels to the machine with the GPU: features, true boxes, wheels.

python benchmarks/device/pack.py --root OTB --weights FOLDER --out .gpu
python benchmarks/device/pack.py --sequences synthetic:0-2 --features grid --out .gpu    # a trial without data

Wheels are fetched by pip for `--python` on x86-64 Linux. Of features at most DIM numbers a frame travel. The folder and
the checkout that travels with it must stay under 64 MiB.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/device/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.device import carried
from tracking_env.datasets import loading
from tracking_env.errors import InputError
from tracking_env.features.extractors import make_extractor
from tracking_env.features.store import FeatureStore
from tracking_env.files import is_used_for_something_else, remove

DIM = 5000
WHEELS = (
    "array-api-compat",
    "cloudpickle",
    "docstring-parser",
    "farama-notifications",
    "filelock",
    "gymnasium",
    "platformdirs",
    "safetensors",
    "tqdm",
    "typeguard",
    "tyro",
)
"""What the parts import, and what that needs, but for torch, NumPy, OpenCV and TensorBoard, which the machine has."""
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def fetch_wheels(folder: Path, python: str) -> None:
    """Download the wheels of `WHEELS`.

    Raises:
        InputError: pip did not find them all.
    """
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *platforms]
    command += ["--implementation", "cp", "--python-version", python, "--dest", str(folder), *WHEELS]
    if subprocess.run(command).returncode:
        raise InputError("pip could not fetch all wheels, see above; give a folder that holds them with --wheels")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder of OTB sequences")
    parser.add_argument("--sequences", default="drlt30", help="names or lists; missing ones of a list are left out")
    parser.add_argument("--features", default="yolo-nano-voc:5x5", help="extractor")
    parser.add_argument("--weights", help="its weights file or their folder")
    parser.add_argument("--store", type=Path, help="feature store; by default in the cache folder")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to take, in place of fetching them")
    parser.add_argument("--python", default="3.12", help="Python version of the machine")
    parser.add_argument("--out", type=Path, required=True, help="folder to make; an older one is replaced")
    arguments = parser.parse_args()
    try:
        print(pack(arguments))
    except InputError as error:
        print(f"benchmarks/device/pack.py: error: {error}", file=sys.stderr)
        return 2
    return 0


def pack(arguments: argparse.Namespace) -> str:
    """Make the folder; returns a line on what it holds.

    Raises:
        InputError: sequences or weights are missing, wheels cannot be fetched, or the folder is too large.
    """
    extractor = make_extractor(arguments.features, arguments.weights)
    if extractor.dim > DIM:
        raise InputError(f"{arguments.features} has {extractor.dim} numbers a frame; give at most {DIM}, as with :5x5")
    sequences = loading.load(arguments.root, arguments.sequences)
    store = FeatureStore(extractor, arguments.store)
    store.build(sequences)
    with tempfile.TemporaryDirectory(dir=arguments.out.resolve().parent) as temporary:
        folder = Path(temporary) / arguments.out.name
        (folder / "wheels").mkdir(parents=True)
        carried.write(folder, sequences, store)
        if arguments.wheels:
            for wheel in arguments.wheels.glob("*.whl"):
                shutil.copy(wheel, folder / "wheels")
        else:
            fetch_wheels(folder / "wheels", arguments.python)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if size >= carried.LIMIT:
            raise InputError(f"the folder would have {size} bytes, more than {carried.LIMIT}; choose a smaller grid")
        if is_used_for_something_else(arguments.out, carried.LIST):
            raise InputError(f"{arguments.out} is not a folder that this script made, and not empty; give another one")
        if arguments.out.exists():
            remove(arguments.out)
        folder.replace(arguments.out)
    frames = sum(map(len, sequences))
    wheels = len([*arguments.out.glob("wheels/*.whl")])
    return (
        f"{arguments.out}: {size / 1e6:.1f} MB, {len(sequences)} sequences, {frames} frames of {extractor.dim} numbers "
        f"({extractor.id}), {wheels} wheels"
    )


if __name__ == "__main__":
    sys.exit(main())
