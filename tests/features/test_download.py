import hashlib
import json
import os
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress

import pytest

from tests.helpers.file_server import DATA, SHA256, DyingHandler, FileServer, Handler
from tracking_env import cli
from tracking_env.errors import InputError
from tracking_env.features import download, model_zoo
from tracking_env.features.download import fetch
from tracking_env.features.model_zoo import NETWORKS, TRACKERS, File, Network, Pixels
from tracking_env.files import PARTIAL, sha256

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def server():
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.closing = True
    server.shutdown()
    thread.join()
    server.server_close()


def file(server, *paths, **known):
    known = {"size": len(DATA), "sha256": SHA256} | known
    return File("a.weights", tuple(server.url(path) for path in paths), **known)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name not in (".locks", "cache"))


def partial_of(server, folder, path="whole"):
    """The path of an unfinished download from an address of the server."""
    return folder / f"{PARTIAL}{hashlib.sha256(f'{server.url(path)} '.encode()).hexdigest()[:8]}-a.weights"


def test_a_file_is_fetched_once_and_leaves_no_partial_file(server, tmp_path):
    folder = tmp_path / "new" / "folder"
    path = fetch(file(server, "whole"), folder)
    assert path == folder / "a.weights" and path.read_bytes() == DATA
    assert names(folder) == ["a.weights"]
    assert fetch(file(server, "whole"), folder) == path
    assert [(page, ranged) for page, ranged, _ in server.log] == [("whole", None)]
    assert "urllib" not in server.log[0][2].lower()  # some hosts refuse it


def test_a_broken_download_resumes_where_it_stopped(server, tmp_path):
    assert fetch(file(server, "breaks"), tmp_path).read_bytes() == DATA
    assert [ranged for _, ranged, _ in server.log] == [None, "bytes=300000-", "bytes=600000-"]


def test_a_later_attempt_resumes_the_partial_file_of_an_earlier_one(server, tmp_path):
    server.breaks = 1
    with pytest.raises(InputError):  # the server sends nothing after the break
        broken = file(server, "breaks")
        server.RequestHandlerClass = DyingHandler
        fetch(broken, tmp_path)
    partial = partial_of(server, tmp_path, "breaks")
    assert names(tmp_path) == [partial.name], "no file has its final name yet"
    assert partial.read_bytes() == DATA[:300_000]
    server.RequestHandlerClass = Handler
    server.log.clear()
    assert fetch(broken, tmp_path).read_bytes() == DATA
    assert [ranged for _, ranged, _ in server.log] == ["bytes=300000-"]
    assert names(tmp_path) == ["a.weights"]


def test_a_host_without_resume_sends_the_whole_file_again(server, tmp_path):
    partial_of(server, tmp_path, "forgetful").write_bytes(b"x" * 1000)
    assert fetch(file(server, "forgetful"), tmp_path).read_bytes() == DATA


def test_a_longer_partial_file_is_truncated_to_the_new_file(server, tmp_path):
    partial_of(server, tmp_path, "forgetful").write_bytes(DATA + b"of an older version")
    assert fetch(file(server, "forgetful", size=None, sha256=""), tmp_path).read_bytes() == DATA


@pytest.mark.parametrize("extra", [0, 5])
def test_a_complete_or_too_long_partial_file_does_not_block_the_download(server, tmp_path, extra):
    partial_of(server, tmp_path).write_bytes(DATA + bytes(extra))
    assert fetch(file(server, "whole"), tmp_path).read_bytes() == DATA
    (tmp_path / "a.weights").rename(partial_of(server, tmp_path))
    assert fetch(file(server, "whole", size=None), tmp_path).read_bytes() == DATA


def test_the_next_address_is_tried_after_a_failure(server, tmp_path):
    path = fetch(file(server, "missing", "page", "never", "whole"), tmp_path)
    assert path.read_bytes() == DATA
    assert list(dict.fromkeys(page for page, _, _ in server.log)) == ["missing", "page", "never", "whole"]


def test_a_file_of_unknown_size_is_fetched(server, tmp_path):
    assert fetch(file(server, "unknown-length", size=None, sha256=SHA256[:8]), tmp_path).read_bytes() == DATA


