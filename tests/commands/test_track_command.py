import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.helpers.paths import ROOT
from tracking_env import cli, rendering
from tracking_env.datasets import synthetic
from tracking_env.datasets.box_files import read_boxes
from tracking_env.datasets.video import VideoFrames
from tracking_env.registry import TrackerSpec

LENGTH = 12
SEQUENCE = synthetic.generate(1, length=LENGTH)
BOX = "30,20,40.5,50"
MAIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, such as this one, ignore SIGINT
from tracking_env import cli
sys.exit(cli.main())
"""
TRACKERS = """
    import sys, time
    from pathlib import Path

    class Right:
        '''Moves its box to the right by a pixel per frame. Subclasses change what happens in frame 5.'''
        def init(self, frame, box):
            self.box, self.count = box.copy(), 1
        def update(self, frame):
            self.count += 1
            if self.count == 5:
                self.fifth()
            self.box[0] += 1
            return self.box
        def fifth(self):
            pass

    class Fails(Right):
        def fifth(self):
            raise ArithmeticError("lost\\nit")

    class Interrupted(Right):
        def fifth(self):
            raise KeyboardInterrupt

    class Slow(Right):
        def fifth(self):
            Path("fifth").touch()
            time.sleep(60)

    class Odd(Right):
        def update(self, frame):
            return [float("nan"), 1e300, -5, 4]

    class Unsure(Right):
        lost_below = 0.5
        def init(self, frame, box):
            super().init(frame, box)
            self.confidence = 1.0
        def update(self, frame):
            self.confidence = max(self.confidence - 0.3, 0)
            return super().update(frame)

    class NeverStarts:
        def init(self, frame, box):
            raise ValueError("cannot")
        def update(self, frame):
            pass
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working directory, with a video and trackers, on a machine without a display."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    Path("own_tracker.py").write_text(textwrap.dedent(TRACKERS))
    rendering.write_video(Path("video.mp4"), (SEQUENCE.frames[index] for index in range(LENGTH)), fps=10)
    yield tmp_path
    sys.modules.pop("own_tracker", None)


def track(*args, tracker="own_tracker:Right", box=BOX, video="video.mp4"):
    box_flag = ["--box", box] if box else []
    return cli.main(["track", "--video", video, *box_flag, "--tracker", tracker, *args])


def tracker_id():
    """The id of the tracker: its name, and the digest of its code."""
    return TrackerSpec("own_tracker:Right").make().id


def boxes(name="own_tracker.Right/video"):
    return read_boxes(Path(f"tracked/{name}.txt"))


def moving_boxes(frames):
    return [[30 + index, 20, 40.5, 50] for index in range(frames)]


def test_track_writes_boxes_a_summary_and_an_overlay(capsys):
    assert track() == 0
    captured = capsys.readouterr()
    assert captured.err == ""  # the progress bar needs a terminal
    place = "tracked/own_tracker.Right/video"
    assert captured.out.startswith(f"{tracker_id()}: 12 frames, ")
    assert captured.out.endswith(f" frames/s; in {place}.txt, {place}.csv, {place}.track.json, {place}.mp4\n")
    assert boxes().tolist() == moving_boxes(LENGTH)
    facts = json.loads(Path(f"{place}.track.json").read_text())
    assert [row["frame"] for row in facts["boxes"]] == list(range(1, 13))
    assert [row["box"] for row in facts["boxes"]] == moving_boxes(LENGTH)
    seconds = sum(row["seconds"] for row in facts["boxes"])
    assert facts["fps"] == pytest.approx(LENGTH / seconds, rel=0.01)
    assert (facts["tracker"], facts["video"], facts["stopped"]) == (tracker_id(), "video.mp4", None)
    overlay = VideoFrames(Path(f"{place}.mp4"))
    assert (len(overlay), overlay.fps, overlay.size) == (LENGTH, 10, (320, 240))
    corner = overlay[6][2 * 19 - 1 : 2 * 19 + 1, 2 * 50].mean(axis=0)  # on the upper edge, of a box enlarged twice
    assert corner[0] > 150 > corner[1] and corner[0] > 150 > corner[2]


def test_json_prints_only_the_summary(capsys):
    assert track("--json", "--start", "3", "--out", "elsewhere") == 0
    captured = capsys.readouterr()
    facts = json.loads(captured.out)
    assert facts | {"fps": 0} == {
        "video": "video.mp4",
        "tracker": tracker_id(),
        "start": 3,
        "frames": 10,
        "fps": 0,
        "files": {
            "boxes": "elsewhere/own_tracker.Right/video.txt",
            "csv": "elsewhere/own_tracker.Right/video.csv",
            "json": "elsewhere/own_tracker.Right/video.track.json",
            "overlay": "elsewhere/own_tracker.Right/video.mp4",
        },
        "stopped": None,
        "problem": None,
    }
    assert json.loads(Path(facts["files"]["json"]).read_text())["boxes"][0]["frame"] == 3


