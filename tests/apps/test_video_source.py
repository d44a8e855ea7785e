import cv2
import numpy as np
import pytest

from tracking_env.apps.video_source import open_source
from tracking_env.errors import InputError
from tracking_env.rendering import write_video

LENGTH = 6


def grey_frame(level):
    return np.full((32, 48, 3), level, np.uint8)


def levels(source):
    return [round(frame.mean() / 20) for frame in source.frames]


@pytest.fixture
def video(tmp_path):
    write_video(tmp_path / "my video.mp4", [grey_frame(20 * index) for index in range(LENGTH)], fps=10)
    return tmp_path / "my video.mp4"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shots").mkdir()
    for index in range(LENGTH):
        # From shot7 to shot12, which sort by number and not by letter.
        cv2.imwrite(str(tmp_path / "shots" / f"shot{index + 7}.PNG"), grey_frame(20 * index))
    (tmp_path / "shots" / "notes.txt").write_text("no image")
    return tmp_path / "shots"


def test_a_video_file_is_opened(video):
    source = open_source(str(video))
    assert (source.name, source.total, source.fps) == ("my video", LENGTH, 10)
    assert levels(source) == [0, 1, 2, 3, 4, 5]


def test_a_folder_of_images_is_read_in_numeric_order(folder):
    source = open_source(str(folder))
    assert (source.name, source.total, source.fps) == ("shots", LENGTH, 25)
    assert levels(source) == [0, 1, 2, 3, 4, 5]


def test_a_sequence_folder_and_its_image_folder_give_the_same_frames(folder):
    sequence = folder.parent / "Deer"
    sequence.mkdir()
    folder.rename(sequence / "img")
    for path in (sequence, sequence / "img"):
        assert (open_source(str(path)).name, levels(open_source(str(path)))) == ("Deer", [0, 1, 2, 3, 4, 5])


def test_frames_are_numbered_from_1(video, folder):
    for path in (video, folder):
        source = open_source(str(path), start=3)
        assert (source.total, levels(source)) == (4, [2, 3, 4, 5])


@pytest.mark.parametrize(
    ("name", "start", "message"),
    [
        ("nowhere.mp4", 1, "there is no video .*nowhere.mp4"),
        ("bad.mp4", 1, "does not decode as a video"),
        ("empty", 1, "no images in .*empty; wanted files that end in .jpeg, .jpg, .png"),
        ("my video.mp4", 0, "`start` is 0; frames count from 1"),
        ("my video.mp4", 7, "`start` is 7, but .*my video.mp4 has 6 frames"),
    ],
)
def test_a_source_that_cannot_be_opened_is_an_error(video, name, start, message):
    (video.parent / "bad.mp4").write_bytes(b"nonsense")
    (video.parent / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        open_source(str(video.parent / name), start)


class Camera:
    """Stands in for OpenCV's capture: camera 0 gives blue frames of levels 0, 1, 2, and is then unplugged."""

    def __init__(self, number):
        self.number, self.frames, self.open = number, 0, True

    def isOpened(self):  # noqa: N802 (OpenCV's name)
        return self.number == 0

    def grab(self):
        self.frames += 1
        return self.frames <= 3

    def read(self):
        success = self.grab()
        return success, np.full((4, 4, 3), (self.frames - 1, 0, 0), np.uint8) if success else None

    def release(self):
        self.open = False


def test_a_camera_is_opened_by_its_number(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cameras = []

    def open_camera(number):
        cameras.append(Camera(number))
        return cameras[-1]

    monkeypatch.setattr(cv2, "VideoCapture", open_camera)
    source = open_source("0", start=2)
    assert (source.name, source.total) == ("camera-0", None)
    assert [next(source.frames)[0, 0].tolist() for _ in range(2)] == [[0, 0, 1], [0, 0, 2]]  # RGB
    with pytest.raises(InputError, match="camera 0 gives no more frames"):
        next(source.frames)
    assert not cameras[0].open
    with pytest.raises(InputError, match="there is no camera 1"):
        next(open_source("1").frames)


def test_a_folder_with_a_number_as_its_name_is_opened_as_a_folder(folder, monkeypatch):
    folder.rename(folder.parent / "0")
    monkeypatch.chdir(folder.parent)
    assert open_source("0").total == LENGTH
