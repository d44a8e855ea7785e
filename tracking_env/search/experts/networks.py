"""The experts' weights files: where they are, and opening them."""

from collections.abc import Sequence
from pathlib import Path

from tracking_env.errors import InputError
from tracking_env.features.coreml import to_onnx
from tracking_env.features.download import find_downloaded, find_in_folder
from tracking_env.features.model_zoo import TRACKERS
from tracking_env.features.onnx_batch import free_sizes
from tracking_env.features.onnx_inference import ONLY, Network, by_onnxruntime
from tracking_env.files import read_bytes, sha256


def find_weights(name: str, patterns: Sequence[str], weights: Sequence[Path | str] = ()) -> list[Path]:
    """An expert's weights files.

    Args:
        name: of the tracker, see `model_zoo.TRACKERS`.
        patterns: of the names of its files, for files that were published or renamed otherwise.
        weights: the files in this order, or their folder; by default the cache folder, where
            ``tracking-env download`` puts them.

    Raises:
        InputError: a file is missing, or several files fit.
    """
    files = TRACKERS[name]
    paths = [Path(path) for path in weights]
    if not paths:
        return find_downloaded(name, name)
    if len(paths) == 1 and paths[0].is_dir():
        return find_in_folder(name, name, paths[0], patterns)
    if len(paths) != len(files):
        names = " and ".join(file.name for file in files)
        raise InputError(f"{name} needs {names}, or their folder; got {' '.join(map(str, paths))}")
    return paths


def open_network(
    path: Path,
    device: str,
    threads: int = 1,
    inputs: Sequence[str] = ONLY,
    outputs: Sequence[str] = ONLY,
    free: tuple[str, ...] = ("batch",),
) -> Network:
    """A network of an ONNX or a CoreML file, by onnxruntime, for batches of any size.

    Args:
        path: the file; by its suffix ``.mlmodel`` it is CoreML's.
        device: see `onnx_inference.open_session`.
        threads: see there.
        inputs: names, in the order of the arguments.
        outputs: names, in the order of the results.
        free: names of the dimensions that may have other sizes than the file states, see `onnx_batch.free_sizes`.

    Raises:
        InputError: the file is missing, damaged or of another kind, or there is no such device.
    """
    content = read_bytes(path)
    try:
        content = to_onnx(content) if path.suffix == ".mlmodel" else free_sizes(content, free)
    except ValueError as error:  # a text that is no UTF-8 too
        raise InputError(f"{path} is no network, or damaged: {error}; fetch it again") from None
    return by_onnxruntime(content, inputs, outputs, device, label=str(path), threads=threads)


def identify(paths: Sequence[Path], device: str) -> str:
    """Eight hex digits of each file's SHA-256, and the device if it is not the CPU: results may differ by rounding."""
    return " ".join([*(sha256(path)[:8] for path in paths), *([device] if device != "cpu" else [])])
