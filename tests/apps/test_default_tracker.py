import pytest

from tracking_env.apps import default_tracker
from tracking_env.apps.default_tracker import FALLBACK, choose_tracker
from tracking_env.errors import InputError
from tracking_env.features import download
from tracking_env.registry import TrackerSpec

EXPERTS = ("nanotrack-v3", "fear-xs")


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """The experts whose files are here; a test may add and remove some."""
    names = set()

    def make(spec, seed=0):
        if spec.name in EXPERTS and spec.name not in names:
            raise InputError(f"{spec.name} needs its file")

    monkeypatch.setattr(TrackerSpec, "make", make)
    return names


@pytest.fixture(autouse=True)
def server(installed, monkeypatch):
    """A server of files: ``reachable`` says whether it answers."""

    class Server:
        reachable, requests = False, []

    def fetch(file, folder):
        Server.requests.append(file.name)
        if not Server.reachable:
            raise InputError("no network")
        installed.add("nanotrack-v3" if file.name.startswith("nano") else "fear-xs")

    Server.requests = []
    monkeypatch.setattr(download, "fetch", fetch)
    return Server


def test_with_all_files_here_the_experts_run_and_nothing_is_fetched(installed, server):
    installed.update(EXPERTS)
    spec, reason = choose_tracker(device="cpu")
    assert spec == TrackerSpec("experts", device="cpu") and "nanotrack-v3 and fear-xs" in reason
    assert server.requests == []


def test_missing_files_are_fetched_once_with_a_notice(installed, server):
    server.reachable = True
    installed.add("fear-xs")
    notices = []
    assert choose_tracker(notify=notices.append).spec.name == "experts"
    assert server.requests == ["nanotrackv3_backbone.onnx", "nanotrackv3_head.onnx"]
    (notice,) = notices
    assert notice.startswith("fetching nanotrack-v3, 2.6 MB, to ")


@pytest.mark.parametrize("offline", [True, False])
def test_without_network_and_files_a_tracker_runs_that_needs_none(server, offline):
    spec, reason = choose_tracker(offline=offline)
    assert spec.name == FALLBACK and reason.startswith("which needs no files, since ")
    # After the first file that cannot be had, no other one is tried.
    assert len(server.requests) == (0 if offline else 1)
    assert ("no network" in reason) is not offline


def test_one_expert_of_two_runs_alone_and_says_so(installed):
    installed.add("fear-xs")
    spec, reason = choose_tracker(offline=True)
    assert spec.name == "fear-xs" and reason == "alone, since nanotrack-v3 needs its file"


def test_weights_that_are_given_are_used_and_nothing_is_fetched(installed, server, tmp_path):
    installed.update(EXPERTS)
    assert choose_tracker(weights=[tmp_path]).spec.weights == (tmp_path,)
    installed.clear()
    with pytest.raises(InputError, match="nanotrack-v3 needs its file"):
        choose_tracker(weights=[tmp_path])
    assert server.requests == []


def test_a_checkpoint_chooses_its_own_tracker(tmp_path):
    file = tmp_path / "model.zip"
    file.touch()
    assert choose_tracker(file, trust=True).spec == TrackerSpec("sb3", checkpoint=file, trust=True)
    with pytest.raises(InputError):
        choose_tracker(tmp_path / "nothing")


def test_the_agent_that_comes_with_the_package_decides_among_experts_that_can_be_fetched():
    identities = default_tracker.ck.read(default_tracker.ck.PRETRAINED / "experts").config["experts"]
    assert {identity.split()[0] for identity in identities} <= set(default_tracker.TRACKERS)


def test_a_wrong_timeout_is_refused_before_a_download(server):
    server.reachable = True
    with pytest.raises(InputError, match="is nan; give a number of seconds above 0"):
        choose_tracker(timeout=float("nan"))
    assert server.requests == []


def test_the_timeout_is_the_chosen_trackers(server):
    assert choose_tracker(offline=True, timeout=3).spec.timeout == 3
    server.reachable = True
    assert choose_tracker(timeout=3).spec.timeout == 3
