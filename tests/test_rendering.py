import cv2
import numpy as np
import pytest

from tests.helpers.browsing import chromium
from tracking_env import rendering
from tracking_env.errors import InputError
from tracking_env.rendering import COLOURS, LEAST_WIDTH, VideoWriteError, draw, join_horizontally, write_video


def grey(height=200, width=320):
    return np.full((height, width, 3), 128, np.uint8)


def is_colour(picture, role):
    return np.abs(picture.astype(int) - COLOURS[role]).max(axis=-1) < 10


def pictures(count, size=(64, 48)):
    """Pictures of one shade of grey each, 20 apart."""
    return [np.full((size[1], size[0], 3), 20 * i, np.uint8) for i in range(count)]


def frames_of(path):
    capture, shades = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = capture.read()
        if not there:
            capture.release()
            return shades
        shades.append(frame)


def test_the_border_lies_on_the_edges_of_the_one_based_box():
    # x 101, y 51: 0-based 100 and 50; 80 x 40: to 180 and 90. Lines are two pixels thick, the inside is free.
    rows, columns = np.nonzero(is_colour(draw(grey(), {"truth": np.array([101, 51, 80, 40])}), "truth"))
    # OpenCV puts a line of two pixels around the edge's own pixel: symmetric, with at most one pixel on either side.
    for low, high, edges in ((rows.min(), rows.max(), (50, 90)), (columns.min(), columns.max(), (100, 180))):
        assert low in (edges[0] - 1, edges[0])
        assert high in (edges[1], edges[1] + 1)
    picture = is_colour(draw(grey(), {"truth": np.array([101, 51, 80, 40])}), "truth")
    assert picture[50, 100:181].all() and picture[90, 100:181].all()
    assert picture[50:91, 100].all() and picture[50:91, 180].all()
    assert not picture[54:87, 104:177].any()


def test_the_first_pixel_of_an_image_has_coordinates_1_1():
    picture = is_colour(draw(grey(), {"truth": np.array([1, 1, 320, 200])}), "truth")
    assert picture[0].all() and picture[:, 0].all()


def test_a_box_around_another_leaves_both_visible():
    boxes = {"truth": np.array([101, 51, 80, 40]), "agent": np.array([31, 21, 200, 150]), "rival": [61.0, 31, 10, 10]}
    picture = draw(grey(), boxes)
    assert is_colour(picture, "truth")[50, 140]
    assert is_colour(picture, "agent")[20, 140]
    assert is_colour(picture, "rival")[30, 65]


def test_pixels_away_from_boxes_are_unchanged():
    frame = np.random.default_rng(0).integers(0, 256, (200, 320, 3), np.uint8)
    picture = draw(frame, {"truth": np.array([101, 51, 80, 40])})
    away = np.ones((200, 320), bool)
    away[46:96, 96:186] = False
    assert np.array_equal(picture[away], frame[away])
    assert not np.array_equal(picture, frame)


@pytest.mark.parametrize("width", [64, 320, 400])
def test_drawing_does_not_change_the_input_frame(width):
    frame = grey(width=width)
    frame.flags.writeable = False
    picture = draw(frame, {"truth": np.array([11, 11, 20, 20])}, caption="frame 1")
    assert (frame == 128).all()
    assert picture.flags.writeable and not np.shares_memory(picture, frame)


@pytest.mark.parametrize(("width", "factor"), [(64, 5), (160, 2), (161, 2), (319, 2), (LEAST_WIDTH, 1), (640, 1)])
def test_small_frames_are_enlarged_by_a_whole_factor(width, factor):
    frame = np.random.default_rng(0).integers(0, 256, (10, width, 3), np.uint8)
    picture = draw(frame, {})
    assert picture.shape == (10 * factor, width * factor, 3) and picture.dtype == np.uint8
    assert np.array_equal(picture[::factor, ::factor], frame)
    assert np.array_equal(picture[factor - 1 :: factor, factor - 1 :: factor], frame)


def test_boxes_are_scaled_with_an_enlarged_frame():
    # Twice as large: the 0-based corner 10, 5 is at 20, 10, and the size 40 x 20 is 80 x 40.
    picture = is_colour(draw(grey(100, 160), {"truth": np.array([11, 6, 40, 20])}), "truth")
    assert picture[10, 20:101].all() and picture[50, 20:101].all()


