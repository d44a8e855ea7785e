"""The device on which torch computes."""

import os

import torch

from tracking_env.errors import InputError, option


def find(name: str = "auto") -> torch.device:
    """The device with a name.

    Args:
        name: ``auto`` (a GPU if there is one, else the CPU), ``cpu``, ``cuda``, ``cuda:1``, ... If torchrun starts
            several processes on a machine, ``auto`` and ``cuda`` give each the GPU of its local rank.

    Raises:
        InputError: the device does not exist.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    try:
        # torch takes any name; only an allocation tells whether the device is there and works.
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError):
        raise InputError(f"there is no device {name!r} for torch here; try {option('device', 'cpu')}") from None
    return torch.device(name)
