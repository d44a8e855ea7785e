import json

import gymnasium as gym
import numpy as np
import pytest

import tracking_env  # noqa: F401  (registers the ids)
from tracking_env import boxes as bx
from tracking_env.datasets import synthetic
from tracking_env.datasets.loading import load
from tracking_env.datasets.sequence import ArrayFrames, Sequence
from tracking_env.envs import rewards
from tracking_env.errors import InputError
from tracking_env.search.ensemble import Report, Team, fuse, observe_run
from tracking_env.search.ensemble.runs import RunStore, columns, pack, run_team, unpack
from tracking_env.search.experts import make_expert
from tracking_env.search.experts.base import ExpertTracker
from tracking_env.trackers.base import run

EXPERTS = [make_expert(name) for name in ("grey", "colour")]
DRAWN = synthetic.generate(5, 12, (160, 120))


@pytest.fixture
def store(tmp_path):
    return RunStore(EXPERTS, tmp_path / "runs")


def test_packed_reports_are_unpacked_again():
    report = Team(EXPERTS)
    report.start([0], [DRAWN.frames[0]], [DRAWN.boxes[0]])
    looked = report.look([DRAWN.frames[1]], [0])
    rows = pack(looked)
    assert rows.shape == (1, 2, len(columns(2)))
    for before, after in zip(looked, unpack(rows), strict=True):
        np.testing.assert_array_equal(before, after)
    assert unpack(rows).running.dtype == bool
    assert columns(2)[:8] == ["x", "y", "w", "h", "confidence", "second_peak", "cross_score 0", "cross_score 1"]


@pytest.mark.parametrize("reward", ["iou", "l1"])
def test_rewards_of_a_stored_run_are_those_of_the_environment(store, reward):
    env = gym.make("OTBTrackExperts-v0", experts=EXPERTS, sequences=[DRAWN], split="all", reward=reward)
    env.reset(seed=0, options={"start": 0, "sequence": DRAWN.name})
    earned, over = [], False
    while not over:
        _, value, _, over, _ = env.step(np.zeros(9, np.float32))
        earned.append(value)
    report = store[DRAWN]
    fused = fuse(report.boxes, np.zeros((12, 2)), report.confidence, report.running)
    stored = rewards.REWARDS[reward](bx.to_relative(fused, DRAWN.size), DRAWN.relative.astype(float))
    np.testing.assert_allclose(earned, stored[: len(earned)], rtol=0, atol=1e-12)


def test_runs_are_made_once_and_read_without_experts(store, monkeypatch):
    assert store.build([DRAWN], progress=False) == 1
    report = store[DRAWN]
    np.testing.assert_array_equal(pack(report), run_team(Team(EXPERTS), DRAWN))
    assert not report.boxes.flags.writeable
    monkeypatch.setattr(Team, "look", None)  # nothing runs any more
    assert store.build([DRAWN], progress=False) == 0
    without = RunStore(None, store.folder)
    assert without.experts == ["grey v1", "colour v1"]
    np.testing.assert_array_equal(pack(without[DRAWN]), pack(report))
    with pytest.raises(InputError, match=rf"has no run of {DRAWN.name} from frame 3 on; build it"):
        without.get(DRAWN, 2)


def test_runs_may_start_later(store):
    report = store.get(DRAWN, 7)
    assert report.boxes.shape == (5, 2, 4) and len(store[DRAWN].boxes) == 12
    assert (bx.iou(report.boxes[0], DRAWN.boxes[7]) > 0.5).all()


def test_runs_may_start_with_a_made_loss_and_end_early(store):
    around = np.array([DRAWN.boxes[2], DRAWN.boxes[2] + [60, 30, 0, 0]])
    report = store.get(DRAWN, 2, 8, around)
    assert report.boxes.shape == (6, 2, 4) and len(store.get(DRAWN, 2).boxes) == 10
    assert bx.iou(report.boxes[0, 0], DRAWN.boxes[2]) > 0.5 > bx.iou(report.boxes[0, 1], DRAWN.boxes[2])
    assert len(list(store.folder.glob("*.npy"))) == 2
    np.testing.assert_array_equal(pack(store.get(DRAWN, 2, 8, around)), pack(report))


