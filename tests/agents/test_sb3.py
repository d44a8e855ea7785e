"""SB3 policies as trackers: those of train/sb3.py and those of other programs."""

import json
import math
import shutil
import types
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from gymnasium import spaces  # noqa: E402
from sb3_contrib import TQC, RecurrentPPO  # noqa: E402
from stable_baselines3 import PPO, SAC  # noqa: E402

from agents import sb3  # noqa: E402
from agents.checkpoints import sb3 as sb3_checkpoint  # noqa: E402
from agents.replay import FrameReplayBuffer  # noqa: E402
from agents.sb3 import ALGORITHMS, SB3Agent  # noqa: E402
from tracking_env import cli  # noqa: E402
from tracking_env.datasets import synthetic  # noqa: E402
from tracking_env.datasets.box_files import read_boxes  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402
from tracking_env.features.base import extract  # noqa: E402
from tracking_env.features.extractors import GridExtractor, PixelExtractor  # noqa: E402
from tracking_env.registry import TrackerSpec  # noqa: E402
from tracking_env.rendering import write_video  # noqa: E402
from tracking_env.trackers.base import PolicyTracker, run  # noqa: E402

SEQUENCE = synthetic.generate(1, length=6)
FEATURES = extract(GridExtractor(), SEQUENCE.frames)


def policy(algorithm, features=GridExtractor.dim, seed=0):
    torch.manual_seed(seed)
    return sb3.new_policy(algorithm, features, hidden=8, sigma=0.01)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tracking_in_one_pass_equals_acting_step_by_step(algorithm):
    made = policy(algorithm)
    sb3.fit_normaliser(made, torch.from_numpy(FEATURES))
    agent, state, boxes = SB3Agent(made), None, []
    for index, features in enumerate(FEATURES):
        location = SEQUENCE.relative[0] if index == 0 else np.zeros(4, np.float32)
        box, state = agent.act({"features": features, "location": location}, state)
        boxes.append(box)
    assert np.allclose(agent.track(FEATURES, SEQUENCE.relative[0]), boxes, atol=1e-6)
    assert np.ptp(boxes, axis=0).max() > 1e-4, "constant boxes would make the comparison pointless"
    assert np.min(boxes) >= 0 and np.max(boxes) <= 1
    with_box, without_box = (agent.track(FEATURES, first)[2:] for first in (SEQUENCE.relative[0], np.zeros(4)))
    remembers = not np.array_equal(with_box, without_box)
    assert remembers == (algorithm == "recurrent_ppo")


@pytest.mark.parametrize("algorithm", ["ppo", "recurrent_ppo", "a2c"])
def test_the_initial_policy_has_the_sigma_of_the_paper_and_a_centred_box(algorithm):
    made = policy(algorithm)
    assert (made.log_std.exp() / 2).detach().numpy() == pytest.approx([0.01] * 4)
    assert SB3Agent(made).track(FEATURES, SEQUENCE.relative[0]) == pytest.approx(0.5, abs=0.05)


def test_the_entropy_of_a_gaussian_is_that_of_torch():
    gaussian = torch.distributions.Normal(torch.zeros(4), torch.full((4,), 0.02))
    assert sb3.gaussian_entropy(0.02) == pytest.approx(gaussian.entropy().sum().item())
    assert sb3.gaussian_entropy(0.02, numbers=9) == pytest.approx(9 * gaussian.entropy()[0].item())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_sigma_is_set_in_every_algorithm_and_no_longer_learned(algorithm):
    options = {"buffer_size": 10, "replay_buffer_class": FrameReplayBuffer} if ALGORITHMS[algorithm].off_policy else {}
    made = ALGORITHMS[algorithm].algorithm_class(
        ALGORITHMS[algorithm].policy,
        Seen(sb3.observation_space(3), spaces.Box(-1, 1, (4,), np.float32)),
        policy_kwargs=sb3.policy_options(algorithm, 8, 0.1),
        device="cpu",
        **options,
    )
    sb3.set_sigma(made, 0.03)
    if algorithm == "sac":
        assert made.target_entropy == sb3.gaussian_entropy(0.03)
    elif algorithm == "td3":
        noises = np.concatenate([made.action_noise() for _ in range(1000)])
        assert noises.std() == pytest.approx(0.03, rel=0.1)
    else:
        observation = made.policy.obs_to_tensor({"features": np.zeros(3), "location": np.zeros(4)})[0]
        assert made.policy.log_std.exp().tolist() == pytest.approx([0.03] * 4) and observation
        assert not made.policy.log_std.requires_grad


