"""DRLT with a recurrence of its own in place of cuDNN's: plain products, and backpropagation that reads least memory.

With one window an update is products of matrices with single vectors, so its time is that of reading the matrices. The
gradient of the recurrent matrix is one product over all steps, written once; autograd would write and add it T times.
Products may have bfloat16 operands, which halves what is read. Sums, gates, state and weights stay in float32.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from agents.drlt import DRLT, DRLTConfig, State


class PlainDRLT(DRLT):
    """The same network and weights as `DRLT`, computed step by step from a state of zeros.

    Args:
        features: size D of the feature vector.
        config: layer sizes.
        dtype: of the operands of products with weights.
    """

    def __init__(self, features: int, config: DRLTConfig, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(features, config)
        self.dtype = dtype

    def hidden(self, features: Tensor, location: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """See `DRLT.hidden`; the state must be None."""
        assert state is None, "PlainDRLT starts each window from zeros"
        standard = (features - self.feature_mean) * self.feature_scale
        observed = torch.cat([standard, location], dim=-1)
        hidden = torch.relu(Product.apply(observed, self.fc.weight, self.dtype) + self.fc.bias)
        gates = Product.apply(hidden, self.lstm.weight_ih_l0, self.dtype)
        gates = gates + (self.lstm.bias_ih_l0 + self.lstm.bias_hh_l0)
        h, cell = Recurrence.apply(gates, self.lstm.weight_hh_l0, self.dtype)
        return h, (h[:, -1][None], cell[None])


class Product(torch.autograd.Function):
    """``x @ weight.T`` with operands of a type; the gradient of the weight is computed in float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
        """``(..., K)`` and ``(N, K)`` -> ``(..., N)`` float32."""
        rounded = weight.to(dtype)
        ctx.save_for_backward(x, rounded)
        return (x.to(dtype) @ rounded.T).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None]:
        """Gradients of x, if it needs one, and of the weight."""
        x, rounded = ctx.saved_tensors
        of_x = (gradient.to(rounded.dtype) @ rounded).to(x.dtype) if ctx.needs_input_grad[0] else None
        return of_x, gradient.flatten(0, -2).T @ x.flatten(0, -2), None


class Recurrence(torch.autograd.Function):
    """The steps of an LSTM, from what the inputs add to the gates."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """``(B, T, 4 H)`` and ``(4 H, H)`` -> all of ``h``, ``(B, T, H)``, and the last cell, ``(B, H)``."""
        rounded = weight.to(dtype)
        batch, steps, width = inputs.shape
        size = width // 4
        cell = inputs.new_zeros(batch, size)
        hs, cells, gates = [], [cell], []
        for step in range(steps):
            total = inputs[:, step]
            if step:  # the first step has no state to multiply
                total = total + _times(hs[-1].to(dtype), rounded.T).to(inputs.dtype)
            # torch's order of the gates: input, forget, cell, output.
            i, f = torch.sigmoid(total[:, : 2 * size]).chunk(2, dim=1)
            g, o = torch.tanh(total[:, 2 * size : 3 * size]), torch.sigmoid(total[:, 3 * size :])
            cell = f * cell + i * g
            hs.append(o * torch.tanh(cell))
            cells.append(cell)
            gates.append(torch.stack([i, f, g, o]))
        h = torch.stack(hs, dim=1)
        ctx.save_for_backward(rounded, h, torch.stack(cells), torch.stack(gates))
        ctx.mark_non_differentiable(cell)
        return h, cell

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_h: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None]:
        """Gradients of inputs and weight."""
        rounded, h, cells, gates = ctx.saved_tensors
        steps = h.shape[1]
        of_cell = torch.zeros_like(cells[0])
        of_state = torch.zeros_like(cells[0])
        of_gates: list[Tensor] = [of_cell] * steps
        for step in reversed(range(steps)):
            i, f, g, o = gates[step]
            squashed = torch.tanh(cells[step + 1])
            from_h = of_h[:, step] + of_state
            of_cell = of_cell + from_h * o * (1 - squashed * squashed)
            of_i, of_f = of_cell * g * i * (1 - i), of_cell * cells[step] * f * (1 - f)
            of_g, of_o = of_cell * i * (1 - g * g), from_h * squashed * o * (1 - o)
            of_gates[step] = torch.cat([of_i, of_f, of_g, of_o], dim=1)
            of_cell = of_cell * f
            if step:
                of_state = _times(of_gates[step].to(rounded.dtype), rounded).to(h.dtype)
        of_inputs = torch.stack(of_gates, dim=1)
        # Each step's gates with the h before it, summed over steps and windows in one product.
        of_weight = of_inputs[:, 1:].flatten(0, 1).T @ h[:, :-1].flatten(0, 1)
        return of_inputs, of_weight, None


def _times(rows: Tensor, matrix: Tensor) -> Tensor:
    """``rows @ matrix``; for a single row by the product for vectors, which reads a matrix at full speed."""
    return torch.mv(matrix.T, rows[0])[None] if len(rows) == 1 else rows @ matrix
