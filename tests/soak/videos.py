"""The reader of video files."""

import tempfile
from pathlib import Path

import cv2
import numpy as np

from tests.soak.parser import Parser
from tracking_env.apps.video_source import open_source
from tracking_env.datasets.video import VideoFrames

CODECS = {".avi": "MJPG", ".mp4": "mp4v", ".webm": "VP80"}


def encode_video(suffix: str) -> bytes:
    """The content of a video file of six small frames."""
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODECS[suffix]), 25, (32, 32))
        for _ in range(6):
            writer.write(draw.integers(0, 255, (32, 32, 3), dtype=np.uint8))
        writer.release()
        return path.read_bytes()


def video_parser(suffix: str) -> Parser:
    def read(folder: Path) -> None:
        path = folder / f"a{suffix}"
        played = list(open_source(str(path)).frames)
        frames = VideoFrames(path)
        assert len(played) == len(frames) and np.array_equal(played[0], frames[0])

    return Parser(f"a{suffix}", (encode_video(suffix),), read)


PARSERS = {f"video, {suffix[1:]}": video_parser(suffix) for suffix in CODECS}