class Seen(gym.Env):
    """An environment with the right spaces and no behaviour, to construct algorithms."""

    def __init__(self, observation, action):
        self.observation_space, self.action_space = observation, action


UNIT = spaces.Box(0, 1, (4,), np.float32)
DICT = sb3.observation_space(GridExtractor.dim)
FLAT = spaces.Box(-np.inf, np.inf, (GridExtractor.dim + 4,), np.float32)
PICTURE = spaces.Dict({"features": spaces.Box(0, 255, (40, 48, 3), np.uint8), "location": UNIT})


@pytest.mark.parametrize(
    ("made", "name", "observation", "action"),
    [
        (PPO, "MultiInputPolicy", DICT, UNIT),
        (RecurrentPPO, "MultiInputLstmPolicy", DICT, spaces.Box(-1, 1, (4,), np.float32)),
        (SAC, "MlpPolicy", FLAT, UNIT),
        (TQC, "MlpPolicy", FLAT, spaces.Box(-3, 5, (4,), np.float32)),
        (PPO, "MultiInputPolicy", PICTURE, UNIT),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
@pytest.mark.filterwarnings("ignore:You are trying to run PPO")
def test_a_saved_sb3_model_is_a_tracker(tmp_path, made, name, observation, action):
    options = {"policy_kwargs": {"net_arch": [8]}} | (
        {"buffer_size": 10} if made in (SAC, TQC) else {"n_steps": 8, "batch_size": 8}
    )
    if made is RecurrentPPO:
        options["policy_kwargs"]["lstm_hidden_size"] = 8
    model = made(name, Seen(observation, action), seed=0, device="cpu", **options)
    path = tmp_path / "model.zip"
    model.save(path)
    runner = TrackerSpec("sb3", checkpoint=path, trust=True).make()
    assert runner.id.startswith("sb3 model.zip ")
    boxes = runner.track(SEQUENCE).boxes
    # The output of model.predict for the same frames, in the bounds of its action space.
    state, start = None, np.array([True])
    for index, frame in enumerate(SEQUENCE.frames):
        location = SEQUENCE.relative[0].clip(0, 1) if index == 0 else np.zeros(4, np.float32)
        seen = {"features": FEATURES[index], "location": location}
        if observation is FLAT:
            seen = np.concatenate([FEATURES[index], location])
        elif observation is PICTURE:
            picture = PixelExtractor(40, 48).prepare(frame).transpose(2, 0, 1)
            seen = {"features": picture, "location": location}
        box, state = model.predict(seen, state, start, deterministic=True)
        start = np.array([False])
        if index:
            relative = (box - action.low) / (action.high - action.low)
            size = np.array([160, 120, 160, 120])
            x, y, w, h = relative * size
            assert boxes[index] == pytest.approx([x - w / 2 + 1, y - h / 2 + 1, w, h], abs=1e-3)


def saved(tmp_path, observation=DICT, action=UNIT):
    path = tmp_path / "model.zip"
    PPO("MultiInputPolicy", Seen(observation, action), policy_kwargs={"net_arch": [8]}, device="cpu").save(path)
    return path


def test_a_pickle_is_read_only_with_trust(tmp_path):
    with pytest.raises(InputError, match=r"holds pickles.* add trust=True"):
        TrackerSpec("sb3", checkpoint=saved(tmp_path)).make()


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (None, {"features": "vgg"}, "unknown extractor 'vgg'"),
        (None, {"features": "pixels"}, "trained on 1536 features a frame, pixels-84x84 gives 21168; .*`features`"),
        (lambda path: path.write_bytes(b"text"), {}, "is no SB3 model"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"policy.pth", b"nothing.pt")), {}, "cannot read"),
    ],
)
def test_a_mismatched_file_is_refused(tmp_path, change, options, message):
    path = saved(tmp_path)
    if change:
        change(path)
    with pytest.raises(InputError, match=message) as caught:
        TrackerSpec("sb3", checkpoint=path, trust=True, **options).make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("observation", "action", "message"),
    [
        (DICT, spaces.Box(0, 1, (2,), np.float32), r"actions are Box.*\(2,\)"),
        (spaces.Dict({"picture": UNIT}), UNIT, "the model sees Dict.* wanted OTBTrack-v0's Dict"),
    ],
)
def test_a_policy_that_cannot_track_is_refused(tmp_path, observation, action, message):
    with pytest.raises(InputError, match=message):
        TrackerSpec("sb3", checkpoint=saved(tmp_path, observation, action), trust=True).make()


