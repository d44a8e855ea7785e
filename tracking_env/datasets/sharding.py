"""Sequences divided among processes or machines, as torchrun starts them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError


class Shard(NamedTuple):
    """One process of several."""

    rank: int = 0
    """from 0 to ``world_size`` - 1"""
    world_size: int = 1
    """number of processes, on all machines together"""


def from_environment(environment: Mapping[str, str]) -> Shard:
    """What ``RANK`` and ``WORLD_SIZE`` say, torchrun's variables; without them the only process.

    Raises:
        InputError: one of the two is missing, is no whole number or is out of range.
    """
    found = {name: environment[name] for name in ("RANK", "WORLD_SIZE") if name in environment}
    if not found:
        return Shard()
    try:
        shard = Shard(int(found["RANK"]), int(found["WORLD_SIZE"]))
    except (KeyError, ValueError):
        shard = Shard(0, 0)
    if not 0 <= shard.rank < shard.world_size:
        got = " and ".join(f"{name}={value}" for name, value in found.items())
        raise InputError(
            f"the environment has {got}; set both with 0 <= RANK < WORLD_SIZE, as torchrun does, or neither"
        )
    return shard


def mine(sequences: Iterable[Sequence], shard: Shard) -> list[Sequence]:
    """The sequences of one process, in the given order; the processes' shares are disjoint and together all.

    The longest sequence that is left goes to the process with the fewest frames so far, so that all end at about the
    same time. Every process must be given the same sequences.
    """
    sequences = list(sequences)
    frames = [0] * shard.world_size
    chosen = set()
    for index in sorted(range(len(sequences)), key=lambda index: -len(sequences[index])):
        rank = frames.index(min(frames))
        frames[rank] += len(sequences[index])
        if rank == shard.rank:
            chosen.add(index)
    return [sequences[index] for index in sorted(chosen)]
