"""Ways to compute one update of DRLT, by name: which LSTM, which precision, which Adam, with or without CUDA graphs."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from agents.drlt import DRLT, DRLTConfig, State
from agents.windows import Batch
from benchmarks.device.recurrence import PlainDRLT
from train.config import RunConfig
from train.learner import Kind, Learner, Update

WARM_UP = 3
"""Updates before a graph is captured, so that libraries allocate what they keep."""


@dataclass(frozen=True)
class Variant:
    """One way to compute an update.

    Attributes:
        plain: `PlainDRLT` in place of cuDNN's LSTM.
        half: products with bfloat16 operands; cuDNN's LSTM then computes in float16, as autocast has it.
        graph: replay the update as a CUDA graph.
        tf32: let cuDNN round the operands of float32 products to 10 bits.
        fused: Adam in one pass over weights, gradients and moments; else one operation after the other.
        compiled: `torch.compile` the network.
    """

    plain: bool = False
    half: bool = False
    graph: bool = False
    tf32: bool = False
    fused: bool = True
    compiled: bool = False


REFERENCE = "train/reinforce.py"
VARIANTS = {
    REFERENCE: Variant(),
    "Adam not fused": Variant(fused=False),
    "tf32": Variant(tf32=True),
    "autocast": Variant(half=True),
    "own recurrence": Variant(plain=True),
    "own recurrence, bf16": Variant(plain=True, half=True),
    "graph": Variant(graph=True),
    "graph, autocast": Variant(graph=True, half=True),
    "graph, own recurrence": Variant(graph=True, plain=True),
    "graph, own recurrence, bf16": Variant(graph=True, plain=True, half=True),
    "compiled, own recurrence": Variant(plain=True, compiled=True),  # last: compiling takes longest
}
"""In the order in which they are measured."""


class GraphLearner(Learner):
    """Captures the update once per kind of batch, and replays it on copies of the inputs.

    Replaying launches all kernels at once, so the device does not wait for Python between them, nor Python for the
    device: `check` tells afterwards whether all updates were finite. On a CPU the update is computed anew from the same
    copies, so that tests run all but the capture.
    """

    def __init__(self, model: DRLT, config: RunConfig) -> None:
        super().__init__(model, config)
        self.captured: dict[tuple[Any, ...], tuple[Batch, Tensor, Callable[[], Update]]] = {}
        self.finite = torch.ones((), dtype=torch.bool, device=self.device)
        # A graph repeats the numbers that it was captured with, so the rate is a tensor that `set_rate` overwrites.
        self.rate = torch.tensor(config.schedule.lr, device=self.device)
        on_gpu = self.device.type == "cuda"
        self.optimizer = torch.optim.Adam(model.parameters(), lr=self.rate, fused=True, capturable=on_gpu)

    def set_rate(self, lr: float) -> None:
        """Set the learning rate of the next updates."""
        self.rate.fill_(lr)

    def check(self) -> None:
        """Raise an `ArithmeticError` if a loss or gradient of an update so far was not finite."""
        if not self.finite:
            raise ArithmeticError("a loss or gradient is not finite; the weights are spoiled")

    def update(
        self, batch: Batch, noise: Tensor, size: int, state: State | None, kind: Kind, reward: str, sigma: float
    ) -> Update:
        """See `Learner.update`; the state must be None, and the results are valid until the next update."""
        assert state is None, "a graph starts each window from zeros"
        key = kind, reward, sigma, size, batch.truth.shape
        if key not in self.captured:
            inputs, samples = Batch(*(part.clone() for part in batch)), noise.clone()
            self.captured[key] = inputs, samples, self._capture((inputs, samples, size, None, kind, reward, sigma))
        inputs, samples, replay = self.captured[key]
        for old, new in zip((*inputs, samples), (*batch, noise), strict=True):
            old.copy_(new)
        update = replay()
        return update._replace(norms=[norm.clone() for norm in update.norms])

    def _capture(self, arguments: tuple[Any, ...]) -> Callable[[], Update]:
        def compute() -> Update:
            return Learner.update(self, *arguments)

        saved = self._snapshot()
        with _side_stream(self.device):
            for _ in range(WARM_UP):
                compute()
        self._restore(saved)  # the warm-up must not count as training, nor as failed
        if self.device.type != "cuda":
            return compute
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            update = compute()

        def replay() -> Update:
            graph.replay()
            return update

        return replay

    def _snapshot(self) -> list[tuple[Tensor, Tensor]]:
        """Each weight, moment and count of steps with a copy; those that do not exist yet are not among them."""
        tensors = [*self.model.parameters(), *self._moments(), self.finite]
        return [(tensor, tensor.detach().clone()) for tensor in tensors]

    def _moments(self) -> list[Tensor]:
        return [value for state in self.optimizer.state.values() for value in state.values()]

    def _check_finite(self, total: Tensor, by_window: Tensor, size: int) -> None:
        self.finite.logical_and_(torch.isfinite(total))

    @torch.no_grad()
    def _restore(self, saved: list[tuple[Tensor, Tensor]]) -> None:
        """Write the copies back in place; zero the moments that the warm-up created."""
        for moment in self._moments():
            moment.zero_()
        for tensor, copy in saved:
            tensor.copy_(copy)


@contextmanager
def _side_stream(device: torch.device) -> Iterator[None]:
    """Compute on another stream than the usual one, as the warm-up of a capture must."""
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream().wait_stream(stream)


def make_learner(variant: Variant, weights: dict[str, Tensor], config: RunConfig, device: torch.device) -> Learner:
    """A learner of this variant with copies of these weights (``DRLT.state_dict()``); sets cuDNN's precision."""
    torch.backends.cudnn.allow_tf32 = variant.tf32
    features = weights["feature_mean"].numel()
    with torch.device("meta"):  # initial values would take longer than everything that is measured
        model = _make_model(variant, features, config.network)
    model.to_empty(device=device).load_state_dict(weights)
    if variant.compiled:
        model.compile()
    autocast = variant.half and not variant.plain
    config = replace(config, precision="bf16" if autocast else "fp32")
    if variant.graph:
        return GraphLearner(model, config)
    learner = Learner(model, config)
    if not variant.fused:
        learner.optimizer = torch.optim.Adam(model.parameters(), lr=config.schedule.lr, foreach=True)
    return learner


def _make_model(variant: Variant, features: int, network: DRLTConfig) -> DRLT:
    if not variant.plain:
        return DRLT(features, network)
    return PlainDRLT(features, network, torch.bfloat16 if variant.half else torch.float32)


def free_memory() -> None:
    """Return the memory of models that are no longer used to the device, and count its peak anew."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