@pytest.mark.parametrize(
    ("path", "size", "sha256", "message"),
    [
        ("page", len(DATA), SHA256, "offers 18 bytes, the file has 1024000"),
        ("other", len(DATA), SHA256[:8], f"came with the sha256 [0-9a-f]{{8}}, the file has {SHA256[:8]}"),
        (
            "other",
            len(DATA),
            "",
            "came with the sha256 [0-9a-f]{64}, the first download had abc .delete .*to take this one",
        ),
        ("endless", len(DATA), SHA256, "sends more than 1024000 bytes"),
        ("endless", None, "", "sends more than 300000 bytes"),
        ("whole", None, "", "offers 1024000 bytes, the file has at most 300000"),
        ("unknown-length", 1_024_001, "", "came with 1024000 bytes, the file has 1024001"),
        ("missing", len(DATA), SHA256, "Not Found"),
        ("never", len(DATA), SHA256, "breaks off again and again"),
    ],
)
def test_a_wrong_file_is_refused_and_deleted(server, tmp_path, monkeypatch, path, size, sha256, message):
    monkeypatch.setattr(download, "MOST_BYTES", 300_000)
    (tmp_path / "cache" / "sha256").mkdir(parents=True)
    (tmp_path / "cache" / "sha256" / "a.weights").write_text("abc\n")
    with pytest.raises(InputError, match=message) as caught:
        fetch(file(server, path, size=size, sha256=sha256), tmp_path)
    assert server.url(path) in str(caught.value) and "\n" not in str(caught.value)
    assert not [name for name in names(tmp_path) if (tmp_path / name).stat().st_size]


@pytest.mark.parametrize("sha256", [SHA256, ""])
def test_bytes_of_two_addresses_are_never_joined(server, tmp_path, sha256):
    server.breaks = 1
    half_then_whole = file(server, "half", "whole", sha256=sha256)
    if sha256:
        assert fetch(half_then_whole, tmp_path).read_bytes() == DATA
        assert [ranged for path, ranged, _ in server.log if path == "whole"] == ["bytes=300000-", None]
    else:
        with pytest.raises(InputError, match="half: Service Unavailable; fetch it by hand"):
            fetch(half_then_whole, tmp_path)
        assert {path for path, *_ in server.log} == {"half"}, "a file without a digest has one address"


def test_bytes_of_two_versions_are_never_joined(server, tmp_path):
    server.breaks = 1
    assert fetch(file(server, "renewed", sha256=""), tmp_path).read_bytes() == DATA
    assert [ranged for _, ranged, _ in server.log] == [None, "bytes=300000-", None]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("shifted", "sends bytes 299999-1023999/1024000, wanted what follows the first 300000 of 1024000 bytes"),
        ("silent", "sends a part without saying which: Content-Range is None"),
    ],
)
def test_another_part_than_the_missing_one_is_refused(server, tmp_path, path, message):
    server.breaks = 1
    with pytest.raises(InputError, match=message):
        fetch(file(server, path, sha256=""), tmp_path)
    assert "a.weights" not in names(tmp_path)


@pytest.mark.parametrize("sha256", ["", SHA256[:8]])
def test_a_later_download_must_have_the_digest_of_the_first_one(server, tmp_path, sha256):
    fetch(file(server, "whole", sha256=sha256), tmp_path / "first")
    assert (tmp_path / "cache" / "sha256" / "a.weights").read_text() == f"{SHA256}\n"
    fetch(file(server, "whole", sha256=sha256), tmp_path / "again")
    with pytest.raises(InputError, match="came with the sha256"):
        fetch(file(server, "other", sha256=sha256), tmp_path / "third")


def test_an_address_that_always_breaks_after_some_bytes_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 400_000)
    server.breaks = 1000
    with pytest.raises(InputError, match="the connection breaks off again and again"):
        fetch(file(server, "renewed", size=None), tmp_path)
    assert len(server.log) < 20


def test_an_address_that_sends_too_slowly_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PERIOD", 0.3)
    with pytest.raises(InputError, match="sends less than 1000 bytes per second"):
        fetch(file(server, "drip"), tmp_path)


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 99999\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", b"X: y\r\n"),
    ],
    ids=["header", "continue", "body of a redirect", "trailers"],
)
def test_an_answer_without_end_is_given_up_wherever_it_never_ends(start, endless, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PERIOD", 0.3)

    def answer():
        with suppress(OSError), listener.accept()[0] as connection:
            connection.sendall(start)
            while True:
                connection.sendall(endless)
                time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(InputError, match="sends less than 1000 bytes per second"):
            fetch(File("a.weights", (url,), 5), tmp_path)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1:9/a.weights", "data:text/plain,hello"])
def test_only_addresses_of_the_web_are_read(url, tmp_path):
    with pytest.raises(InputError, match="it is no address of the web"):
        fetch(File("a.weights", (url,)), tmp_path)


@pytest.mark.parametrize(
    ("start", "end"), [("https://a", "http://a"), ("https://a", "ftp://a"), ("http://a", "ftp://a")]
)
def test_a_redirect_leads_neither_from_https_to_http_nor_out_of_the_web(start, end):
    request = urllib.request.Request(start)
    redirect = download._SafeRedirects().redirect_request
    with pytest.raises(urllib.error.URLError, match=f"it leads to {end}"):
        redirect(request, None, 302, "Found", {}, end)
    assert redirect(request, None, 302, "Found", {}, "https://b").full_url == "https://b"


def test_a_name_with_folders_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"'\.\./a.weights' is no name of a file"):
        fetch(File("../a.weights", ("http://127.0.0.1:9/",)), tmp_path)