@pytest.fixture
def trained(tmp_path):
    """The folder of a run with one checkpoint, and the policy of the checkpoint."""
    env = Seen(DICT, spaces.Box(-1, 1, (4,), np.float32))
    model = PPO("MultiInputPolicy", env, policy_kwargs=sb3.policy_options("ppo", 8, 0.01), device="cpu")
    facts = {"algorithm": "ppo", "features": GridExtractor.dim, "hidden": 8, "extractor": GridExtractor.id}
    run = {"data": {"features": "grid", "weights": None}}
    path = sb3_checkpoint.save(tmp_path / "run" / "checkpoints", model, facts | {"best": None, "run": run})
    sb3_checkpoint.export(path)
    return path, model.policy


def test_a_checkpoint_tracks_without_a_pickle(trained, monkeypatch):
    path, made = trained
    for name in ("load", "loads"):
        monkeypatch.setattr(f"pickle.{name}", lambda *_: pytest.fail("a pickle is read"))
    runner = TrackerSpec("sb3", checkpoint=path.parents[1]).make()
    expected = run(PolicyTracker(SB3Agent(made), GridExtractor()), SEQUENCE).boxes
    np.testing.assert_allclose(runner.track(SEQUENCE).boxes, expected, atol=1e-3)
    assert runner.id == TrackerSpec("sb3", checkpoint=path).make().id


@pytest.mark.parametrize("algorithm", ["ppo", "recurrent_ppo", "sac"])
def test_equal_weights_are_equal_files_and_load_again(algorithm, tmp_path):
    torch.manual_seed(0)
    policy = sb3.new_policy(algorithm, GridExtractor.dim, 8, sigma=0.01)
    model = types.SimpleNamespace(policy=policy, num_timesteps=1, _n_updates=1, _episode_num=1)
    facts = {"algorithm": algorithm, "features": GridExtractor.dim, "hidden": 8, "extractor": GridExtractor.id}
    facts |= {"best": None, "run": {}}
    contents = set()
    for number in range(6):
        path = sb3_checkpoint.save(tmp_path / str(number), model, facts, training=False)
        contents.add((path / "model.safetensors").read_bytes())
    assert len(contents) == 1
    loaded = sb3_checkpoint.load(path).policy().state_dict()
    assert loaded.keys() == policy.state_dict().keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in policy.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(GridExtractor.id, "other-1"), "was trained on other-1, not on grid"),
        (lambda text: text[:20], "damaged"),
        (
            lambda text: text.replace('"algorithm"', '"network"').replace('"steps"', '"epoch"'),
            "checkpoint of train/reinforce.py; its tracker is drlt",
        ),
    ],
)
def test_a_mismatched_checkpoint_is_refused(trained, change, message):
    config = trained[0] / "config.json"
    config.write_text(change(config.read_text()))
    with pytest.raises(InputError, match=message) as caught:
        TrackerSpec("sb3", checkpoint=trained[0]).make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace('"hidden": 8', '"hidden": 9'), "damaged or of another version"),
        (lambda text: text.replace('"ppo"', '"pppo"'), "damaged or of another version: 'pppo'"),
    ],
)
def test_training_does_not_resume_from_a_damaged_checkpoint(trained, change, message):
    config = trained[0] / "config.json"
    config.write_text(change(config.read_text()))
    with pytest.raises(InputError, match=message):
        sb3_checkpoint.load(trained[0]).policy()


