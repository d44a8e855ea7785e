"""Files are written completely or not at all, and deleted in one step."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT
from tracking_env.errors import InputError
from tracking_env.files import PARTIAL, remove, write_atomically


def test_a_file_replaces_an_older_one_only_when_it_is_complete(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    with pytest.raises(ArithmeticError), write_atomically(path) as partial:
        partial.write_text("new")
        raise ArithmeticError
    assert path.read_text() == "old"
    with write_atomically(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old" and partial.suffix == ".json"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"] and path.read_text() == "new"


def test_two_processes_that_write_the_same_file_use_different_names(tmp_path):
    with write_atomically(tmp_path / "a.txt") as first, write_atomically(tmp_path / "a.txt") as second:
        assert first != second and first.name.startswith(PARTIAL) and second.name.startswith(PARTIAL)
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a.txt").read_text() == "first", "the last one to end"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_content_is_on_the_disk_before_the_name(tmp_path, monkeypatch):
    events = []
    sync, replace = os.fsync, Path.replace

    def record_sync(descriptor):
        events.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    def record_replace(path, target):
        events.append(f"-> {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Path, "replace", record_replace)
    if not Path("/proc/self/fd").exists():
        pytest.skip("descriptors have names on Linux only")
    with write_atomically(tmp_path / "a.txt") as partial:
        partial.write_text("a")
    assert events == [partial.name, "-> a.txt", tmp_path.name]
    events.clear()
    with write_atomically(tmp_path / "folder") as partial:
        partial.mkdir()
        (partial / "b.txt").write_text("b")
    assert events == ["b.txt", partial.name, "-> folder", tmp_path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_what_a_killed_process_left_is_deleted_when_the_path_is_written_again(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path; from tracking_env.files import write_atomically\n"
        "with write_atomically(Path(sys.argv[1])) as partial: partial.mkdir(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "a[1].txt"
    for name in (path, tmp_path / "b.txt"):
        subprocess.run([sys.executable, "-c", script, name], cwd=ROOT)
    assert len(list(tmp_path.iterdir())) == 2
    with write_atomically(path) as partial:
        partial.write_text("a")
        with write_atomically(path) as other:
            other.write_text("b")
            assert partial.exists(), "its process lives"
    left = [entry.name for entry in tmp_path.iterdir() if entry != path]
    assert len(left) == 1 and left[0].endswith("-b.txt"), "of the other path"


def test_a_process_that_dies_while_it_deletes_leaves_nothing_under_the_name(tmp_path, monkeypatch):
    folder = tmp_path / "000001"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (tmp_path / "a.txt").write_text("")

    def die(path, *_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", die)
        patch.setattr(Path, "unlink", die)
        for path in (folder, tmp_path / "a.txt"):
            with pytest.raises(KeyboardInterrupt):
                remove(path)
            assert not path.exists()
    left = list(tmp_path.iterdir())
    assert len(left) == 2 and all(path.name.startswith(PARTIAL) for path in left)
    for path in left:
        remove(path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_a_link_is_removed_and_not_what_it_points_to(tmp_path, kind):
    target, link = tmp_path / "target", tmp_path / "link"
    if kind == "file":
        target.write_text("precious")
    elif kind == "folder":
        target.mkdir()
        (target / "a.txt").write_text("precious")
    link.symlink_to(target)
    remove(link)
    assert not link.is_symlink()
    assert kind == "nothing" or target.exists()
    assert kind != "folder" or (target / "a.txt").read_text() == "precious"


def test_a_path_without_a_name_is_an_input_error():
    with pytest.raises(InputError, match="it is a folder; give the path of a file"), write_atomically(Path()):
        pass


def test_a_file_where_a_folder_should_be_is_an_input_error(tmp_path):
    (tmp_path / "runs").write_text("")
    path = tmp_path / "runs" / "report.json"
    with pytest.raises(InputError, match=r"cannot write .*; give another folder"), write_atomically(path):
        pytest.fail("it begins")


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_file_takes_no_place_of_a_device_or_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "link", Path(os.devnull)):
        with (
            pytest.raises(InputError, match="it is a device or a pipe; give the path of a file"),
            write_atomically(path),
        ):
            pass
    assert (tmp_path / "pipe").is_fifo() and Path(os.devnull).is_char_device()
