"""Running networks that are stored as ONNX, on the CPU: by onnxruntime, or by OpenCV.

Both give the same numbers but for rounding. onnxruntime is about twice as fast; OpenCV takes inputs of other sizes than
the file states. Which one runs a network is said here, in code, and never depends on what is installed.
"""

import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tracking_env.errors import InputError, MissingPackageError, first_line

# onnxruntime reports to its makers over the network, from 1.29 on, unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
Network = Callable[..., list[np.ndarray]]
"""The inputs, float32, in the order of the names that it was opened with -> the outputs likewise, the caller's to keep.
It raises ValueError where the network does not take such inputs, or has no such outputs."""
ONLY = ("",)
"""In place of names: a network's only input, or output."""


def by_opencv(path: Path, inputs: Sequence[str] = ONLY, outputs: Sequence[str] = ONLY) -> Network:
    """A network run by OpenCV, with inputs of any size; it plans anew whenever the size changes.

    Raises:
        InputError: OpenCV cannot read the file.
    """
    try:
        network: Any = cv2.dnn.readNetFromONNX(str(path))
    except cv2.error as error:
        raise InputError(f"OpenCV cannot read {path}: {error.err}; fetch it again") from None

    def run(*arrays: np.ndarray) -> list[np.ndarray]:
        try:
            for name, one in zip(inputs, arrays, strict=True):
                network.setInput(one, name)
            found = [network.forward()] if outputs == ONLY else network.forward(outputs)
        except cv2.error as error:
            raise ValueError(error.err) from None
        return [one.copy() for one in found]  # it would write the next ones over them

    return run


def by_onnxruntime(file: Path | bytes, inputs: Sequence[str] = ONLY, outputs: Sequence[str] = ONLY) -> Network:
    """A network run by onnxruntime, with inputs of the sizes that the file, or its content, states.

    Raises:
        InputError: onnxruntime is not installed, or cannot read it.
    """
    session = open_session(file)
    input_names = [entry.name for entry in session.get_inputs()] if inputs == ONLY else inputs
    output_names = None if outputs == ONLY else outputs

    def run(*arrays: np.ndarray) -> list[np.ndarray]:
        try:
            return session.run(output_names, dict(zip(input_names, arrays, strict=True)))
        except Exception as error:  # onnxruntime's exceptions share no base but this
            raise ValueError(str(error)) from None

    return run


def open_session(file: Path | bytes) -> Any:
    """An onnxruntime session on the CPU for a network, given as a file or as its content.

    It runs on two threads, or on one where OpenCV is held to one (``cv2.setNumThreads``,
    ``OPENCV_FOR_THREADS_NUM=1``): where other programs keep the cores busy, threads that wait for each other take twice
    as long.

    Raises:
        InputError: onnxruntime is not installed, or cannot read it.
    """
    name, content = (file, str(file)) if isinstance(file, Path) else ("it", file)
    try:
        ort: Any = importlib.import_module("onnxruntime")  # here, since it takes a quarter of a second
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"running {name}", error) from None
    options = ort.SessionOptions()
    options.intra_op_num_threads = min(2, cv2.getNumThreads())  # a frame is too little work to share among more
    options.add_session_config_entry("session.force_spinning_stop", "1")  # between frames threads sleep
    options.log_severity_level = 3  # errors only
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base but this
        raise InputError(f"onnxruntime cannot read {name}: {first_line(error)}; fetch it again") from None