def test_wrong_combinations_of_options_are_refused(trained, tmp_path):
    with pytest.raises(InputError, match="give checkpoint='RUN'"):
        TrackerSpec("sb3").make()
    with pytest.raises(InputError, match="no checkpoint in"):
        TrackerSpec("sb3", checkpoint=tmp_path / "nowhere").make()
    with pytest.raises(InputError, match="says what it was trained on; leave out features='grid'"):
        TrackerSpec("sb3", checkpoint=trained[0], features="grid").make()
    with pytest.raises(InputError, match=r"of train/sb3.py; its tracker is sb3"):
        TrackerSpec("drlt", checkpoint=trained[0]).make()
    with pytest.raises(InputError, match="drlt takes no `trust`"):
        TrackerSpec("drlt", checkpoint=trained[0], trust=True).make()
    shutil.rmtree(trained[0])
    with pytest.raises(InputError, match="no checkpoint in"):
        TrackerSpec("sb3", checkpoint=tmp_path / "run").make()


def test_the_replay_buffer_returns_the_selected_reward():
    np.random.seed(0)
    space = sb3.observation_space(3)
    buffer = FrameReplayBuffer(6, space, UNIT, "cpu", n_envs=2)
    for step in range(4):  # three steps fit
        seen = {"features": np.full((2, 3), step, np.float32), "location": np.full((2, 4), step / 4, np.float32)}
        infos = [{"reward_l1": -step, "reward_iou": step / 10 + environment} for environment in range(2)]
        buffer.add(seen, seen, np.full((2, 4), step, np.float32), np.zeros(2), np.zeros(2), infos)
    assert buffer.size() == 3 and buffer.full
    batch = buffer.sample(50)
    step = batch.observations["features"][:, 0]
    assert set(step.tolist()) == {1, 2, 3}, "the oldest step is overwritten"
    assert torch.equal(batch.rewards[:, 0], -step) and torch.equal(batch.actions[:, 0], step)
    assert batch.observations["features"].dtype == torch.float32 and (batch.dones == 1).all()
    buffer.reward = "iou"
    batch = buffer.sample(50)
    fraction = (batch.rewards[:, 0] * 10).round() / 10
    assert {round(reward % 1, 1) for reward in fraction.tolist()} == {0.1, 0.2, 0.3}
    assert math.isclose(batch.rewards.max().item(), 1.3, abs_tol=1e-6)
    assert json.dumps(sorted(buffer.tensors())) == '["actions", "features", "iou", "l1", "location"]'


def test_the_track_command_runs_an_sb3_agent_on_a_video(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(Path("clip.mp4"), (SEQUENCE.frames[at] for at in range(len(SEQUENCE))))
    saved(tmp_path)
    track = ["track", "--video", "clip.mp4", "--box", "9,9,30,30", "--tracker", "sb3", "--checkpoint"]
    for arguments in (["run"], ["model.zip", "--trust", "--features", "grid"]):
        assert cli.main([*track, *arguments]) == 0
        assert read_boxes(Path("tracked/sb3/clip.txt")).shape == (6, 4)
    assert cli.main([*track, "model.zip"]) == 2
