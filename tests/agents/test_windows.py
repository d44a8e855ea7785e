from itertools import chain, pairwise

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import tracking_env  # noqa: E402, F401 (registers the environments)
from agents import reinforce, returns  # noqa: E402
from agents.drlt import DRLT, DRLTConfig  # noqa: E402
from agents.reinforce import ReinforceConfig  # noqa: E402
from agents.windows import WindowConfig, Windows  # noqa: E402
from benchmarks.speed import stepped_reinforce  # noqa: E402
from tracking_env.datasets.synthetic import generate  # noqa: E402
from tracking_env.envs.rewards import REWARDS  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402

LENGTHS = st.lists(st.integers(1, 23), min_size=1, max_size=6)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKING_ENV_CACHE", str(tmp_path / "cache"))


def windows(lengths, **config):
    """Videos whose one feature is 100 * video + frame + 1, and whose boxes have it, divided by 1000, in every place."""
    marks = [100.0 * video + np.arange(1, length + 1) for video, length in enumerate(lengths)]
    return Windows(
        [array[:, None].astype(np.float16) for array in marks],
        [np.repeat(array[:, None] / 1000, 4, axis=1).astype(np.float32) for array in marks],
        WindowConfig(**config),
    )


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def real(batch):
    """The marks of a batch's frames, padding left out, window by window."""
    return [row[mask == 1].tolist() for row, mask in zip(batch.features[..., 0], batch.mask, strict=True)]


def test_the_defaults_are_those_of_the_paper():
    assert WindowConfig() == WindowConfig(steps=10, batch=1, order="sequential", first_location="window")


@pytest.mark.parametrize("number", [{"steps": 0}, {"batch": 0}])
def test_empty_windows_or_batches_are_an_input_error(number):
    with pytest.raises(InputError, match="give numbers >= 1"):
        WindowConfig(**number)


def test_windows_follow_the_videos_and_mask_the_padding_at_their_ends():
    w = windows([5, 2, 4], steps=4)
    assert len(w) == 4
    batch = w[[0, 1, 2, 3]]
    assert real(batch) == [[1, 2, 3, 4], [5], [101, 102], [201, 202, 203, 204]]
    assert batch.mask.tolist() == [[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]]


@given(LENGTHS, st.integers(1, 12))
def test_windows_cover_every_frame_exactly_once(lengths, steps):
    w = windows(lengths, steps=steps)
    batch = w[list(range(len(w)))]
    assert batch.features.shape == (len(w), steps, 1) and batch.truth.shape == (len(w), steps, 4)
    marks = [100 * video + frame + 1 for video, length in enumerate(lengths) for frame in range(length)]
    assert list(chain(*real(batch))) == marks
    assert batch.mask[:, 0].all(), "no window is all padding"
    frames = batch.mask == 1
    assert torch.allclose(batch.truth[frames], (batch.features[frames] / 1000).expand(-1, 4), atol=1e-4)


def test_features_and_locations_of_padding_are_zero():
    batch = windows([5, 2, 4], steps=4)[[1, 2]]
    padding = batch.mask == 0
    assert padding.sum() == 5
    assert not batch.features[padding].any()
    assert not batch.location[padding].any()


def test_the_truth_of_padding_is_zero():
    batch = windows([5, 2, 4], steps=4)[[1, 2]]
    assert not batch.truth[batch.mask == 0].any()


def test_the_true_box_is_given_at_each_window():
    batch = windows([5, 2], steps=2)[[0, 1, 2, 3]]
    assert torch.equal(batch.location[:, 0], batch.truth[:, 0])
    assert batch.location[:, 0].all()
    assert not batch.location[:, 1:].any()


def test_the_true_box_can_be_given_only_at_the_start_of_each_video():
    batch = windows([5, 2], steps=2, first_location="video")[[0, 1, 2, 3]]
    assert torch.equal(batch.location[[0, 3], 0], batch.truth[[0, 3], 0])
    assert not batch.location[[1, 2]].any()
    assert not batch.location[:, 1:].any()


def test_a_first_box_that_sticks_out_is_clipped_in_the_location_and_not_in_the_truth():
    box = np.array([[-0.25, 0.5, 1.5, 0.5]], np.float32)
    batch = Windows([np.zeros((1, 1))], [box], WindowConfig(steps=1))[[0]]
    assert batch.location.flatten().tolist() == [0, 0.5, 1, 0.5]
    assert batch.truth.flatten().tolist() == box.flatten().tolist()


def test_where_names_the_video_and_frames_of_a_window():
    w = windows([5, 2], steps=4)
    assert [w.where(row) for row in range(3)] == [
        "video 0, window 1 (frames 1-4)",
        "video 0, window 2 (frames 5-5)",
        "video 1, window 1 (frames 1-2)",
    ]
    named = Windows([np.zeros((3, 1))], [np.zeros((3, 4))], WindowConfig(steps=2), names=["Suv"])
    assert named.where(1) == "Suv, window 2 (frames 3-3)"


