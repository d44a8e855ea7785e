"""Training clips on the device: windows of T frames, and the order in which they are visited."""

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
    """How Algorithm 1 walks through the videos; the paper's choices are the defaults."""

    steps: int = 10
    """T, frames per window"""
    batch: int = 1
    """windows (of different videos where state is carried) per update"""
    order: Literal["sequential", "shuffled"] = "sequential"
    """consecutive windows of one video and then the next video, or any order"""
    first_location: Literal["window", "video"] = "window"
    """where the true box is given: at each window, with the LSTM's state reset; or once per video, with state carried
    from window to window without gradient"""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise InputError(f"steps is {self.steps} and batch is {self.batch}; give numbers >= 1")


class Batch(NamedTuple):
    """B windows; rows past a video's end are zeros with mask 0."""

    features: Tensor
    """``(B, T, D)`` float32"""
    location: Tensor
    """``(B, T, 4)``: ``s_t``"""
    truth: Tensor
    """``(B, T, 4)``: ``g_t``, relative boxes"""
    mask: Tensor
    """``(B, T)``: 1 for a frame to learn from; 0 for padding, a frame without a true box, and all frames of a window
    that should be given its first true box and has none"""


class Windows:
    """Consecutive windows over several videos, features and boxes held on one device.

    Args:
        features: one array ``(T_v, D)`` per video.
        truths: the relative boxes of the same frames, ``(T_v, 4)``; zeros where there is none.
        config: T, batch size and order.
        device: where everything is kept, features as float16.
        names: of the videos, for `where`; by default their numbers.
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
        self.features = torch.cat([torch.tensor(one, dtype=torch.float16) for one in features]).to(device)
        self.truth = torch.cat([torch.tensor(one, dtype=torch.float32) for one in truths]).to(device)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        starts = [(video, start) for video, length in enumerate(lengths) for start in range(0, length, config.steps)]
        self.starts = [(names[video] if names else f"video {video}", start) for video, start in starts]
        frame = torch.tensor([start for _, start in starts])[:, None] + torch.arange(config.steps)
        length = torch.tensor([lengths[video] for video, _ in starts])[:, None]
        first = torch.tensor([int(offsets[video]) for video, _ in starts])[:, None]
        self.inside = (frame < length).float().to(device)
        self.index = (first + frame.minimum(length - 1)).to(device)
        annotated = bx.annotated(self.truth)[self.index].float()
        self.mask = self.inside * annotated * (annotated[:, :1] if config.first_location == "window" else 1)
        self.at_start = (frame[:, 0] == 0).to(device)
        self.of_video = [[w for w, (video, _) in enumerate(starts) if video == v] for v in range(len(lengths))]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, windows: list[int]) -> Batch:
        """The batch of these windows."""
        rows = torch.tensor(windows).to(self.index.device, non_blocking=True)  # without waiting for earlier work there
        index, inside = self.index[rows], self.inside[rows, :, None]
        truth = self.truth[index]
        location = torch.zeros_like(truth)
        given = 1.0 if self.config.first_location == "window" else self.at_start[rows, None].float()
        location[:, 0] = truth[:, 0].clip(0, 1) * given
        return Batch(self.features[index].float() * inside, location, truth * inside, self.mask[rows])

    def where(self, window: int) -> str:
        """What a window is, in words: ``Suv, window 4 (frames 31-40)``, counted from 1 from the clip's first frame."""
        name, start = self.starts[window]
        end = start + int(self.inside[window].sum())
        return f"{name}, window {start // self.config.steps + 1} (frames {start + 1}-{end})"

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[list[int], int]]:
        """One pass over all windows: pairs of window numbers and how many of them go on from the batch before.

        The ones that go on are the batch's first, in the order they had there; the state of the others is fresh.
        """
        size = self.config.batch
        if self.config.first_location == "window":
            windows = list(range(len(self)))
            if self.config.order == "shuffled":
                windows = torch.randperm(len(windows), generator=generator).tolist()
            for at in range(0, len(windows), size):
                yield windows[at : at + size], 0
            return
        videos = list(range(len(self.of_video)))
        if self.config.order == "shuffled":
            videos = torch.randperm(len(videos), generator=generator).tolist()
        for at in range(0, len(videos), size):
            group = sorted((self.of_video[v] for v in videos[at : at + size]), key=len, reverse=True)
            for step in range(len(group[0])):
                batch = [windows[step] for windows in group if len(windows) > step]
                yield batch, len(batch) if step else 0
