import gymnasium as gym
import numpy as np
import pytest

import tracking_env  # noqa: F401 (registers the environments)
from tracking_env import boxes as bx
from tracking_env.datasets.sequence import ArrayFrames, Sequence
from tracking_env.datasets.synthetic import generate
from tracking_env.features.base import extract
from tracking_env.features.extractors import GridExtractor
from tracking_env.features.store import FeatureStore
from tracking_env.trackers.base import PolicyTracker, Trajectory, run

DIM = 12 * 16 * 8


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))


class Halved:
    """Grid features rounded to half precision, so that those of the store are equal."""

    id, dim = "grid-halved", DIM
    prepare = staticmethod(GridExtractor().prepare)

    def __call__(self, frames):
        return GridExtractor()(frames).astype(np.float16).astype(np.float32)


class Recorder:
    """A tracker that records its arguments, and returns the number of its update."""

    def __init__(self):
        self.told, self.frames = [], []

    def init(self, frame, box):
        self.told.append(box.copy())
        self.frames.append(frame)

    def update(self, frame):
        self.frames.append(frame)
        return np.full(4, float(len(self.frames)))


class Echo:
    """A policy that remembers its first location, moves by 0.2 per frame, and ignores features."""

    def act(self, observation, state):
        here = observation["location"] if state is None else state + np.float32([0.2, 0, 0, 0])
        return here, here


def sequence(length=5, boxes=(11, 6, 30, 20), size=(100, 50)):
    frames = np.zeros((length, size[1], size[0], 3), np.uint8) + np.arange(length, dtype=np.uint8)[:, None, None, None]
    moving = np.tile(np.array(boxes, float), (length, 1)) + np.arange(length)[:, None]
    return Sequence("five", ArrayFrames(frames), moving)


@pytest.fixture(scope="module")
def drlt():
    torch = pytest.importorskip("torch")
    from agents.drlt import DRLT, DRLTConfig

    torch.manual_seed(0)
    model = DRLT(DIM, DRLTConfig(observation=16, hidden=12))
    model.fit_normaliser(torch.from_numpy(extract(GridExtractor(), [generate(s, 1).frames[0] for s in range(8)])))
    return model


def test_a_tracker_gets_only_the_true_box_of_the_first_frame():
    tracker, s = Recorder(), sequence()
    run(tracker, s)
    assert len(tracker.told) == 1
    assert np.array_equal(tracker.told[0], s.boxes[0])
    assert [int(frame[0, 0, 0]) for frame in tracker.frames] == [0, 1, 2, 3, 4]


def test_a_trajectory_has_the_first_box_as_given_and_a_time_for_each_frame():
    s = sequence()
    done = run(Recorder(), s)
    assert done.boxes.shape == (5, 4) and done.seconds.shape == (5,)
    assert np.array_equal(done.boxes[0], s.boxes[0])
    assert done.boxes[1:, 0].tolist() == [2, 3, 4, 5]
    assert (done.seconds > 0).all()


@pytest.mark.parametrize(("frames", "count"), [(None, 5), (1, 1), (3, 3), (5, 5), (99, 5)])
def test_a_run_can_stop_early_but_not_after_the_last_frame(frames, count):
    tracker = Recorder()
    done = run(tracker, sequence(), frames)
    assert len(done.boxes) == len(done.seconds) == len(tracker.frames) == count


def test_fps_is_frames_over_all_seconds():
    assert Trajectory(np.zeros((3, 4)), np.array([0.25, 0.5, 0.75])).fps == pytest.approx(2)


def test_boxes_of_a_policy_are_clipped_to_the_image_and_in_pixels():
    # The box starts at centre 0.25, 0.3 with 0.3 x 0.4 of 100 x 50, and moves 20 pixels a frame: 25, 45, 65, 85, and
    # then 105, clipped to 100. Left edge: 15 less, in 1-based pixels 14 less.
    done = run(PolicyTracker(Echo(), Halved()), sequence())
    assert done.boxes[1:] == pytest.approx(np.array([[x, 6, 30, 20] for x in (31, 51, 71, 86)]), abs=1e-4)


def test_a_policy_gets_a_clipped_first_box():
    tracker = PolicyTracker(Echo(), Halved())
    tracker.init(np.zeros((50, 100, 3), np.uint8), np.array([-99.0, 6, 30, 20]))
    assert tracker.state.dtype == np.float32
    assert tracker.state == pytest.approx([0, 0.3, 0.3, 0.4])


def test_a_tracker_starts_afresh_on_the_next_sequence(drlt):
    tracker, s = PolicyTracker(drlt, Halved()), generate(1, 6, (64, 48))
    first = run(tracker, s).boxes
    run(tracker, generate(2, 9, (64, 48)))
    assert np.array_equal(run(tracker, s).boxes, first)


def test_tracking_raw_frames_stepping_the_environment_and_one_pass_give_the_same_boxes(drlt, tmp_path):
    s = generate(3, 20, (96, 72))
    raw = run(PolicyTracker(drlt, Halved()), s).boxes

    env = gym.make("OTBTrack-v0", sequences=[s], split="all", clip_length=None, features=Halved(), store=tmp_path / "s")
    observation, _ = env.reset()
    state, rolled, over = None, [], False
    while not over:
        action, state = drlt.act(observation, state)
        observation, _, _, over, info = env.unwrapped.step(action)
        rolled.append(info["prediction"])
    assert len(rolled) == 20
    assert np.array_equal(raw[1:], rolled[1:])

    stored = FeatureStore(Halved(), tmp_path / "s")[s]
    passed = bx.to_pixels(bx.clip_box(drlt.track(stored, s.relative[0]).astype(float)), s.size)
    assert raw[1:] == pytest.approx(passed[1:], abs=1e-3)  # pixels: a batch of frames sums in another order


def test_unrounded_features_move_the_boxes_by_less_than_a_pixel(drlt):
    s = generate(3, 20, (96, 72))
    rounded, exact = (run(PolicyTracker(drlt, extractor), s).boxes for extractor in (Halved(), GridExtractor()))
    assert not np.array_equal(rounded, exact)
    assert rounded == pytest.approx(exact, abs=0.5)


def test_boxes_of_a_policy_depend_on_the_frames(drlt):
    boxes = run(PolicyTracker(drlt, Halved()), generate(3, 20, (96, 72))).boxes
    assert np.ptp(boxes[1:], axis=0).max() > 0.5