def test_results_can_be_scored(capsys):
    Path("video.txt").write_text("".join(f"{x},{y},{w},{h}\n" for x, y, w, h in moving_boxes(LENGTH)))
    assert track() == 0
    assert cli.main(["score", "tracked/own_tracker.Right", "--root", ".", "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out[out.index("{") :])["mean"]["whole"]["auc"] == pytest.approx(20 / 21)


def test_an_opencv_tracker_runs_on_a_folder_of_images():
    Path("shots").mkdir()
    for index in range(3):
        cv2.imwrite(f"shots/{index}.png", cv2.cvtColor(SEQUENCE.frames[index], cv2.COLOR_RGB2BGR))
    first = ",".join(map(str, SEQUENCE.boxes[0]))
    assert track(tracker="mil", video="shots", box=first) == 0
    assert boxes("mil/shots").shape == (3, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"box": "1,2,3"}, "--box is '1,2,3', wanted four numbers x,y,w,h in pixels"),
        ({"box": "1,2,3,x"}, "wanted four numbers"),
        ({"box": "1,2,0,4"}, "no width or no height"),
        ({"box": "1,2,4,-4"}, "no width or no height"),
        ({"box": "1,2,nan,4"}, "no width or no height"),
        ({"box": "161,2,3,4"}, "lies outside the frame of 160x120 pixels"),
        ({"box": "1,-9,3,9"}, "lies outside the frame"),
        ({"box": None}, "drawing a box needs a display, and there is none; give it as --box x,y,w,h"),
        ({"video": "nowhere.mp4"}, "there is no video nowhere.mp4"),
        ({"video": "own_tracker.py"}, "own_tracker.py does not decode as a video"),
        ({"tracker": "static"}, "static looks at no frame"),
        (
            {"tracker": "drlt"},
            "a trained agent needs its weights; give --checkpoint RUN, a folder of train/reinforce.py",
        ),
        ({"tracker": "mli"}, "did you mean 'mil'"),
        ({"tracker": "own_tracker:NeverStarts"}, "nothing was tracked: ValueError: cannot (own_tracker.py, line "),
    ],
)
def test_bad_input_gives_one_line_and_leaves_no_files(options, message, capsys):
    assert track(**options) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("tracking-env: error: ") and message in captured.err
    assert not any(path.is_file() for path in Path("tracked").rglob("*"))


def test_show_without_a_display_is_a_one_line_error(capsys):
    assert track("--show") == 2
    assert "--show needs a display, and there is none; leave it out" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_an_error(capsys):
    assert track("--out", "video.mp4") == 2
    assert "cannot write video.mp4/" in capsys.readouterr().err


def test_the_video_itself_is_not_overwritten(capsys):
    Path("x/own_tracker.Right").mkdir(parents=True)
    Path("video.mp4").rename("x/own_tracker.Right/video.mp4")
    before = Path("x/own_tracker.Right/video.mp4").read_bytes()
    assert track("--out", "x", video="x/own_tracker.Right/video.mp4") == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert Path("x/own_tracker.Right/video.mp4").read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
def test_a_folder_that_is_a_link_to_itself_is_a_one_line_error(capsys):
    Path("loop").symlink_to("loop")
    assert track("--out", "loop") == 2
    error = capsys.readouterr().err
    assert "cannot write loop/" in error and error.count("\n") == 1


def test_a_box_may_lie_partly_outside_the_frame():
    assert track(box="150,100,30,40") == 0


@pytest.mark.parametrize(
    ("name", "code", "why"),
    [
        ("Fails", 1, r"ArithmeticError: lost it (own_tracker.py, line "),
        ("Interrupted", 130, "stopped by Ctrl-C"),
    ],
)
def test_an_early_end_is_explained_and_keeps_the_frames_before_it(name, code, why, capsys):
    assert track(tracker=f"own_tracker:{name}") == code
    captured = capsys.readouterr()
    assert captured.err.startswith(f"tracking-env: {why}")
    assert captured.err.endswith("; the 4 frames tracked are kept\n")
    assert boxes(f"own_tracker.{name}/video").tolist() == moving_boxes(4)
    assert len(VideoFrames(Path(f"tracked/own_tracker.{name}/video.mp4"))) == 4
    assert json.loads(Path(f"tracked/own_tracker.{name}/video.track.json").read_text())["stopped"].startswith(why)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_keeps_the_tracked_frames(folder):
    command = ["track", "--video", "video.mp4", "--box", BOX, "--tracker", "own_tracker:Slow"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *command],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    end = time.monotonic() + 60
    while not Path("fifth").exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "tracking-env: stopped by Ctrl-C; the 4 frames tracked are kept\n")
    assert boxes("own_tracker.Slow/video").tolist() == moving_boxes(4)


