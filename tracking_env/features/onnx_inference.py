"""Running networks that are stored as ONNX, on the CPU: by OpenCV, or about twice as fast by onnxruntime.

Both give the same numbers, but for rounding. OpenCV knows fewer operators.
"""

import importlib
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tracking_env.errors import InputError

# onnxruntime reports to its makers over the network, from 1.29 on, unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
ONNXRUNTIME = find_spec("onnxruntime") is not None
"""Whether it is installed: the extra `onnx`."""
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

    On two threads, or on one where OpenCV is held to it (``cv2.setNumThreads``, ``OPENCV_FOR_THREADS_NUM=1``): right
    where other programs keep the cores busy, for threads that wait for each other take twice as long there.

    Raises:
        InputError: onnxruntime is not installed, or cannot read it.
    """
    name, content = (file, str(file)) if isinstance(file, Path) else ("it", file)
    if not ONNXRUNTIME:
        raise InputError(f"running {name} needs onnxruntime; type: pip install 'tracking-env[onnx]'")
    ort: Any = importlib.import_module("onnxruntime")  # now: it takes a quarter of a second
    options = ort.SessionOptions()
    options.intra_op_num_threads = min(2, cv2.getNumThreads())  # a frame is too little work to share among more
    options.add_session_config_entry("session.force_spinning_stop", "1")  # between frames threads sleep
    options.log_severity_level = 3  # errors only
    try:
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no base but this
        line = str(error).splitlines()[0]
        raise InputError(f"onnxruntime cannot read {name}: {line}; fetch it again") from None
    given = [one.name for one in session.get_inputs()] if inputs == ONLY else inputs
    wanted = None if outputs == ONLY else outputs

    def run(*arrays: np.ndarray) -> list[np.ndarray]:
        try:
            return session.run(wanted, dict(zip(given, arrays, strict=True)))
        except Exception as error:
            raise ValueError(str(error)) from None

    return run


def fastest(path: Path, inputs: Sequence[str] = ONLY, outputs: Sequence[str] = ONLY) -> Network:
    """A network run by onnxruntime where it is installed, else by OpenCV.

    Raises:
        InputError: the file cannot be read.
    """
    return (by_onnxruntime if ONNXRUNTIME else by_opencv)(path, inputs, outputs)