def test_without_internet_the_error_names_the_file_and_where_to_put_it(tmp_path):
    gone = File("a.weights", ("http://127.0.0.1:9/a.weights",), 5)  # the port of `discard`, on which no server listens
    with pytest.raises(InputError) as caught:
        fetch(gone, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    for part in ("a.weights (5 bytes)", "http://127.0.0.1:9/a.weights", "by hand", str(tmp_path), "with `weights`"):
        assert part in message


def test_a_full_disk_is_a_one_line_error_and_the_download_resumes_later(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(download, "_append", full)
        with pytest.raises(InputError, match=r"cannot write .*a\.weights: No space left on device; make room"):
            fetch(file(server, "whole"), tmp_path)
    assert fetch(file(server, "whole"), tmp_path).read_bytes() == DATA


def test_a_file_in_place_of_the_folder_is_an_input_error(server, tmp_path):
    (tmp_path / "weights").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        fetch(file(server, "whole"), tmp_path / "weights")


def test_several_processes_can_fetch_the_same_file(server, tmp_path):
    server.breaks = 4
    threads = [threading.Thread(target=fetch, args=(file(server, "breaks"), tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a.weights").read_bytes() == DATA
    assert names(tmp_path) == ["a.weights"]


@pytest.fixture
def network(server, monkeypatch):
    files = (file(server, "breaks"), File("a.cfg", (server.url("whole"),)))
    monkeypatch.setitem(NETWORKS, "mine", Network("darknet", files, Pixels("", 4), 1, None))


def test_the_command_downloads_files_and_prints_their_paths(network, tmp_path, monkeypatch, capsys):
    assert cli.main(["download", "mine", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "a.weights"), str(tmp_path / "a.cfg")]
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))
    assert cli.main(["download", "mine"]) == 0
    assert names(tmp_path / "cache" / "weights") == ["a.cfg", "a.weights"]


def test_the_command_without_names_lists_the_files(capsys):
    assert cli.main(["download"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["yolov1-small", "375.9", "MB", "yolo-small.weights"] for line in lines)


def test_the_command_refuses_unknown_names(capsys):
    assert cli.main(["download", "yolo-nano-voc", "gird"]) == 2
    assert "no weights are published for 'gird'; choose from yolo-nano-voc, yolov1" in capsys.readouterr().err


@pytest.mark.parametrize("name", TRACKERS)
def test_files_of_trackers_have_a_fixed_commit_size_and_digest(name):
    for published in TRACKERS[name]:
        (url,) = published.urls
        assert re.fullmatch(r"https://github\.com/[\w/]+/raw/[0-9a-f]{40}/\S+", url)
        assert published.size and len(published.sha256) == 64


def test_the_listing_contains_trackers(capsys):
    assert cli.main(["download", "--json"]) == 0
    listing = json.loads(capsys.readouterr().out)
    assert {"tracker": "vittrack", "file": "vittrack_2023jul.onnx", "bytes": 767836} in listing
    assert {entry.get("tracker") for entry in listing} - {None} == set(TRACKERS)


@pytest.mark.otb
@pytest.mark.parametrize("name", TRACKERS)
def test_the_local_files_equal_the_published_ones(expert_files, nanotrack, name):
    for published in TRACKERS[name]:
        path = (nanotrack if name == "nano" else expert_files) / published.name
        assert (path.stat().st_size, sha256(path)) == (published.size, published.sha256)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_has_urls_and_a_size_or_digest_of_every_file(name):
    for file in NETWORKS[name].files:
        assert file.urls and all(url.startswith("https://") and url.endswith(file.name) for url in file.urls)
        assert file.size or file.sha256
        assert file.sha256 or len(file.urls) == 1
    assert model_zoo.NETWORKS[name].dim > 0