def test_features_are_given_as_single_precision():
    assert windows([3], steps=2)[[0]].features.dtype == torch.float32


def test_a_sequential_epoch_goes_through_the_videos_in_order():
    w = windows([5, 2, 4], steps=2, batch=2)
    assert list(w.epoch(generator())) == [([0, 1], 0), ([2, 3], 0), ([4, 5], 0)]
    assert list(windows([5], steps=2, batch=2).epoch(generator())) == [([0, 1], 0), ([2], 0)]


@given(LENGTHS, st.integers(1, 5), st.integers(0, 99))
def test_a_shuffled_epoch_visits_every_window_once(lengths, batch, seed):
    w = windows(lengths, steps=3, batch=batch, order="shuffled")
    visits = list(w.epoch(generator(seed)))
    assert sorted(chain(*(rows for rows, _ in visits))) == list(range(len(w)))
    assert all(len(rows) == batch for rows, _ in visits[:-1])
    assert not any(carried for _, carried in visits)


@pytest.mark.parametrize("first_location", ["window", "video"])
def test_the_seed_decides_the_order(first_location):
    w = windows([9] * 8, steps=3, batch=4, order="shuffled", first_location=first_location)
    first, again, other = (list(w.epoch(generator(seed))) for seed in (1, 1, 2))
    assert first == again != other
    source = generator(1)
    assert list(w.epoch(source)) == first
    assert list(w.epoch(source)) != first, "the next epoch has another order"


def test_videos_of_a_group_advance_together():
    # Windows 0, 1, 2 | 3 | 4, 5: the longest video comes first, and videos that end leave from the back.
    w = windows([5, 2, 4], steps=2, batch=3, first_location="video")
    assert list(w.epoch(generator())) == [([0, 4, 3], 0), ([1, 5], 2), ([2], 1)]
    w = windows([5, 2, 4], steps=2, batch=2, first_location="video")
    assert list(w.epoch(generator())) == [([0, 3], 0), ([1], 1), ([2], 1), ([4], 0), ([5], 1)]


