import os
import pickle
import shutil
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracking_env.datasets.video import VideoFrames
from tracking_env.errors import InputError
from tracking_env.files import cache_folder
from tracking_env.rendering import write_video
from tracking_env.trackers import opencv

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


@pytest.mark.skipif(os.name == "nt", reason="names hold no colon there")
@pytest.mark.parametrize("name", ["12:30:05.mp4", "data:a.mp4", "concat:a|b.mp4", "subfile,,start,9,end,9,,:a.mp4"])
def test_a_name_is_no_protocol(path, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    shutil.copy(path, name)
    assert number(VideoFrames(Path(name))[3]) == 3
    write_video(Path(f"{name}.folder", "new.mp4"), [np.zeros((16, 16, 3), np.uint8)])
    assert len(VideoFrames(Path(f"{name}.folder", "new.mp4"))) == 1


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
    if sys.platform == "win32":
        return  # no forks there
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


def write_avi(path):
    """A video of Motion JPEG: its header says how many frames there are."""
    noise = np.random.default_rng(0).integers(0, 10, (240, 320, 3))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 240))
    for at in range(LENGTH):
        writer.write((10 * at + noise - 5).clip(0, 255).astype(np.uint8))
    writer.release()
    return bytearray(path.read_bytes())


def state_frames(data, count):
    """Write another number of frames into the two headers of an AVI."""
    for header, offset in ((b"avih", 16), (b"strh", 32)):
        struct.pack_into("<I", data, data.find(header) + 8 + offset, count)
    return data


@pytest.mark.parametrize("stated", [0, 10, 2 * LENGTH, 2**31 - 1])
def test_the_length_is_the_number_of_frames_that_decode(tmp_path, own_cache, stated):
    path = tmp_path / "wrong.avi"
    path.write_bytes(state_frames(write_avi(path), stated))
    frames = VideoFrames(path)
    assert [number(frame) for frame in frames.play()] == list(range(LENGTH))
    assert [number(frame) for frame in frames.play(LENGTH - 2)] == [LENGTH - 2, LENGTH - 1]
    assert len(frames) == LENGTH and number(frames[-1]) == LENGTH - 1


def test_a_video_that_is_cut_off_has_the_frames_that_decode_and_a_warning(tmp_path, own_cache, caplog):
    data = write_avi(tmp_path / "cut.avi")
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    frames = VideoFrames(tmp_path / "cut.avi")
    played = len(list(frames.play()))
    assert 2 < played < LENGTH and len(frames) == played
    assert f"cut.avi states {LENGTH} frames; {played} decode" in caplog.text
    with pytest.raises(IndexError):
        frames[played]
    assert number(frames[2]) == 2


def test_frames_are_counted_once_and_again_when_the_file_changes(path, tmp_path, own_cache, monkeypatch):
    copy = tmp_path / "copy.mp4"
    shutil.copy(path, copy)
    assert len(VideoFrames(copy)) == LENGTH
    monkeypatch.setattr(VideoFrames, "_compare", lambda *_: pytest.fail("counted again"))
    assert len(VideoFrames(copy)) == LENGTH
    monkeypatch.undo()
    write_video(copy, [np.zeros((48, 64, 3), np.uint8)] * 3)
    assert len(VideoFrames(copy)) == 3


@pytest.mark.parametrize("content", ["", "many", "1_0"])
def test_a_damaged_count_is_counted_again(path, own_cache, content):
    assert len(VideoFrames(path)) == LENGTH
    (remembered,) = (cache_folder() / "frame-counts").iterdir()
    remembered.write_text(content)
    assert len(VideoFrames(path)) == LENGTH


def test_a_file_without_frames_is_refused(tmp_path):
    data = write_avi(tmp_path / "none.avi")
    (tmp_path / "none.avi").write_bytes(data[: data.find(b"movi") + 4])
    with pytest.raises(InputError, match=r"none\.avi (decodes|does not decode)"):
        VideoFrames(tmp_path / "none.avi")


def test_a_file_that_is_no_video_is_refused(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"nonsense\0")
    with pytest.raises(InputError, match=r"clip\.mp4 does not decode as a video"):
        VideoFrames(tmp_path / "clip.mp4")
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile clip.mp4\n")
    with pytest.raises(InputError, match=r"list\.mp4 does not decode as a video: it is a text, perhaps a playlist"):
        VideoFrames(tmp_path / "list.mp4")
    with pytest.raises(InputError, match="there is no video"):
        VideoFrames(tmp_path / "nowhere.mp4")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_utf8_is_refused(path, tmp_path):
    odd = tmp_path / "clip\udcff.mp4"  # OpenCV would end the process
    shutil.copy(path, odd)
    with pytest.raises(InputError, match="is no UTF-8; rename it"):
        VideoFrames(odd)
    weights = [tmp_path / "back\udcff.onnx", tmp_path / "head.onnx"]
    for file in weights:
        file.touch()
    with pytest.raises(InputError, match="is no UTF-8; rename it"):
        opencv.nano(weights)
