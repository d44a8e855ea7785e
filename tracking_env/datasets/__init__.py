"""Sequences of frames and ground-truth boxes: OTB, other benchmarks, video files and drawn sequences.

::

    from tracking_env.datasets import load

    for sequence in load("OTB", "drlt30"):
        print(sequence.name, len(sequence), sequence.boxes[0])
"""

from tracking_env.datasets.images import ImageFiles
from tracking_env.datasets.loading import load
from tracking_env.datasets.sequence import ArrayFrames, Frames, Sequence
from tracking_env.datasets.video import VideoFrames

__all__ = ["ArrayFrames", "Frames", "ImageFiles", "Sequence", "VideoFrames", "load"]
