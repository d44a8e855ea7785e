"""Several processes that train one agent, as torchrun starts them, on the GPUs of one machine or of many.

Every process holds the whole agent and takes a share of each update's windows. Gradients are summed over the processes,
so all take the same step; and whatever an update is divided by, or drawn for it at random, is that of the whole update.
So the number of processes changes nothing but the order of sums. Process 0 alone evaluates, logs and writes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from tracking_env.datasets import sharding
from tracking_env.datasets.sharding import Shard
from tracking_env.errors import InputError, first_line

PATIENCE = timedelta(days=1)
"""How long the others wait while one extracts features or evaluates; torchrun ends them sooner where one fails."""


class LostError(InputError):
    """Another process is gone."""


class Group:
    """The processes of one run; for one alone all of this does nothing.

    Args:
        shard: which of them this one is.
        store: where they tell each other who failed first.
    """

    def __init__(self, shard: Shard, store: dist.Store | None = None) -> None:
        self.shard, self.store = shard, store

    @property
    def leads(self) -> bool:
        """Whether this is the process that evaluates, logs and writes."""
        return self.shard.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there are no others."""
        return self.shard.world_size == 1

    def rows(self, count: int) -> range:
        """Which of so many windows are this process's. One that goes on in the next update stays where it is."""
        return range(self.shard.rank, count, self.shard.world_size)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over the processes, in place."""
        if not self.alone:
            with self.connected():
                dist.all_reduce(tensor)
        return tensor

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        return flag if self.alone else bool(self.sum(torch.tensor(float(flag))))

    def wait(self) -> None:
        """Go on when all have come here."""
        self.any(False)

    def share(self, model: nn.Module) -> nn.Module:
        """The model with the weights and buffers of process 0, whose backward pass averages gradients over processes."""
        if self.alone:
            return model
        with self.connected():
            return DistributedDataParallel(model, gradient_as_bucket_view=True)

    def speaks(self) -> bool:
        """Whether this process is the first that has an error to tell; the others keep silent."""
        if self.store is None:
            return True
        try:
            return self.store.add("failed", 1) == 1
        except RuntimeError:  # without torchrun process 0 keeps the store: it has failed, and told
            return False

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Turn the failure of a communication into a `LostError`."""
        try:
            yield
        except RuntimeError as error:
            if self.alone:
                raise
            raise LostError(
                f"process {self.shard.rank} lost the others: one of them has ended ({first_line(error)})"
            ) from None


ALONE = Group(Shard())
"""Of a run in one process."""


@contextmanager
def joined() -> Iterator[Group]:
    """The group of this process: where ``RANK`` and ``WORLD_SIZE`` are set (by torchrun) all of that run, else itself.

    Raises:
        InputError: the variables make no sense, or the others cannot be reached.
    """
    shard = sharding.from_environment(os.environ)
    if shard.world_size == 1:
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    try:
        store, rank, size = next(rendezvous("env://"))
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"process {shard.rank} of {shard.world_size} cannot join: {first_line(error)}; start with torchrun"
        ) from None
    group = Group(shard, store)
    yield group
    group.wait()  # process 0 may still be writing its report
    dist.destroy_process_group()