def test_the_frames_that_decode_are_tracked_whatever_number_the_video_states(caplog):
    writer = cv2.VideoWriter("whole.avi", cv2.VideoWriter.fourcc(*"MJPG"), 25, (160, 120))
    for index in range(LENGTH):
        writer.write(SEQUENCE.frames[index])
    writer.release()
    data = Path("whole.avi").read_bytes()
    Path("cut.avi").write_bytes(data[: len(data) // 2])
    assert track(video="cut.avi") == 0
    tracked = boxes("own_tracker.Right/cut")
    assert 3 <= len(tracked) < LENGTH and tracked.tolist() == moving_boxes(len(tracked))
    assert caplog.messages == [f"cut.avi states 12 frames; {len(tracked)} decode, and these are used"]


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [
        ("imageio_ffmpeg.get_ffmpeg_exe", lambda: "no-ffmpeg", "ffmpeg does not start"),
        # The pictures fit into the pipe, so this error comes at the end.
        ("tracking_env.rendering._H264", "-c:v no-such-codec", "no-such-codec|[Ee]ncoder"),
    ],
)
def test_without_an_encoder_the_boxes_are_kept(attribute, value, reason, monkeypatch, capsys):
    assert track(box="9,9,9,9") == 0  # writes an overlay, which must not remain beside other boxes
    capsys.readouterr()
    monkeypatch.setattr(attribute, value)
    assert track("--json") == 1
    captured = capsys.readouterr()
    facts = json.loads(captured.out)
    assert re.match(rf"cannot write the video tracked/own_tracker.Right/video.mp4: .*({reason})", facts["problem"])
    assert json.loads(Path("tracked/own_tracker.Right/video.track.json").read_text())["problem"] == facts["problem"]
    assert set(facts["files"]) == {"boxes", "csv", "json"}
    assert boxes().tolist() == moving_boxes(LENGTH)
    assert sorted(path.name for path in Path("tracked/own_tracker.Right").iterdir()) == [
        "video.csv",
        "video.track.json",
        "video.txt",
    ]
    assert facts["problem"] in captured.err


def test_boxes_that_cannot_be_drawn_are_written():
    assert track(tracker="own_tracker:Odd") == 0
    rows = json.loads(Path("tracked/own_tracker.Odd/video.track.json").read_text())["boxes"]  # JSON has no NaN
    assert rows[1]["box"] == [None, 1e300, -5, 4]
    assert np.isnan(boxes("own_tracker.Odd/video")[1, 0])


def test_the_user_draws_the_box_on_a_display(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    for name in ("namedWindow", "resizeWindow", "setWindowTitle", "destroyAllWindows"):
        monkeypatch.setattr(cv2, name, lambda *_: None)
    pictures = []

    def select(_, picture, **__):
        pictures.append(picture)
        return 29, 19, 40, 50

    monkeypatch.setattr(cv2, "selectROI", select)
    assert track(box=None) == 0
    assert boxes()[0].tolist() == [30, 20, 40, 50]  # OpenCV counts from 0
    assert np.array_equal(pictures[0][..., ::-1], VideoFrames(Path("video.mp4"))[0])  # OpenCV expects BGR


def test_drawing_no_box_is_a_one_line_error(monkeypatch, capsys):
    monkeypatch.setattr(rendering, "select_box", lambda frame: np.array([1.0, 1, 0, 0]))
    assert track(box=None) == 2
    assert "no box was drawn; drag one and press Enter" in capsys.readouterr().err


def test_q_in_the_window_ends_tracking(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    keys = iter([-1, -1, ord("q")])
    monkeypatch.setattr(cv2, "imshow", lambda *_: None)
    monkeypatch.setattr(cv2, "waitKey", lambda _: next(keys))
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    assert track("--show") == 0
    assert boxes().tolist() == moving_boxes(3)
    assert len(VideoFrames(Path("tracked/own_tracker.Right/video.mp4"))) == 3


def test_confidence_and_lost_are_in_the_csv_and_empty_without_them(capsys):
    assert track() == 0
    lines = Path("tracked/own_tracker.Right/video.csv").read_text().splitlines()
    assert lines[0] == "frame,x,y,w,h,confidence,lost"
    assert lines[1] == "1,30.0,20.0,40.5,50.0,," and lines[12] == "12,41.0,20.0,40.5,50.0,,"
    assert track(tracker="own_tracker:Unsure") == 0
    lines = Path("tracked/own_tracker.Unsure/video.csv").read_text().splitlines()
    # The first box is the user's; then the confidence falls by 0.3 a frame, and below 0.5 the target counts as lost.
    assert [line.split(",")[5:] for line in lines[1:5]] == [["1.0", "0"], ["0.7", "0"], ["0.4", "1"], ["0.1", "1"]]
    rows = json.loads(Path("tracked/own_tracker.Unsure/video.track.json").read_text())["boxes"]
    assert [(row["confidence"], row["lost"]) for row in rows[:3]] == [(1.0, False), (0.7, False), (0.4, True)]
