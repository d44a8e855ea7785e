import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.browsing import chromium, resize
from tests.helpers.paths import ROOT
from tracking_env import cli, rendering, report
from tracking_env.apps import demo
from tracking_env.apps.demo.folder import temporary_folder
from tracking_env.datasets import loading, synthetic
from tracking_env.datasets.video import VideoFrames
from tracking_env.errors import InputError
from tracking_env.registry import TrackerSpec

pytest.importorskip("matplotlib")
from tracking_env.apps.demo import markup
from tracking_env.apps.demo import page as demo_page
from tracking_env.apps.demo.page import Page

TRACKERS = """
import time

class Right:
    "Moves its box to the right by a pixel per frame."
    def init(self, frame, box):
        self.box = box.copy()
    def update(self, frame):
        self.box[0] += 1
        return self.box

class Sure(Right):
    spread = (1, 1, 1, 1)

class Fails(Right):
    def update(self, frame):
        raise ArithmeticError("lost it")

class Hangs(Right):
    def update(self, frame):
        while True:
            time.sleep(0.01)

class Unsure(Right):
    spread = (1, 1)
"""
SEQUENCE = next(iter(demo_page.SYNTHETIC))
BOX = (30.0, 20.0, 40.0, 50.0)
RIGHT, FAILS = "demo_trackers:Right", "demo_trackers:Fails"


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page that tracks ten frames at most, with trackers that need no torch."""
    (tmp_path / "demo_trackers.py").write_text(TRACKERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "made").mkdir()
    yield Page({name: TrackerSpec(name) for name in (RIGHT, FAILS)}, tmp_path / "made", limit=10)
    sys.modules.pop("demo_trackers", None)


def text(html):
    return re.sub("<[^>]*>", "", html)


def test_corners_become_a_pixel_box():
    frame = np.zeros((100, 200, 3), np.uint8)
    assert demo_page.pixel_box([0, 0, 1, 1], frame) == [1, 1, 200, 100]
    assert demo_page.pixel_box([0.25, 0.1, 0.5, 0.4], frame) == [51, 11, 50, 30]


def test_a_sequence_fills_in_its_true_box(page):
    image, x, y, w, h, line = page.choose_sequence(SEQUENCE)
    assert [x, y, w, h] == pytest.approx(synthetic.generate(7, 100, (320, 240)).boxes[0], abs=0.05)
    left, top = re.search(r"left: ([\d.]+)%; top: ([\d.]+)%", image).groups()
    assert [float(left), float(top)] == pytest.approx([(x - 1) / 3.2, (y - 1) / 2.4], abs=1e-3)
    assert "Press Track" in text(line)


def test_a_dragged_box_fills_the_fields(page):
    image, *numbers, line = page.drag_box(SEQUENCE, None, [0.25, 0.5, 0.5, 1])
    assert numbers == [81, 121, 80, 120]
    assert "left: 25.000%; top: 50.000%; width: 25.000%; height: 50.000%" in image
    assert 'class="status "' in line


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((None,) * 4, "there is no box yet; drag one on the first frame, or fill in its four numbers"),
        ((1, 2, None, 4), "there is no box yet"),
        ((1, 2, 0, 4), "the box 1,2,0,4 has no width or no height"),
        ((400, 2, 3, 4), "the box 400,2,3,4 lies outside the frame of 320x240 pixels"),
    ],
)
def test_a_bad_box_is_a_one_line_error(page, numbers, message):
    ((line, image, video, plot),) = page.track(SEQUENCE, None, RIGHT, RIGHT, *numbers)
    assert message in text(line) and 'class="status bad"' in line and "\n" not in line
    assert (image, video, plot) == ("", None, "")


def test_an_upload_without_a_box_is_no_error(page, tmp_path):
    path = tmp_path / "video.mp4"
    rendering.write_video(path, iter([np.zeros((48, 64, 3), np.uint8)] * 3))
    image, *numbers, line = page.show_box(SEQUENCE, str(path), None, None, None, None)
    assert numbers == [None] * 4 and "hidden" in image
    assert text(line) == "Drag a box on the first frame, or fill in its four numbers."


def test_a_file_that_is_no_video_is_a_one_line_error_without_its_folder(page, tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(b"no video\0")
    for line in (
        page.show_box(SEQUENCE, str(path), None, None, None, None)[-1],
        page.drag_box(SEQUENCE, str(path), [0, 0, 1, 1])[-1],
        next(iter(page.track(SEQUENCE, str(path), RIGHT, RIGHT, *BOX)))[0],
    ):
        assert text(line) == "video.mp4 does not decode as a video; fetch it again, or convert it to .mp4"
        assert 'class="status bad"' in line


def test_large_frames_are_refused(page, tmp_path, monkeypatch):
    monkeypatch.setattr(demo_page, "LARGEST", 64 * 48 - 1)
    path = tmp_path / "video.mp4"
    rendering.write_video(path, iter([np.zeros((48, 64, 3), np.uint8)]))
    assert "the frames are 64x48 pixels; give a video of at most" in text(page.show_box(SEQUENCE, str(path), *BOX)[-1])


def test_tracking_returns_a_video_and_a_plot_and_deletes_its_files(page, monkeypatch):
    monkeypatch.setattr(demo_page, "_PERIOD", 0)
    steps = page.track(SEQUENCE, None, RIGHT, RIGHT, *BOX)
    for number in range(1, 11):
        line, image, video, plot = next(steps)
        assert text(line) == f"Frame {number} of 10" and f'<progress value="{number / 10:.3f}">' in line
        assert "data:image/jpeg;base64," in image and (video, plot) == (None, "")
    line, _, video, plot = next(steps)
    assert 'class="status good"' in line and "10 frames tracked" in line and "overlap by 1.00 on average" in line
    assert "The video has 100; start the demo with --frames 100" in line
    frames = VideoFrames(Path(video))
    assert (len(frames), frames.fps, frames.size) == (10, 25, (320, 240))
    assert "<svg" in plot and f"{RIGHT} does not report its confidence." in plot
    assert list(steps) == []
    assert list(page.folder.iterdir()) == []


def test_reported_confidence_is_plotted(page):
    page.trackers |= {"demo_trackers:Sure": TrackerSpec("demo_trackers:Sure")}
    line, _, _, plot = list(page.track(SEQUENCE, None, "demo_trackers:Sure", RIGHT, *BOX))[-1]
    assert "10 frames tracked" in line
    assert "confidence of demo_trackers:Sure" in plot and "does not report" not in plot


@pytest.mark.parametrize("cause", ["stop", "failure", "close"])
def test_frames_before_an_early_end_are_kept(page, cause, monkeypatch):
    monkeypatch.setattr(demo_page, "_PERIOD", 0)
    steps = page.track(SEQUENCE, None, RIGHT, FAILS if cause == "failure" else RIGHT, *BOX, session="me")
    next(steps)
    page.stopping.add("somebody else")
    if cause == "stop":
        page.stopping.add("me")
    if cause == "close":
        page.closed.set()
    line, _, video, _ = list(steps)[-1] if cause == "close" else next(steps)
    why = "ArithmeticError: lost it" if cause == "failure" else "stopped"
    assert f"1 frames tracked; the boxes of {RIGHT}" in text(line) and f"Ended early: {why}" in text(line)
    assert cause == "close" or len(VideoFrames(Path(video))) == 1


def test_a_tracker_without_end_is_given_up_and_the_page_answers_again(page):
    page.trackers |= {"demo_trackers:Hangs": TrackerSpec("demo_trackers:Hangs", timeout=0.3)}
    line, *_ = list(page.track(SEQUENCE, None, RIGHT, "demo_trackers:Hangs", *BOX))[-1]
    assert "s update has not returned after 0.3 seconds" in text(line)
    line, *_ = list(page.track(SEQUENCE, None, RIGHT, RIGHT, *BOX))[-1]
    assert "10 frames tracked" in text(line)


def test_a_box_too_small_for_mil_is_answered_at_once(page):
    page.trackers |= {"mil": TrackerSpec("mil")}
    line, *_ = list(page.track(SEQUENCE, None, "mil", RIGHT, 30.0, 20.0, 3.0, 3.0))[-1]
    assert "MIL cannot start on 3x3 pixels; give a larger box" in text(line)


def test_a_wrong_deviation_is_named_as_the_trackers(page):
    page.trackers |= {"demo_trackers:Unsure": TrackerSpec("demo_trackers:Unsure")}
    line, *_ = list(page.track(SEQUENCE, None, "demo_trackers:Unsure", RIGHT, *BOX))[-1]
    assert "s spread is (1, 1), wanted four numbers" in text(line)


def test_wide_frames_are_shown_smaller():
    assert markup.shrink(np.zeros((1080, 1920, 3), np.uint8)).shape == (540, 960, 3)
    assert markup.shrink(np.zeros((240, 320, 3), np.uint8)).shape == (240, 320, 3)


def test_the_page_offers_runnable_trackers_and_requires_the_chosen_one():
    pytest.importorskip("torch")
    names = list(demo_page.available_trackers(TrackerSpec("mil")))
    assert names[:2] == ["mil", "search"] and "nano" not in names
    with pytest.raises(InputError, match="static looks at no frame"):
        demo_page.available_trackers(TrackerSpec("static"))


def test_sequences_of_the_user_are_listed_first(tmp_path):
    sequences = loading.load(None, "synthetic:20-21")
    assert list(Page({}, tmp_path, sequences).sequences_by_name)[:3] == ["Synthetic-0020", "Synthetic-0021", SEQUENCE]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--frames", "0"], "--megabytes is 200 and --frames 0; give at least 1"),
        (["--megabytes", "9" * 20], "--megabytes is 99999999999999999999; give at most 1048576"),
        (["--tracker", "mil", "--rival", "nano"], "--rival is 'nano'; the trackers that can run here are mil, search"),
        (["--tracker", "drlt"], "needs its weights; give --checkpoint RUN"),
    ],
)
def test_bad_flags_are_one_line_errors(args, message, capsys):
    pytest.importorskip("torch")
    assert cli.main(["demo", *args]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tracking-env: error: ") and error.count("\n") == 1 and message in error


@pytest.mark.parametrize("module", ["matplotlib", "gradio"])
def test_the_error_names_a_missing_extra(module, monkeypatch, capsys):
    pytest.importorskip("torch")
    for package, name in ((report, "plots"), (demo, "markup"), (demo, "page"), (demo, "server")):
        monkeypatch.delitem(sys.modules, f"{package.__name__}.{name}", raising=False)
        monkeypatch.delattr(package, name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "")  # monkeypatch restores it after the test
    assert cli.main(["demo"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"tracking-env: error: demo needs {module}; type: pip install ")
    assert error.count("\n") == 1 and "tracking-env[" not in error


# The tests below share one server and one browser.


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The server's process, its port, and the folder of its temporary files."""
    pytest.importorskip("gradio", reason="gradio is not installed: pip install 'tracking-env[demo]'")
    pytest.importorskip("torch")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    folder = tmp_path_factory.mktemp("temporary")
    command = [sys.executable, "-m", "tracking_env.cli", "demo", "--port", str(port), "--megabytes", "1"]
    command += ["--frames", "12", "--sequences", "synthetic:7"]
    environment = os.environ | {"TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
    printed = tmp_path_factory.mktemp("printed") / "stderr"
    with (
        printed.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,
    ):
        process.printed = printed
        assert process.stdout.readline() == f"http://127.0.0.1:{port}/ (Ctrl-C ends it)\n"
        yield process, port, folder
        process.kill()


@pytest.fixture(scope="module")
def browser(served, tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


def wait(browser, script, *args):
    """Run a script until it returns a true value, and return that."""
    end = time.monotonic() + 60  # long enough for a busy machine
    while True:
        value = browser.execute_script(f"return {script}", *args)
        if value:
            return value
        assert time.monotonic() < end, f"{script}; the page says: {browser.execute_script(STATUS)}"
        time.sleep(0.05)


STATUS = "return document.querySelector('#status').textContent.trim()"
TOASTS = "[...document.querySelectorAll('.toast-body')].map(toast => toast.textContent).join()"
VIDEO = "document.querySelector('#video video')"
NUMBERS = "[...document.querySelectorAll('#box input')].map(input => +input.value)"


def open_page(browser, port, width=1366):
    resize(browser, width)
    browser.get(f"http://127.0.0.1:{port}/")
    wait(browser, "document.querySelector('#first img')")


def upload(port, data, **more):
    body = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="video.mp4"\r\n\r\n' + data + b"\r\n--x--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"} | more
    request = urllib.request.Request(f"http://127.0.0.1:{port}/gradio_api/upload", body, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.status


def test_the_server_listens_on_the_loopback_address_only(served):
    _, port, _ = served
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.connect(("192.0.2.1", 9))  # sends no data, but selects the address of this machine
        own = datagram.getsockname()[0]
    for other in {own, "127.0.0.2" if sys.platform == "linux" else own} - {"127.0.0.1"}:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((other, port), timeout=5)


def test_the_status_line_shows_names_of_files_as_text():
    html = markup.status_html('<img src=x onerror=alert(1)> & "more"', "bad")
    assert html == ('<p class="status bad" role="status">&lt;img src=x onerror=alert(1)&gt; &amp; &quot;more&quot;</p>')


def test_the_answer_to_a_file_with_markup_in_its_name_is_text(page, tmp_path):
    path = tmp_path / "<script>alert(1)<!--.mp4"
    path.write_text("no video")
    for line in (
        page.show_box(SEQUENCE, str(path), None, None, None, None)[-1],
        page.drag_box(SEQUENCE, str(path), [0] * 4)[-1],
    ):
        assert "<script" not in line and "&lt;script&gt;alert(1)&lt;!--.mp4 " in line


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_demo_leaves_a_folder_that_the_next_one_deletes(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "import os, signal, tempfile; from tracking_env.apps.demo.folder import temporary_folder\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        "with temporary_folder() as folder: (folder / 'upload.mp4').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT)
    (left,) = tmp_path.iterdir()
    assert (left / "upload.mp4").exists()
    (tmp_path / "precious").mkdir()
    (tmp_path / "tracking-env-demo-link").symlink_to(tmp_path / "precious")
    (tmp_path / "tracking-env-demo-young").mkdir()
    with temporary_folder() as folder:
        assert not left.exists()
        with temporary_folder() as other:
            assert folder.exists() and other.exists(), "a demo that runs keeps its folder"
    assert {path.name for path in tmp_path.iterdir()} == {
        "precious",
        "tracking-env-demo-link",
        "tracking-env-demo-young",
    }


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 99999), ("127.0.0.1", -1), ("no.such.invalid", 7860), ("192.0.2.1", None)]
)
def test_an_address_that_is_none_of_this_machine_is_refused_at_once(host, port, tmp_path):
    pytest.importorskip("gradio", reason="gradio is not installed: pip install 'tracking-env[demo]'")
    from tracking_env.apps.demo.server import serve

    with pytest.raises(InputError, match=f"cannot listen on {host}, port {port or 'any'}; give another"):
        next(serve(None, host, port, 1, tmp_path).gen)


