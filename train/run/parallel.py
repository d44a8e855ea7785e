"""Several processes that train one agent, started by torchrun, on the GPUs of one machine or of many.

Every process holds the whole agent and takes a share of each update's windows. Gradients are summed over the processes,
so all take the same step. Random numbers are drawn for the whole update in every process, and sums are divided by its
size, so the number of processes changes only the order of sums. Process 0 alone evaluates, logs and writes.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

# Imported while no process group exists: its functions keep the default group of that moment, and so its threads.
import torch.distributed.nn.functional
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from tracking_env.datasets import sharding
from tracking_env.datasets.sharding import Shard
from tracking_env.errors import InputError, first_line

PATIENCE = timedelta(days=1)
"""How long processes wait while one extracts features or evaluates; torchrun ends them sooner if one fails."""


class LostError(InputError):
    """Another process has ended."""


class Group:
    """The processes of one run; in a run of one process every method does nothing.

    Args:
        shard: rank of this process and number of processes.
        store: where processes tell each other which of them failed first.
    """

    def __init__(self, shard: Shard, store: dist.Store | None = None) -> None:
        self.shard, self.store = shard, store

    @property
    def leads(self) -> bool:
        """Whether this is the process that evaluates, logs and writes."""
        return self.shard.rank == 0

    @property
    def alone(self) -> bool:
        """Whether this is the only process."""
        return self.shard.world_size == 1

    def rows(self, count: int) -> range:
        """Which of ``count`` windows this process takes.

        A window that continues in the next update stays with the process, because the LSTM's state is there.
        """
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
        """Return when all processes have called this."""
        self.any(False)

    def share(self, model: nn.Module) -> nn.Module:
        """The model, with weights and buffers of process 0; its backward pass averages gradients over the processes."""
        if self.alone:
            return model
        with self.connected():
            return DistributedDataParallel(model, gradient_as_bucket_view=True)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Turn a failed communication into a `LostError`."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if self.alone:
                raise
            raise LostError(
                f"process {self.shard.rank} lost the others: one of them has ended ({first_line(error)})"
            ) from None

    def reports(self) -> bool:
        """Whether this process is the first to fail, and so prints the error; the others stay silent."""
        if self.store is None:
            return True
        try:
            return self.store.add("failed", 1) == 1
        except RuntimeError:  # without torchrun the store lives in process 0, which has failed and printed its error
            return False


ALONE = Group(Shard())
"""The group of a run in one process."""


@contextmanager
def joined() -> Iterator[Group]:
    """The group of this process: all processes of the run if torchrun set ``RANK`` and ``WORLD_SIZE``, else `ALONE`.

    Raises:
        InputError: the variables are invalid, or the other processes cannot be reached.
    """
    shard = sharding.from_environment(os.environ)
    if shard.world_size == 1:
        yield ALONE
        return
    try:
        store, rank, size = next(rendezvous("env://"))
        dist.init_process_group(_backend(), store=store, rank=rank, world_size=size, timeout=PATIENCE)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"process {shard.rank} of {shard.world_size} cannot join: {first_line(error)}; start with torchrun"
        ) from None
    group = Group(shard, store)
    yield group
    group.wait()  # process 0 may still be writing its report


def leave(failed: bool) -> None:
    """Stop communicating with the other processes; call it last, after errors are reported.

    A thread of gloo needs Python's lock to release a tensor. If Python shuts down meanwhile, the process aborts.

    Args:
        failed: this process has failed. NCCL would then wait for the others, so its group is left as it is.
    """
    if dist.is_initialized() and not (failed and _backend() != "gloo"):
        gc.collect()  # a model of `Group.share` is part of a reference cycle, and would keep the threads running
        dist.destroy_process_group()


def _backend() -> str:
    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
