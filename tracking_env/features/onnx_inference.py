"""Running networks that are stored as ONNX, by onnxruntime, on the CPU or a GPU."""

import functools
import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tracking_env.errors import InputError, MissingPackageError, first_line, option
from tracking_env.files import require_file

# onnxruntime reports to its makers over the network, from 1.29 on, unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
Network = Callable[..., list[np.ndarray]]
"""A function of float32 arrays, in the order of the input names, that returns new arrays in the order of the output
names. It raises a ValueError if the network does not take such inputs or has no such outputs."""
ONLY = ("",)
"""In place of names: a network's only input, or output."""
DEVICES = ("auto", "cpu", "cuda")
MOST_MEMORY = 4 << 30
"""Bytes that bounded networks take together; DRLT at the paper's size takes a quarter of it."""
CUDA = "CUDAExecutionProvider"


def by_onnxruntime(
    file: Path | bytes,
    inputs: Sequence[str] = ONLY,
    outputs: Sequence[str] = ONLY,
    device: str = "cpu",
    label: str | None = None,
    threads: int = 2,
) -> Network:
    """Open a network with onnxruntime, which takes inputs of the sizes that the file states.

    Args:
        file: the network's path, or its content.
        inputs: names of the inputs, in the order of the arguments.
        outputs: names of the outputs, in the order of the results.
        device: see `open_session`.
        label: the network's name in error messages; by default its path.
        threads: see `open_session`.

    Raises:
        InputError: onnxruntime is not installed, cannot read it, or has no such device.
    """
    session = open_session(file, device, label, threads)
    input_names = [entry.name for entry in session.get_inputs()] if inputs == ONLY else inputs
    output_names = None if outputs == ONLY else outputs

    def run(*arrays: np.ndarray) -> list[np.ndarray]:
        try:
            return session.run(output_names, dict(zip(input_names, arrays, strict=True)))
        except Exception as error:  # onnxruntime's exceptions share no base but this
            raise ValueError(str(error)) from None

    return run


def open_session(
    file: Path | bytes, device: str = "cpu", label: str | None = None, threads: int = 2, bounded: bool = False
) -> Any:
    """Open an onnxruntime session for a network. Several threads may run it at the same time.

    On the CPU each run takes two threads by default, or one if OpenCV is limited to one (``cv2.setNumThreads``,
    ``OPENCV_FOR_THREADS_NUM=1``): if other programs keep the cores busy, threads that wait for each other take twice as
    long.

    Args:
        file: the network's path, or its content.
        device: ``cpu``, ``cuda``, or ``auto`` (see `resolve_device`).
        label: the network's name in error messages; by default its path.
        threads: the most that a run takes on the CPU.
        bounded: of a stranger's network: all bounded networks of this process take at most `MOST_MEMORY` together, and
            nothing of it is computed before the first run.

    Raises:
        InputError: onnxruntime is not installed, cannot read it, or has no such device.
    """
    if isinstance(file, Path):
        require_file(file)
    content: str | bytes = str(file) if isinstance(file, Path) else file
    label = label or (str(file) if isinstance(file, Path) else "it")
    ort = _onnxruntime(f"running {label}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = min(threads, cv2.getNumThreads())  # a frame is too little for more than two
    options.add_session_config_entry("session.force_spinning_stop", "1")  # between frames threads sleep
    options.log_severity_level = 3  # errors only
    unused: list[str] = []
    if bounded:
        _limit_memory(ort)
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.log_severity_level = 4  # its errors are raised, too
        unused = ["ConstantFolding"]
    providers: list[Any] = ["CPUExecutionProvider"]
    cuda = resolve_device(device) == "cuda"
    if cuda:
        # Without TF32 the GPU rounds as the CPU does, to about 1e-6 in place of 1e-3.
        providers.insert(0, (CUDA, {"use_tf32": "0"}))
    try:
        session = ort.InferenceSession(content, options, providers=providers, disabled_optimizers=unused)
    except Exception as error:  # onnxruntime's exceptions share no base but this
        raise InputError(f"onnxruntime cannot read {label}: {first_line(error)}; fetch it again") from None
    if cuda and CUDA not in session.get_providers():
        raise InputError(
            f"onnxruntime cannot use the GPU here (its own message is above); give {option('device', 'cpu')}"
        )
    return session


def run_options() -> Any:
    """Options of a single run of a session; its attribute ``terminate`` can be set from another thread."""
    options = _onnxruntime("running a network").RunOptions()
    options.log_severity_level = 4  # its errors are raised, too
    return options


def resolve_device(device: str) -> str:
    """``cpu`` or ``cuda``; ``auto`` is ``cuda`` where the installed onnxruntime has it.

    Raises:
        InputError: the name is another one, or ``cuda`` is asked for and onnxruntime does not have it.
    """
    if device not in DEVICES:
        raise InputError(f"unknown device {device!r}; give one of {', '.join(DEVICES)}")
    if device == "cpu":
        return device
    # The CPU can be chosen without loading onnxruntime; from here on it is needed.
    has_cuda = CUDA in _onnxruntime(f"the device {device}").get_available_providers()
    if device == "cuda" and not has_cuda:
        raise InputError(
            "the installed onnxruntime has no CUDA; type: pip uninstall onnxruntime && pip install onnxruntime-gpu, or "
            f"give {option('device', 'cpu')}"
        )
    return "cuda" if has_cuda else "cpu"


@functools.cache
def _limit_memory(ort: Any) -> None:
    """Make the memory of this process from which bounded sessions are served; once, since it is one for all of them."""
    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(place, ort.OrtArenaCfg({"max_mem": MOST_MEMORY}))


def _onnxruntime(purpose: str) -> Any:
    try:
        return importlib.import_module("onnxruntime")  # here, since it takes a quarter of a second
    except ModuleNotFoundError as error:
        raise MissingPackageError(purpose, error) from None