def test_a_large_upload_is_refused_and_deleted(served):
    _, port, folder = served
    assert upload(port, b"x" * 1000) == 200
    with pytest.raises(urllib.error.HTTPError) as refused:
        upload(port, b"x" * (2 << 20))
    assert refused.value.code == 413
    refused.value.close()
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 1 << 20


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example:{port}"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "192.0.2.1:{port}"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "127.0.0.1:{port}@evil.example"}, 403),
        ({"Host": "localhost:{port}:1"}, 403),
        ({"Host": "[::1]:{port}"}, 200),
        ({"Host": "LOCALHOST"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Host": "localhost:{port}"}, 200),
    ],
)
def test_only_this_page_may_send_anything(served, headers, code):
    _, port, _ = served
    headers = {name: value.format(port=port) for name, value in headers.items()}
    try:
        answer = upload(port, b"x" * 1000, **headers)
    except urllib.error.HTTPError as error:
        answer = error.code
        error.close()
    assert answer == code


def test_the_page_itself_has_no_other_name(served):
    _, port, _ = served
    request = urllib.request.Request(f"http://127.0.0.1:{port}/config", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    assert refused.value.code == 403
    refused.value.close()


def test_all_uploads_together_are_bounded(served):
    _, port, folder = served
    codes = []
    for _ in range(9):
        try:
            codes.append(upload(port, os.urandom(900_000)))
        except urllib.error.URLError as error:
            codes.append(getattr(error, "code", 507))  # the server may close before all bytes are sent
    assert codes[0] == 200 and codes[-1] == 507 and codes == sorted(codes)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 6 << 20
    for path in folder.rglob("video.mp4"):
        path.unlink()  # room for the other tests


def test_a_body_without_a_size_or_too_large_for_a_choice_is_refused(served):
    _, port, _ = served
    for path, body, code in (("upload", iter([b"x"] * 9), 411), ("queue/join", b"x" * (2 << 20), 413)):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/gradio_api/{path}", body)
        with pytest.raises((urllib.error.URLError, ConnectionError)) as refused:
            urllib.request.urlopen(request, timeout=20)
        assert getattr(refused.value, "code", code) == code
        if isinstance(refused.value, urllib.error.HTTPError):
            refused.value.close()


def test_a_request_that_the_page_never_sends_is_refused_without_a_traceback(served):
    process, port, _ = served
    requests = {
        "upload": ({"Content-Type": "multipart/form-data; boundary=" + "x" * 9000}, b"--x"),
        "call/nothing": ({"Content-Type": "application/json"}, b'{"data": [], "fn_index": 99}'),
        "cancel": ({"Content-Type": "application/json"}, b'{"data": [1e999]}'),
    }
    for path, (headers, body) in requests.items():
        request = urllib.request.Request(f"http://127.0.0.1:{port}/gradio_api/{path}", body, headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=20)
        assert refused.value.code == 400
        refused.value.close()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as websocket:
        upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13"
        websocket.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{upgrade}\r\n\r\n".encode())
        assert websocket.recv(100).split()[1] == b"403"
    printed = process.printed.read_text()
    assert printed.count("cannot answer") == len(requests) and "Traceback" not in printed


def test_tracking_works_in_a_browser(served, browser):
    _, port, folder = served
    open_page(browser, port)
    from selenium.webdriver import ActionChains

    image = browser.find_element("css selector", "#first img")
    before = wait(browser, NUMBERS)
    drag = ActionChains(browser).move_to_element_with_offset(image, -100, -80).click_and_hold()
    drag.move_by_offset(100, 100).move_by_offset(60, 40).release().perform()
    wait(browser, f"{NUMBERS}.every((number, index) => number && number != arguments[0][index])", before)
    dragged = browser.execute_script(f"return {NUMBERS}")
    scale = image.size["width"] / 160
    corner = [(image.size["width"] / 2 - 100) / scale + 1, (image.size["height"] / 2 - 80) / scale + 1]
    assert dragged == pytest.approx([*corner, 160 / scale, 140 / scale], abs=1)
    browser.find_element("css selector", "#track").click()
    wait(browser, f"{VIDEO} && {VIDEO}.readyState >= 2 && {VIDEO}.videoWidth == 320")
    status = browser.execute_script(STATUS)
    assert status.startswith("12 frames tracked; the boxes of search and mil overlap by ") and "--frames 60" in status
    assert wait(browser, "document.querySelector('#plot svg')").get_attribute("aria-label") == (
        "overlap of search and mil and confidence of search"
    )
    assert browser.execute_script(f"return {TOASTS}") == ""
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    origins = "return performance.getEntriesByType('resource').map(entry => new URL(entry.name).origin)"
    assert set(browser.execute_script(origins)) <= {f"http://127.0.0.1:{port}", "null"}
    assert list(folder.rglob("tracked.mp4"))


def test_the_browser_fetches_nothing_from_other_hosts(served, browser):
    _, port, _ = served
    open_page(browser, port)
    script = "const image = new Image(); image.src = 'http://127.0.0.2:9/x.png'; document.body.append(image)"
    browser.execute_script(script)
    messages = []
    end = time.monotonic() + 5
    while not messages and time.monotonic() < end:
        messages = [entry["message"] for entry in browser.get_log("browser") if "127.0.0.2" in entry["message"]]
    assert "violates the following Content Security Policy" in messages[0]


def test_other_files_and_broken_videos_are_refused(served, browser, tmp_path):
    _, port, _ = served
    open_page(browser, port)
    for name in ("notes.txt", "broken.mp4"):
        (tmp_path / name).write_text("no video")
        browser.find_element("css selector", "#upload input[type=file]").send_keys(str(tmp_path / name))
        if name == "notes.txt":
            assert "Invalid file type: notes.txt" in wait(browser, TOASTS)
    wait(browser, "document.querySelector('#status .bad')")
    assert browser.execute_script(STATUS).startswith("broken.mp4 does not decode as a video: it is a text")


@pytest.mark.parametrize("width", [390, 1366])
def test_the_page_fits_the_window(served, browser, width):
    _, port, _ = served
    open_page(browser, port, width)
    page_width, window_width = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert page_width <= window_width == width


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_server_deletes_its_files_when_it_ends(served):
    process, _, folder = served
    assert list(folder.iterdir())
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert list(folder.iterdir()) == []
