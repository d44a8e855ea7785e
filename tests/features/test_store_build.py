"""Building a store: threads, failures, full disks, processes that are killed or share the work."""

import errno
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import cv2
import numpy as np
import pytest

from tests.helpers.counting import CountingExtractor, make_sequences, sequence
from tests.helpers.paths import ROOT
from tracking_env.datasets.images import ImageFiles
from tracking_env.datasets.prefetch import AHEAD
from tracking_env.datasets.sequence import Sequence
from tracking_env.errors import InputError
from tracking_env.features.store import FeatureStore
from tracking_env.files import PARTIAL

pytestmark = pytest.mark.usefixtures("own_cache")


def image_files(folder, length):
    """A sequence of image files, 0000.png and so on."""
    paths = [folder / f"{i:04d}.png" for i in range(length)]
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), np.full((8, 10, 3), i, np.uint8))
    return Sequence("files", ImageFiles(paths), np.ones((length, 4)))


class LateFrames:
    """Frame i has the value i (modulo 256) everywhere. Of every four frames, earlier ones take longer to decode."""

    size, fingerprint = (10, 8), "late"

    def __init__(self, length):
        self.length, self.requested = length, []

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.requested.append(index)
        time.sleep(0.002 * (3 - index % 4))
        return np.full((8, 10, 3), index % 256, np.uint8)


def files(folder):
    """The files of a store without its locks."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".locks")


CHILD = os.environ | {
    "PYTHONPATH": str(ROOT),
    "PYTHONWARNINGS": "error::UserWarning",
}
WORKER = """
import json, resource, sys, time
from pathlib import Path
from tests.helpers.counting import CountingExtractor, sequence, make_sequences
from tracking_env.errors import InputError
from tracking_env.features.store import FeatureStore

folder, length, sequences, stop_at, limit = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])

class Stopping(CountingExtractor):
    def __call__(self, frames):
        if self.calls + 1 == stop_at:
            (folder / "stopped").touch()
            while not (folder / "go").exists():
                time.sleep(0.01)
        return super().__call__(frames)

store = FeatureStore(Stopping(), folder / "store")
if limit is not None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    built = store.build(make_sequences(sequences) if sequences else [sequence(0, length)])
except InputError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
print(json.dumps(built._asdict()))
"""


@pytest.fixture
def start(tmp_path):
    """Start a process that builds ``store``; in the extractor's call number `stop_at` it waits for the file ``go``."""
    with ExitStack() as stack:

        def start(length=5, sequences=None, stop_at=None, limit=None):
            arguments = [tmp_path, *map(json.dumps, (length, sequences, stop_at, limit))]
            command = [sys.executable, "-c", WORKER, *arguments]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = stack.enter_context(subprocess.Popen(command, **pipes, env=CHILD))
            stack.callback(process.kill)
            return process

        yield start


def wait_for(path, pattern=None):
    deadline = time.monotonic() + 30
    while not (any(path.glob(pattern)) if pattern else path.exists()):
        assert time.monotonic() < deadline, f"{pattern or path} did not appear"
        time.sleep(0.01)


def test_a_failed_extraction_leaves_no_file_and_can_be_repeated(tmp_path):
    s = sequence(0, length=FeatureStore.BATCH + 1)
    failing = CountingExtractor(fail_at=2)
    store = FeatureStore(failing, tmp_path / "store")
    with pytest.raises(RuntimeError, match="out of memory"):
        store[s]
    assert files(store.folder) == [FeatureStore.HEADER]
    assert store[s].shape == (FeatureStore.BATCH + 1, 3)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 4)])
def test_features_of_a_wrong_shape_are_refused_and_not_repeated_for_all_frames(shape, tmp_path):
    class Wrong(CountingExtractor):
        def __call__(self, frames):
            return np.zeros(shape, np.float32)

    with pytest.raises(InputError, match=r"the extractor counting returned \(.*\) for \d+ frames, wanted \(\d+, 3\)"):
        FeatureStore(Wrong(), tmp_path / "store").build([sequence()])


@pytest.mark.parametrize("limit", [0, 100, 200, 300])
def test_a_full_disk_is_an_input_error_and_leaves_no_file(tmp_path, start, limit):
    # The system itself cuts files off at `limit` bytes: in the array's header (128 bytes) or a batch (96 bytes each).
    process = start(length=2 * FeatureStore.BATCH, limit=limit)
    _, message = process.communicate(timeout=30)
    assert process.returncode == 2
    assert re.fullmatch(r"cannot write .*one-.*npy: File too large; make room there, .*`store`\n", message)
    assert files(tmp_path / "store") == [FeatureStore.HEADER]
    assert FeatureStore(CountingExtractor(), tmp_path / "store")[sequence()].shape == (5, 3)