@given(LENGTHS, st.integers(1, 4), st.sampled_from(["sequential", "shuffled"]), st.integers(0, 99))
def test_carried_rows_continue_with_the_next_window_of_their_video(lengths, batch, order, seed):
    w = windows(lengths, steps=3, batch=batch, order=order, first_location="video")
    visits = list(w.epoch(generator(seed)))
    assert sorted(chain(*(rows for rows, _ in visits))) == list(range(len(w)))
    starts = w.at_start.tolist()
    assert visits[0][1] == 0
    for (before, _), (rows, carried) in pairwise(visits):
        assert rows[:carried] == [row + 1 for row in before[:carried]]
        assert not any(starts[row] for row in rows[:carried])
    for rows, carried in visits:
        assert len(rows) <= batch
        assert all(starts[row] for row in rows[carried:])


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment on five drawn sequences of 12 and 13 frames, two short windows among them."""
    sequences = [generate(seed, length, (64, 48)) for seed, length in enumerate([12, 13, 12, 13, 7])]
    store = tmp_path_factory.mktemp("store")
    return gym.make("OTBTrack-v0", sequences=sequences, store=store, split="all", clip_length=5)


@pytest.mark.parametrize("sigma", [0.01, 0.8])  # close to the truth; and mostly outside [0, 1]
@pytest.mark.parametrize("reward", ["l1", "iou"])
def test_the_fast_path_and_stepping_the_environment_agree(environment, reward, sigma):
    env = environment.unwrapped
    env.reward = reward
    sequences = list(env.sequences.values())
    w = Windows([env.store[s] for s in sequences], [s.relative for s in sequences], WindowConfig(steps=5, batch=4))
    clips = [(s, part) for s in sequences for part in s.windows("all", 5)]
    assert len(clips) == len(w)
    config, noise, compared = ReinforceConfig(episodes=2, sigma=sigma), generator(3), 0
    for rows, _ in w.epoch(generator()):
        batch = w[rows]
        actions = reinforce.sample(
            batch.truth, torch.randn(config.episodes, *batch.truth.shape, generator=noise), sigma
        )
        fast = REWARDS[reward](actions, batch.truth)
        for place, row in enumerate(rows):
            sequence, part = clips[row]
            assert int(batch.mask[place].sum()) == len(part)
            for episode in range(config.episodes):
                options = {"sequence": sequence.name, "start": part.start, "length": 5}
                observation, _ = environment.reset(options=options)
                for t in range(len(part)):
                    assert np.array_equal(observation["features"], batch.features[place, t].numpy())
                    assert np.array_equal(observation["location"], batch.location[place, t].numpy())
                    action = actions[episode, place, t]
                    observation, slow, _, over, _ = env.step(action.numpy())
                    assert slow == pytest.approx(float(fast[episode, place, t]), abs=1e-6)
                    compared += 1
                assert over
    assert compared == 2 * sum(map(len, sequences))
    if sigma > 0.5:
        assert ((actions < 0) | (actions > 1)).float().mean() > 0.3


@pytest.mark.parametrize("baseline", ["mean", "leave_one_out"])
@pytest.mark.parametrize("kind", ["step", "to_go"])
@pytest.mark.parametrize("reward", ["l1", "iou"])
def test_the_fast_and_the_stepped_path_have_equal_returns_and_gradients(environment, reward, kind, baseline):
    environment.unwrapped.reward = reward
    sequences = list(environment.unwrapped.sequences.values())
    store = environment.unwrapped.store
    w = Windows([store[s] for s in sequences], [s.relative for s in sequences], WindowConfig(steps=5))
    clips = [(s, part) for s in sequences for part in s.windows("all", 5)]
    rows = [1, 2, 13]  # five frames, two, and two of another video
    assert [len(clips[row][1]) for row in rows] == [5, 2, 2]
    torch.manual_seed(0)
    model = DRLT(w.features.shape[1], DRLTConfig(observation=16, hidden=12))
    model.fit_normaliser(w.features)
    with torch.no_grad():
        model.lstm.bias_ih_l0[2 * 12 + 8 : 3 * 12] += 1  # the box's cells fill at once, so that some boxes overlap
    config = ReinforceConfig(episodes=3, sigma=0.05, returns=kind, baseline=baseline)

    batch = w[rows]
    mean, _ = model(batch.features, batch.location)
    actions = reinforce.sample(mean, torch.randn(3, *mean.shape, generator=generator(1)), 0.05)
    gains = returns.returns(REWARDS[reward](actions, batch.truth), kind, batch.mask)
    advantages = gains - returns.baseline(gains, baseline)
    fast = reinforce.loss(mean, actions, advantages, 0.05, batch.mask).mean()
    fast.backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad(set_to_none=True)

    noise = torch.randn((3, *mean.shape), generator=generator(1))
    options = [{"sequence": clips[row][0].name, "start": clips[row][1].start, "length": 5} for row in rows]
    slow, stepped = stepped_reinforce.loss(environment, options, model, noise, config)
    slow.backward()
    for row, clip_returns in enumerate(stepped):
        assert torch.allclose(clip_returns, gains[:, row, : clip_returns.shape[1]], atol=1e-5)
    assert gains.any(), "some box overlaps"
    for name, parameter in model.named_parameters():
        scale = float(expected[name].abs().max())
        assert scale > 0
        assert float((parameter.grad - expected[name]).abs().max()) < 1e-5 * scale, name


def test_reinforce_reaches_the_known_optimum_of_a_tiny_env():
    # The only feature is the box itself, so the best policy copies it: reward 0, IoU 1.
    truths = [torch.rand(20, 4, generator=generator(seed)).numpy() * 0.4 + 0.3 for seed in range(4)]
    w = Windows(truths, truths, WindowConfig(steps=5, batch=8, order="shuffled"))
    torch.manual_seed(0)
    model = DRLT(4, DRLTConfig(observation=32, hidden=32))
    model.fit_normaliser(w.features)
    adam, noise = torch.optim.Adam(model.parameters(), lr=0.01), generator(1)
    for epoch in range(150):
        for group in adam.param_groups:
            group["lr"] = 0.01 * 0.01 ** (epoch / 149)
        for rows, _ in w.epoch(noise):
            batch = w[rows]
            mean, _ = model(batch.features, batch.location)
            actions = reinforce.sample(mean, torch.randn(5, *mean.shape, generator=noise), 0.01)
            gained = REWARDS["l1"](actions, batch.truth)
            advantages = gained - returns.baseline(gained, "mean")
            adam.zero_grad()
            reinforce.loss(mean, actions, advantages, 0.01, batch.mask).mean().backward()
            adam.step()
    batch = w[list(range(len(w)))]
    with torch.no_grad():
        mean, _ = model(batch.features, batch.location)
    assert float(REWARDS["iou"](mean, batch.truth).mean()) > 0.85


def test_frames_without_a_true_box_are_observed_but_have_no_loss():
    truth = np.full((9, 4), 0.5, np.float32)
    truth[[1, 3]] = 0  # in the second window it is the first frame
    features = np.arange(1.0, 10)[:, None].astype(np.float16)
    masks = {}
    for start in ("window", "video"):
        batch = Windows([features], [truth], WindowConfig(steps=3, first_location=start))[[0, 1, 2]]
        assert batch.features[..., 0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
        masks[start] = batch.mask.tolist()
    assert masks == {"window": [[1, 0, 1], [0, 0, 0], [1, 1, 1]], "video": [[1, 0, 1], [0, 1, 1], [1, 1, 1]]}
