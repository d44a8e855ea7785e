"""Running networks that are stored as ONNX, on the CPU: by OpenCV, or about twice as fast by onnxruntime.

Both give the same numbers, but for rounding.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tracking_env.errors import InputError

try:
    import onnxruntime
except ImportError:  # the extra `onnx` is not installed
    onnxruntime = None

Network = Callable[..., list[np.ndarray]]
"""The inputs, float32, in the order of the names that it was opened with -> the outputs likewise, the caller's to keep.
It raises ValueError where the network does not take such inputs, or has no such outputs."""
ONLY = ("",)
"""In place of names: a network's only input, or output."""


def opencv(path: Path, inputs: Sequence[str] = ONLY, outputs: Sequence[str] = ONLY) -> Network:
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


def fastest(path: Path, inputs: Sequence[str] = ONLY, outputs: Sequence[str] = ONLY) -> Network:
    """A network run by onnxruntime, with inputs of the size that the file states; by OpenCV where that is missing.

    Raises:
        InputError: the file cannot be read.
    """
    if onnxruntime is None:
        return opencv(path, inputs, outputs)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a crop is too little work to share: a second thread would mostly wait, spinning
    options.log_severity_level = 3  # errors only
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no base but this
        raise InputError(f"onnxruntime cannot read {path}: {error}; fetch it again") from None
    names = [one.name for one in session.get_inputs()] if inputs == ONLY else inputs
    wanted = None if outputs == ONLY else outputs

    def run(*arrays: np.ndarray) -> list[np.ndarray]:
        try:
            return session.run(wanted, dict(zip(names, arrays, strict=True)))
        except Exception as error:
            raise ValueError(str(error)) from None

    return run