def test_a_disk_that_is_full_at_the_last_write_is_an_input_error(tmp_path, monkeypatch):
    store = FeatureStore(CountingExtractor(), tmp_path / "store")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match=r"cannot write .*: No space left on device; .*`store`"):
            store[sequence()]
    assert files(store.folder) == [FeatureStore.HEADER]
    assert store[sequence()].shape == (5, 3)


def test_a_real_full_disk_is_an_input_error(tmp_path):
    mounted = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    mount = f"mount -t tmpfs -o size=64k none {tmp_path}"
    try:
        allowed = subprocess.run([*mounted, mount], capture_output=True).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("this system does not let a test mount a small disk (unshare --user --mount)")
    command = [sys.executable, "-m", "tracking_env.cli", "extract", "--sequences", "synthetic:0", "--store", "store"]
    script = f"{mount}; cd {tmp_path}; {shlex.join(command)} || echo code $?; ls -A store"
    done = subprocess.run([*mounted, script], capture_output=True, text=True, env=CHILD)
    # 60 frames x 1536 numbers x 2 bytes = 180 KiB
    assert done.stdout.splitlines() == ["code 2", ".locks", FeatureStore.HEADER]
    assert re.fullmatch(r"tracking-env: error: cannot write .*npy: No space left on device; .*\n", done.stderr)


def test_an_unreadable_frame_stops_with_one_line_and_leaves_no_file(tmp_path):
    s = image_files(tmp_path, 3 * FeatureStore.BATCH)
    s.frames.paths[2 * FeatureStore.BATCH].write_bytes(b"no image")
    store = FeatureStore(CountingExtractor(), tmp_path / "store")
    with pytest.raises(InputError, match=r"the frame .*0032\.png does not decode as an image \(8 bytes\)") as caught:
        store[s]
    assert "\n" not in str(caught.value)
    assert files(store.folder) == [FeatureStore.HEADER]


def test_sequences_before_an_unreadable_frame_are_kept(tmp_path):
    bad = image_files(tmp_path, 4)
    bad.frames.paths[3].write_bytes(b"")
    store = FeatureStore(CountingExtractor(), tmp_path / "store")
    with pytest.raises(InputError, match="does not decode"):
        store.build([sequence(), bad])
    assert store.has(sequence()) and not store.has(bad)


@pytest.mark.parametrize("jobs", [1, 5])
def test_frames_decoded_out_of_order_keep_their_rows(tmp_path, jobs):
    length = 3 * FeatureStore.BATCH + 7
    s = Sequence("shuffled", LateFrames(length), np.ones((length, 4)))
    assert FeatureStore(CountingExtractor(), tmp_path, jobs)[s][:, 0].tolist() == list(range(length))


