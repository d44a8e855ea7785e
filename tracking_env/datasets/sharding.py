"""Dividing sequences among processes or machines, as torchrun starts them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError


class Shard(NamedTuple):
    """One of several processes; by default the only one."""

    rank: int = 0
    """its number, from 0 to ``world_size`` - 1"""
    world_size: int = 1
    """number of processes on all machines together"""


def from_environment(environment: Mapping[str, str]) -> Shard:
    """The shard that torchrun's variables ``RANK`` and ``WORLD_SIZE`` describe; without them, the only process.

    Raises:
        InputError: one of the two is missing, is not a whole number, or is out of range.
    """
    variables = {name: environment[name] for name in ("RANK", "WORLD_SIZE") if name in environment}
    if not variables:
        return Shard()
    try:
        shard = Shard(int(variables["RANK"]), int(variables["WORLD_SIZE"]))
    except (KeyError, ValueError):
        shard = Shard(0, 0)  # fails the check below
    if not 0 <= shard.rank < shard.world_size:
        got = " and ".join(f"{name}={value}" for name, value in variables.items())
        raise InputError(
            f"the environment has {got}; set both with 0 <= RANK < WORLD_SIZE, as torchrun does, or neither"
        )
    return shard


def select_share(sequences: Iterable[Sequence], shard: Shard) -> list[Sequence]:
    """The sequences of one process, in the given order. The shares of all processes are disjoint and cover everything.

    Every process must pass the same sequences.
    """
    sequences = list(sequences)
    frames = [0] * shard.world_size
    selected = set()
    # Longest first, each to the process with the fewest frames so far: so all finish at about the same time.
    for index in sorted(range(len(sequences)), key=lambda index: -len(sequences[index])):
        rank = frames.index(min(frames))
        frames[rank] += len(sequences[index])
        if rank == shard.rank:
            selected.add(index)
    return [sequences[index] for index in sorted(selected)]
