"""OTBTrackPixels-v0: the frame itself is observed, for policies that bring their own network."""

from pathlib import Path
from typing import Any

from tracking_env.datasets.sequence import Split
from tracking_env.envs.base import Sequences, refuse_unknown
from tracking_env.envs.otb_track import OTBTrackEnv


class OTBTrackPixelsEnv(OTBTrackEnv):
    """`OTBTrackEnv` on pictures instead of features.

    ## Description
    As in ``OTBTrack-v0``: one episode is a clip of a video with one target; at every step the agent observes the frame
    and answers with the target's box in it. Actions do not change later observations. Nothing is extracted or stored:
    frames are decoded when they are observed.

    ## Action Space
    ``Box(0, 1, (4,), float32)``: the relative box ``cx, cy, w, h``, as in ``OTBTrack-v0``.

    ## Observation Space
    ``Dict`` of:

    * ``features``: ``(rows, columns, 3)`` uint8 RGB, the frame resized to this size whatever its aspect;
    * ``location``: ``(4,)`` float32 in [0, 1]: the true relative box with the first frame, zeros after it.

    ## Rewards
    ``l1`` (Eq. 2) or ``iou`` (Eq. 3), as in ``OTBTrack-v0``.

    ## Starting State
    A clip drawn as in ``OTBTrack-v0``, with the same ``options``.

    ## Episode End
    ``truncated`` after the action for the clip's last frame; ``terminated`` never.

    ## Arguments
    * ``rows``, ``columns``: size of the picture. 84 x 84 is what networks for Atari games expect.
    * ``root``, ``sequences``, ``split``, ``reward``, ``clip_length``, ``render_mode``: as in ``OTBTrack-v0``.

    ## Version History
    * v0: first version.
    """

    id = "OTBTrackPixels-v0"

    def __init__(
        self,
        root: str | Path | None = None,
        sequences: Sequences = None,
        split: Split = "train",
        rows: int = 84,
        columns: int = 84,
        reward: str = "l1",
        clip_length: int | None = 10,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown(unknown, OTBTrackPixelsEnv)
        features = f"pixels:{rows}x{columns}"
        super().__init__(root, sequences, split, features, None, None, reward, clip_length, render_mode)
