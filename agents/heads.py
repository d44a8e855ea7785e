"""What the estimator may learn beside the network: the value of a frame, and the policy's deviation.

Neither is part of the tracker, and neither changes the network's gradient but through the advantages and sigma.
"""

import math

import torch
from torch import Tensor, nn

from agents.reinforce import ReinforceConfig
from tracking_env.errors import InputError


class Heads(nn.Module):
    """The learned baseline and the learned sigma, each there only where the options ask for it.

    Args:
        hidden: units of the LSTM.
        config: of the estimator.
    """

    def __init__(self, hidden: int, config: ReinforceConfig) -> None:
        super().__init__()
        self.value_layer: nn.Linear | None = None
        self.log_sigma: nn.Parameter | None = None
        if config.baseline == "value":
            self.value_layer = nn.Linear(hidden, 1)
            nn.init.zeros_(self.value_layer.weight)
            nn.init.zeros_(self.value_layer.bias)
        if config.learn_sigma:
            self.log_sigma = nn.Parameter(torch.tensor(math.log(config.sigma)))

    def take(self, weights: dict[str, Tensor]) -> None:
        """Take what a checkpoint holds of them.

        Raises:
            InputError: it is of other options.
        """
        try:
            self.load_state_dict(weights)
        except RuntimeError as error:
            raise InputError(f"the checkpoint's heads are of other options: {str(error).splitlines()[-1]}") from None

    def value(self, hidden: Tensor) -> Tensor | None:
        """A prediction of each frame's return from ``h_t``, ``(B, T, H)`` -> ``(B, T)``; None where it is not learned.

        No gradient goes on into the network: the baseline watches the policy and does not shape it.
        """
        return None if self.value_layer is None else self.value_layer(hidden.detach())[..., 0]

    def sigma(self, fixed: float) -> float | Tensor:
        """The learned sigma, a tensor ``()`` with gradient; where it is not learned, the given one."""
        return fixed if self.log_sigma is None else self.log_sigma.exp()
