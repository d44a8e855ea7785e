"""Where torch computes."""

import os

import torch

from tracking_env.errors import InputError


def find(name: str = "auto") -> torch.device:
    """The device of a name.

    Args:
        name: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``, ... Of several processes that torchrun
            starts on one machine each takes the GPU of its number, unless the name says which.

    Raises:
        InputError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError):
        raise InputError(f"there is no device {name!r} for torch here; try --device cpu") from None
    return torch.device(name)
