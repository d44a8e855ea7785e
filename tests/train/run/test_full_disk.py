"""Training on a disk that fills up: one line, exit code 2, and the run can be resumed once there is room."""

import contextlib
import gc

import pytest

pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")
resource = pytest.importorskip("resource")  # not on Windows

from tests.soak.training_workloads import FLAGS, training_job  # noqa: E402
from train.config import RunConfig  # noqa: E402
from train.run.directory import RunDirectory  # noqa: E402

SCRIPTS = {"training": "reinforce", "search": "search", "ppo": "sb3", "sac": "sb3"}


@contextlib.contextmanager
def largest(size):
    """Limit the size of files that this process writes, which has the effect of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def logged(run):
    (events,) = run.path.glob("events.out.*")
    return events.stat().st_size


@pytest.mark.parametrize("name", FLAGS)
def test_training_on_a_full_disk_ends_with_a_one_line_error_and_resumes_later(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))
    with contextlib.ExitStack() as disk, monkeypatch.context() as patch:
        fill = lambda run, once=True: disk.enter_context(largest(logged(run) + 40))  # noqa: E731
        patch.setattr(RunDirectory, "catch_interrupts", fill)  # the last step of a script before training
        assert training_job(name)(tmp_path) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"train/{SCRIPTS[name]}.py: error: ") and err.count("\n") == 1 and "--resume" in err
    gc.collect()  # a process releases the lock on the folder when it ends
    assert training_job(name)(tmp_path) == 0


def test_a_log_that_cannot_be_written_is_an_error_at_once(tmp_path):
    run = RunDirectory(RunConfig(out=str(tmp_path / "run")))
    run.start()
    with largest(logged(run) + 40), pytest.raises(OSError, match="File too large"):
        run.log(1, {"reward/l1": 0.5})
    run.close()