def test_decoding_runs_ahead_by_a_limited_number_of_frames(tmp_path):
    # While the extractor works on batch k, frames up to those of batch k + AHEAD are requested, and no others.
    frames = LateFrames(12 * FeatureStore.BATCH)
    furthest = []

    class Looking(CountingExtractor):
        def __call__(self, batch):
            requested = -1
            while (
                self.calls == 0 and len(frames.requested) > requested
            ):  # decoding continues while this extractor is busy
                requested = len(frames.requested)
                time.sleep(0.1)
            furthest.append(max(frames.requested) // FeatureStore.BATCH - self.calls)
            return super().__call__(batch)

    FeatureStore(Looking(), tmp_path / "store", jobs=4)[Sequence("far", frames, np.ones((len(frames), 4)))]
    assert furthest[0] == max(furthest) == AHEAD


def test_frames_are_prepared_on_the_decoding_threads(tmp_path):
    threads = set()

    class Halving(CountingExtractor):
        def prepare(self, frame):
            threads.add(threading.current_thread().name)
            return frame[::2, ::2]

        def __call__(self, frames):
            assert frames.shape[1:] == (4, 5, 3)
            return super().__call__(frames)

    stored = FeatureStore(Halving(), tmp_path, jobs=2)[sequence(0, length=FeatureStore.BATCH + 1)]
    assert stored[:, 0].tolist() == list(range(FeatureStore.BATCH + 1))
    assert {name.split("_")[0] for name in threads - {"MainThread"}} == {"decode"}


def test_jobs_below_one_are_refused(tmp_path):
    with pytest.raises(InputError, match="`jobs` is 0; give a number of decoding threads >= 1"):
        FeatureStore(CountingExtractor(), tmp_path, jobs=0)[sequence()]


def test_build_returns_counts_of_its_work(tmp_path):
    store = FeatureStore(CountingExtractor(), tmp_path)
    store[sequence(1, name="s1")]
    built = store.build([sequence(v, name=f"s{v}") for v in (1, 2, 3)])
    assert (built.sequences, built.frames) == (2, 10)
    assert built.fps == pytest.approx(10 / built.seconds)
    assert store.build([sequence(1, name="s1")]).fps == 0


def test_what_a_killed_process_extracted_is_not_extracted_again(tmp_path, start):
    length = 5 * FeatureStore.BATCH + 3
    straight = np.array(FeatureStore(CountingExtractor(), tmp_path / "other")[sequence(0, length)])
    process = start(length=length, stop_at=4)  # the process waits in the fourth batch
    wait_for(tmp_path / "stopped")
    process.kill()
    process.wait()
    assert files(tmp_path / "store") == [f"{PARTIAL}one-{sequence(0, length).frames.fingerprint}.npy", "store.json"]
    extractor = CountingExtractor()
    assert np.array_equal(FeatureStore(extractor, tmp_path / "store")[sequence(0, length)], straight)
    assert extractor.frames == length - 3 * FeatureStore.BATCH
    assert not list((tmp_path / "store").glob(f"{PARTIAL}*"))


@pytest.mark.parametrize(
    ("size", "rows_left"),  # 128 bytes of header, 32 frames of 6 bytes in a batch
    [(0, 0), (1, 0), (127, 0), (128, 0), (129, 0), (319, 0), (320, 32), (325, 32), (511, 32), (512, 64), (530, 64)],
)
def test_an_interrupted_file_resumes_from_its_last_whole_batch(tmp_path, monkeypatch, size, rows_left):
    monkeypatch.setattr(FeatureStore, "BATCH", 32)
    s, store = sequence(0, length=67), FeatureStore(CountingExtractor(), tmp_path / "whole")
    straight = np.array(store[s])
    (file,) = store.folder.glob("*.npy")
    broken = FeatureStore(CountingExtractor(), tmp_path / "broken")
    (broken.folder / f"{PARTIAL}{file.name}").write_bytes(file.read_bytes()[:size])
    assert np.array_equal(broken[s], straight)
    assert broken.extractor.frames == 67 - rows_left


def test_an_interrupted_file_of_another_shape_is_started_again(tmp_path):
    s, store = sequence(0, length=67), FeatureStore(CountingExtractor(), tmp_path)
    (tmp_path / f"{PARTIAL}{s.name}-{s.frames.fingerprint}.npy").write_bytes(b"something else " * 50)
    assert store[s][:, 0].tolist() == list(range(67))
    assert store.extractor.frames == 67


def test_ctrl_c_keeps_whole_batches(tmp_path):
    length = 3 * FeatureStore.BATCH

    class Interrupted(CountingExtractor):
        def __call__(self, frames):
            if self.calls == 2:
                raise KeyboardInterrupt
            return super().__call__(frames)

    with pytest.raises(KeyboardInterrupt):
        FeatureStore(Interrupted(), tmp_path / "store")[sequence(0, length)]
    extractor = CountingExtractor()
    assert FeatureStore(extractor, tmp_path / "store")[sequence(0, length)][:, 0].tolist() == list(range(length))
    assert extractor.frames == FeatureStore.BATCH


def test_two_processes_share_the_work(tmp_path, start):
    # Both are given the same sequences; the first process waits in one of them, and the second one skips it.
    first = start(sequences=3, stop_at=1)
    wait_for(tmp_path / "stopped")
    second = start(sequences=3)
    wait_for(tmp_path / "store", "two-*.npy")
    wait_for(tmp_path / "store", "three-*.npy")
    (tmp_path / "go").touch()
    assert (first.wait(30), second.wait(30)) == (0, 0)
    built = sorted(json.loads(process.stdout.read())["frames"] for process in (first, second))
    assert built == [5, 10], "no sequence was extracted twice"
    store = FeatureStore(CountingExtractor(fail_at=1), tmp_path / "store")
    assert [store[s][0, 0] for s in make_sequences(3)] == [1, 2, 3]
    assert not list(store.folder.glob(f"{PARTIAL}*"))


def test_the_second_process_takes_over_when_the_first_is_killed(tmp_path, start):
    first = start(sequences=1, stop_at=1)
    wait_for(tmp_path / "stopped")
    second = start(sequences=1)
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(0.5)  # the second process waits for the first one
    first.kill()
    first.wait()
    assert second.wait(30) == 0
    assert json.loads(second.stdout.read())["frames"] == 5
    assert FeatureStore(CountingExtractor(fail_at=1), tmp_path / "store")[make_sequences(1)[0]].shape == (5, 3)