@pytest.mark.parametrize("box", [[-500.0, -500, 20, 20], [-50, -50, 900, 900], [10, 10, 0, 0], [1e6, 1e6, 1e6, 1e6]])
def test_boxes_outside_the_image_or_without_area_do_not_crash(box):
    assert draw(grey(), {"agent": np.array(box)}).shape == (200, 320, 3)


def test_a_caption_is_written_in_the_top_left_corner():
    changed = (draw(grey(), {}, caption="Deer 12") != 128).any(axis=-1)
    assert changed[:26, :120].any()
    assert not changed[26:].any() and not changed[:, 120:].any()


def test_a_strip_joins_pictures_side_by_side():
    assert join_horizontally(pictures(3))[0, ::64, 0].tolist() == [0, 20, 40]


def test_a_video_holds_every_picture_in_order_and_colour(tmp_path):
    path = tmp_path / "new" / "overlay.mp4"
    write_video(path, iter(pictures(9)))
    frames = frames_of(path)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 9
    assert [frame.mean() for frame in frames] == pytest.approx([20 * i for i in range(9)], abs=5)
    assert [p.name for p in path.parent.iterdir()] == ["overlay.mp4"]
    red = np.full((48, 64, 3), (200, 20, 20), np.uint8)
    write_video(path, [red] * 3)
    blue_green_red = frames_of(path)[0].mean(axis=(0, 1))
    assert blue_green_red == pytest.approx([20, 20, 200], abs=20)
    assert len(frames_of(path)) == 3, "the new video replaces an older one"


@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_a_browser_plays_a_video(tmp_path, size):
    """H.264 in an mp4 file; sides of odd length get a border of a pixel."""
    path = tmp_path / "overlay.mp4"
    write_video(path, pictures(9, size))
    assert b"avc1" in path.read_bytes()
    (tmp_path / "page.html").write_text(f'<video muted src="{path.name}"></video>')
    with chromium(tmp_path / "profile") as browser:
        browser.get((tmp_path / "page.html").as_uri())
        played = browser.execute_async_script(
            "const [done] = arguments, video = document.querySelector('video');"
            "video.onended = () => done([video.videoWidth, video.videoHeight, Math.round(25 * video.currentTime)]);"
            "video.play().catch(error => done(String(error)));"
        )
    assert played == [64, 48, 9]


def test_a_video_that_ffmpeg_cannot_write_is_an_input_error(tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "_H264", "-c:v no-such-codec")
    with pytest.raises(VideoWriteError, match=r"overlay\.mp4: .*(no-such-codec|[Ee]ncoder)"):
        write_video(tmp_path / "overlay.mp4", [pictures(1)[0]] * 2000)
    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", lambda: str(tmp_path / "no-ffmpeg"))
    with pytest.raises(VideoWriteError, match="ffmpeg does not start"):
        write_video(tmp_path / "overlay.mp4", pictures(2))
    assert not list(tmp_path.iterdir())


def test_a_video_without_pictures_is_an_input_error_and_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="it has no pictures"):
        write_video(tmp_path / "overlay.mp4", [])
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_folder_is_an_input_error(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_video(tmp_path / "runs" / "overlay.mp4", pictures(2))


def test_a_failure_while_writing_leaves_only_the_older_video(tmp_path):
    path = tmp_path / "overlay.mp4"
    write_video(path, pictures(4))

    def failing():
        yield from pictures(2)
        raise InputError("the frame 3 does not decode")

    with pytest.raises(InputError, match="does not decode"):
        write_video(path, failing())
    assert len(frames_of(path)) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["overlay.mp4"]


def test_pictures_of_another_size_are_an_input_error(tmp_path):
    with pytest.raises(InputError, match="size"):
        write_video(tmp_path / "overlay.mp4", pictures(2) + pictures(2, (32, 24)))


def test_show_passes_bgr_and_the_frame_time_to_opencv(monkeypatch):
    shown = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "imshow", lambda name, picture: shown.append(picture[0, 0].tolist()))
    monkeypatch.setattr(cv2, "waitKey", shown.append)
    rendering.show(np.full((4, 4, 3), (1, 2, 3), np.uint8), fps=25)
    assert shown == [[3, 2, 1], 40]
