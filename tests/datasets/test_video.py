import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracking_env.datasets.video import VideoFrames
from tracking_env.errors import InputError
from tracking_env.rendering import write_video

LENGTH = 24


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A video whose frame k is grey of level 10 k, up to errors of the codec."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    write_video(path, [np.full((48, 64, 3), 10 * at, np.uint8) for at in range(LENGTH)])
    return path


def number(frame):
    return round(frame.mean() / 10)


def test_frames_are_read_in_order(path):
    frames = VideoFrames(path)
    assert (len(frames), frames.size) == (LENGTH, (64, 48))
    assert [number(frames[at]) for at in range(LENGTH)] == list(range(LENGTH))
    assert frames[-1].shape == (48, 64, 3) and frames[0].dtype == np.uint8
    with pytest.raises(IndexError):
        frames[LENGTH]


@settings(max_examples=30)
@given(order=st.lists(st.integers(-LENGTH, LENGTH - 1), max_size=12))
def test_random_access_gives_the_same_frames(path, order):
    frames, straight = VideoFrames(path), VideoFrames(path)
    whole = [straight[at] for at in range(LENGTH)]
    for at in order:
        assert np.array_equal(frames[at], whole[at])


def test_frames_are_rgb(tmp_path):
    write_video(tmp_path / "red.mp4", [np.full((48, 64, 3), (220, 30, 30), np.uint8)] * 3)
    red, green, blue = VideoFrames(tmp_path / "red.mp4")[1].mean(axis=(0, 1))
    assert red > 180 > 80 > green and blue < 80


def test_changing_a_returned_frame_does_not_change_later_reads(path):
    frames = VideoFrames(path)
    frames[3][:] = 255
    assert number(frames[3]) == 3


def test_threads_pickles_and_forks_read_the_same_frames(path):
    frames = VideoFrames(path)
    indices = list(range(LENGTH)) * 2
    with ThreadPoolExecutor(4) as threads:
        assert [number(frame) for frame in threads.map(frames.__getitem__, indices)] == indices
    assert number(pickle.loads(pickle.dumps(frames))[7]) == 7
    fresh = VideoFrames(path)
    assert number(fresh[5]) == 5
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, bytes([number(fresh[at]) for at in range(12, LENGTH)]))
        os._exit(0)
    os.waitpid(child, 0)
    assert list(os.read(read, LENGTH)) == list(range(12, LENGTH))
    assert [number(fresh[at]) for at in range(6, LENGTH)] == list(range(6, LENGTH))


def test_the_fingerprint_changes_with_the_file(path, tmp_path):
    write_video(tmp_path / "clip.mp4", [np.zeros((48, 64, 3), np.uint8)] * 3)
    prints = [VideoFrames(video).fingerprint for video in (path, path, tmp_path / "clip.mp4")]
    assert prints[0] == prints[1] != prints[2]


def test_a_truncated_video_fails_at_its_first_missing_frame(tmp_path):
    whole, noise = tmp_path / "whole.avi", np.random.default_rng(0).integers(0, 10, (240, 320, 3))
    writer = cv2.VideoWriter(str(whole), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 240))
    for at in range(LENGTH):
        writer.write((10 * at + noise - 5).clip(0, 255).astype(np.uint8))
    writer.release()
    data = whole.read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    frames = VideoFrames(tmp_path / "cut.avi")
    assert len(frames) == LENGTH  # the number of frames in the header
    with pytest.raises(InputError, match=rf"cut\.avi breaks off after \d+ of {LENGTH} frames; fetch it again"):
        frames[LENGTH - 1]
    assert number(frames[2]) == 2


def test_a_file_that_is_no_video_is_refused(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"clip\.mp4 does not decode as a video"):
        VideoFrames(tmp_path / "clip.mp4")
    with pytest.raises(InputError, match="there is no video"):
        VideoFrames(tmp_path / "nowhere.mp4")