def test_observations_of_a_run_are_those_of_the_environment(store):
    env = gym.make("OTBTrackExperts-v0", experts=EXPERTS, sequences=[DRAWN], split="all")
    observations = [env.reset(seed=0, options={"start": 0, "sequence": DRAWN.name})[0]]
    observations += [env.step(np.zeros(9, np.float32))[0] for _ in range(len(DRAWN) - 1)]
    np.testing.assert_array_equal(observe_run(store[DRAWN]), observations)


def test_other_frames_or_boxes_are_other_runs(store):
    moved = Sequence(DRAWN.name, DRAWN.frames, DRAWN.boxes + np.array([3, 0, 0, 0]))
    darker = Sequence(DRAWN.name, ArrayFrames(np.stack([DRAWN.frames[i] // 2 for i in range(12)])), DRAWN.boxes)
    for sequence in (DRAWN, moved, darker):
        assert store.build([sequence], progress=False) == 1
    assert len(list(store.folder.glob("*.npy"))) == 3


def test_a_build_that_broke_off_goes_on(store, monkeypatch):
    other = synthetic.generate(6, 12, (160, 120))
    look, calls = Team.look, []

    def stop_in_the_second(self, *arguments):
        calls.append(1)
        if len(calls) > 15:
            raise KeyboardInterrupt
        return look(self, *arguments)

    monkeypatch.setattr(Team, "look", stop_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        store.build([DRAWN, other], progress=False)
    assert [path.name.startswith(DRAWN.name) for path in store.folder.glob("*.npy")] == [True]
    monkeypatch.setattr(Team, "look", look)
    assert store.build([DRAWN, other], progress=False) == 1


def test_other_stores_are_refused(store, tmp_path):
    with pytest.raises(
        InputError, match=r"holds runs of \['grey v1', 'colour v1'\], not of \['grey v1'\]; give another"
    ):
        RunStore(EXPERTS[:1], store.folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").touch()
    with pytest.raises(InputError, match="is not empty and no store of experts' runs; give another folder"):
        RunStore(EXPERTS, tmp_path / "other")
    with pytest.raises(InputError, match=r"is no store of experts' runs: it has no runs\.json"):
        RunStore(None, tmp_path / "other")
    with pytest.raises(InputError, match="without experts needs a folder"):
        RunStore(None)
    header = store.folder / "runs.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"format": 0}))
    with pytest.raises(InputError, match="is of another version, or damaged; delete"):
        RunStore(EXPERTS, store.folder)


def test_damaged_runs_are_refused(store):
    store.build([DRAWN], progress=False)
    (path,) = store.folder.glob("*.npy")
    content = path.read_bytes()
    path.write_bytes(content[:-8])
    with pytest.raises(InputError, match=r"cannot read the run .*; delete the file"):
        store[DRAWN]
    np.save(path, np.zeros((2, 2)))
    with pytest.raises(InputError, match=r"holds \(2, 2\) float64, wanted \(12, 2, 15\) float64; delete the file"):
        store[DRAWN]


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*give another folder"):
        RunStore(EXPERTS, tmp_path / "file" / "runs")


@pytest.mark.otb
def test_real_experts_without_resets_are_the_trackers(expert_files, otb_root, tmp_path):
    (couple,) = load(otb_root, "Couple")
    short = Sequence("Couple", ArrayFrames(np.stack([couple.frames[index] for index in range(15)])), couple.boxes[:15])
    experts = [make_expert(name, [expert_files]) for name in ("nanotrack-v3", "fear-xs")]
    report = RunStore(experts, tmp_path / "runs")[short]
    assert isinstance(report, Report)
    for index, expert in enumerate(experts):
        tracker = ExpertTracker(expert)
        tracker.init(short.frames[0], short.boxes[0])
        tracker.update(short.frames[0])  # the team looks at the first frame too
        scores = []
        for frame in (short.frames[place] for place in range(1, 15)):
            tracker.update(frame)
            scores.append(tracker.confidence)
        np.testing.assert_allclose(report.confidence[1:, index], scores, atol=1e-6)
    assert (bx.iou(report.boxes, short.boxes[:, None]) > 0.3).all()
    assert run(ExpertTracker(experts[0]), short).boxes.shape == (15, 4)
