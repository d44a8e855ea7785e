"""Training data of DRLT on the device: windows of T frames, and the order of their batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tracking_env import boxes as bx
from tracking_env.errors import InputError


@dataclass(frozen=True)
class WindowConfig:
    """Length, order and batches of windows. The preset `paper` has those of Algorithm 1."""

    steps: int = 10
    """T, frames per window"""
    batch: int = 1
    """windows per update; of different videos if the state is carried on"""
    order: Literal["sequential", "shuffled"] = "sequential"
    """consecutive windows of one video and then of the next video, or random order"""
    first_location: Literal["window", "video"] = "window"
    """where the true box is given: at the start of each window, where the LSTM's state is reset; or once per video,
    with the state carried from window to window without gradient"""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise InputError(f"steps is {self.steps} and batch is {self.batch}; give numbers >= 1")


class Batch(NamedTuple):
    """B windows; rows after the end of a video are zeros with mask 0."""

    features: Tensor
    """``(B, T, D)`` float32"""
    location: Tensor
    """``(B, T, 4)``: ``s_t``"""
    truth: Tensor
    """``(B, T, 4)``: ``g_t``, relative boxes"""
    mask: Tensor
    """``(B, T)``: 1 for a frame to learn from; 0 for padding, for a frame without a true box, and for all frames of a
    window whose first frame should have a true box and has none"""


class Windows:
    """Consecutive windows over several videos, with features and boxes on one device.

    Args:
        features: one array ``(T_v, D)`` per video.
        truths: the relative true boxes of the same frames, ``(T_v, 4)``; zeros where there is none.
        config: T, batch size and order.
        device: device of all tensors; features are stored as float16.
        names: names of the videos, for `where`; by default their numbers.
    """

    def __init__(
        self,
        features: Sequence[np.ndarray],
        truths: Sequence[np.ndarray],
        config: WindowConfig,
        device: torch.device | str = "cpu",
        names: Sequence[str] = (),
    ) -> None:
        self.config = config
        lengths = [len(truth) for truth in truths]
        self.features = torch.cat([torch.tensor(array, dtype=torch.float16) for array in features]).to(device)
        self.truth = torch.cat([torch.tensor(array, dtype=torch.float32) for array in truths]).to(device)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        starts = [(video, start) for video, length in enumerate(lengths) for start in range(0, length, config.steps)]
        self.starts = [(names[video] if names else f"video {video}", start) for video, start in starts]
        frame = torch.tensor([start for _, start in starts])[:, None] + torch.arange(config.steps)
        length = torch.tensor([lengths[video] for video, _ in starts])[:, None]
        first = torch.tensor([int(offsets[video]) for video, _ in starts])[:, None]
        # Places after a video's end repeat its last frame, so that every index is valid; `inside` masks them.
        self.inside = (frame < length).float().to(device)
        self.index = (first + frame.minimum(length - 1)).to(device)
        annotated = bx.annotated(self.truth)[self.index].float()
        # A window without a box in its first frame does not show its target, so no frame of it counts.
        self.mask = self.inside * annotated * (annotated[:, :1] if config.first_location == "window" else 1)
        self.at_start = (frame[:, 0] == 0).to(device)
        self.of_video: list[list[int]] = [[] for _ in lengths]
        for window, (video, _) in enumerate(starts):
            self.of_video[video].append(window)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, windows: list[int]) -> Batch:
        """The batch of these windows."""
        rows = torch.tensor(windows).to(self.index.device, non_blocking=True)  # without waiting for the device
        index, inside = self.index[rows], self.inside[rows, :, None]
        truth = self.truth[index]
        location = torch.zeros_like(truth)
        has_box = 1.0 if self.config.first_location == "window" else self.at_start[rows, None].float()
        # Clipped as in the observations of the environment; the loss uses the box as annotated.
        location[:, 0] = truth[:, 0].clip(0, 1) * has_box
        return Batch(self.features[index].float() * inside, location, truth * inside, self.mask[rows])

    def where(self, window: int) -> str:
        """A description of a window, such as ``Suv, window 4 (frames 31-40)``; frames count from 1 in the clip."""
        name, start = self.starts[window]
        end = start + int(self.inside[window].sum())
        return f"{name}, window {start // self.config.steps + 1} (frames {start + 1}-{end})"

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[list[int], int]]:
        """One pass over all windows, in batches.

        Yields:
            The numbers of the batch's windows, and how many of them continue a window of the batch before. Those come
            first, in the same order as there; the others start with a fresh state.
        """
        size = self.config.batch
        if self.config.first_location == "window":
            windows = list(range(len(self)))
            if self.config.order == "shuffled":
                windows = torch.randperm(len(windows), generator=generator).tolist()
            for first in range(0, len(windows), size):
                yield windows[first : first + size], 0
            return
        videos = list(range(len(self.of_video)))
        if self.config.order == "shuffled":
            videos = torch.randperm(len(videos), generator=generator).tolist()
        for first in range(0, len(videos), size):
            # Longest first, so that windows which continue stay in the same rows when a shorter video ends.
            group = sorted((self.of_video[video] for video in videos[first : first + size]), key=len, reverse=True)
            for step in range(len(group[0])):
                batch = [windows[step] for windows in group if len(windows) > step]
                yield batch, len(batch) if step else 0
