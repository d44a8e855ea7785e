"""Keypoints: learned filters on a feature map, and where in the image each of them responds."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tracking_env.errors import InputError, option

COARSE = 5
"""Rows and columns of the averaged map that goes on beside the keypoints."""
NUMBERS = 5
"""Numbers of a keypoint: place and spread, in x and y, and strength."""


class Keypoints(nn.Module):
    """Spatial softmax (Levine et al., 2016, arXiv:1504.00702, section 4.2) on a map, and a coarse copy of the map.

    A filter weighs the channels, alike in all cells. The softmax of its responses over the cells has a mean, the
    keypoint, and a standard deviation in each direction. So a filter that knows a target in one place of the image
    knows it in all others, which a fully connected layer must learn for each place.

    Args:
        features: length D of the flattened map, in the order channel, row, column.
        side: rows and columns of the map; a multiple of `COARSE`.
        count: K, the number of filters.

    Raises:
        InputError: D is not the length of such a map.
    """

    coarse_mean: Tensor
    coarse_scale: Tensor

    def __init__(self, features: int, side: int, count: int) -> None:
        super().__init__()
        if features % side**2:
            raise InputError(
                f"{features} features are no map of {side} x {side} cells; give features of a pretrained network, such "
                f"as {option('features', f'yolo-nano-voc:{side}x{side}')}, or another {option('map_side')}"
            )
        self.side, self.channels = side, features // side**2
        self.filters = nn.Conv2d(self.channels, count, 1)
        # Twice the usual size, so that the first softmax already prefers some places.
        nn.init.normal_(self.filters.weight, std=2 / math.sqrt(self.channels))
        coarse = self.channels * COARSE**2
        self.register_buffer("coarse_mean", torch.zeros(coarse))
        self.register_buffer("coarse_scale", torch.ones(coarse))
        self.size = NUMBERS * count + coarse

    def forward(self, standard: Tensor) -> Tensor:
        """Standardised maps ``(..., D)`` -> keypoints and coarse map ``(..., size)``; places lie in [-1.5, 1.5]."""
        maps = self._maps(standard)
        responses = self.filters(maps.to(self.filters.weight.dtype)).float()
        weights = responses.flatten(2).softmax(dim=-1).unflatten(2, (self.side, self.side))
        places = (torch.arange(self.side, device=maps.device) + 0.5) * (2 / self.side) - 1
        # The constants bring all numbers to about the size of the standardised map.
        numbers = [(weights * responses).sum(dim=(2, 3)) / 5]
        for along in (weights.sum(dim=2), weights.sum(dim=3)):  # weight of each column, of each row
            mean = along @ places
            variance = (along * (places - mean[..., None]) ** 2).sum(dim=-1)
            # The constant keeps the root's gradient finite where one cell has all the weight.
            numbers += [mean, 2 * (variance + 1e-6).sqrt()]
        coarse = (self.coarse(standard) - self.coarse_mean) * self.coarse_scale
        keypoints = 1.5 * torch.cat(numbers, dim=-1)
        return torch.cat([keypoints.view(*standard.shape[:-1], -1), coarse], dim=-1)

    def coarse(self, standard: Tensor) -> Tensor:
        """Standardised maps ``(..., D)``, averaged to `COARSE` rows and columns: ``(..., channels * COARSE**2)``."""
        averaged = F.avg_pool2d(self._maps(standard), self.side // COARSE)
        return averaged.view(*standard.shape[:-1], -1)

    def _maps(self, standard: Tensor) -> Tensor:
        """``(..., D)`` -> ``(N, channels, side, side)``."""
        return standard.reshape(-1, self.channels, self.side, self.side)
