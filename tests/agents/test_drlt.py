import numpy as np
import pytest

torch = pytest.importorskip("torch")

from agents.drlt import DRLT, DRLTConfig  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402

FEATURES = 7


@pytest.fixture
def network():
    torch.manual_seed(0)
    model = DRLT(FEATURES, DRLTConfig(observation=11, hidden=9))
    model.fit_normaliser(torch.randn(50, FEATURES) * 3 + 5)
    return model


def clip(frames=6, batch=2, seed=1):
    """Features ``(B, T, D)`` and locations with the true box in the first frame."""
    generator = torch.Generator().manual_seed(seed)
    location = torch.zeros(batch, frames, 4)
    location[:, 0] = torch.rand(batch, 4, generator=generator)
    return torch.randn(batch, frames, FEATURES, generator=generator) * 3 + 5, location


def test_the_default_sizes_are_those_of_the_paper():
    assert DRLTConfig() == DRLTConfig(observation=5000, hidden=5000, keypoints=0)
    with torch.device("meta"):
        model = DRLT(4096)
    assert model.fc.in_features == 4100
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(220.5e6, rel=1e-3)  # protocol.md, section 4


@pytest.mark.parametrize("sizes", [{"observation": 0}, {"hidden": 3}])
def test_a_network_too_small_for_a_box_is_an_input_error(sizes):
    with pytest.raises(InputError, match="give at least 1 and 4"):
        DRLTConfig(**sizes)


def test_the_mean_is_the_last_four_units_of_the_lstm(network):
    features, location = clip()
    standard = (features - network.feature_mean) * network.feature_scale
    observation = torch.cat([standard, location], dim=-1) @ network.fc.weight.T + network.fc.bias
    h, _ = network.lstm(observation.clamp(min=0))
    mean, _ = network(features, location)
    assert mean.shape == (2, 6, 4)
    assert torch.allclose(mean, h[:, :, 5:9], atol=1e-6)


def test_the_location_changes_the_boxes_of_its_frame_and_later_frames(network):
    features, location = clip()
    moved = location.clone()
    moved[:, 2] = 0.5
    differs = (network(features, moved)[0] != network(features, location)[0]).any(dim=-1)
    assert not differs[:, :2].any()
    assert differs[:, 2:].all()


def test_stepping_tracking_and_one_pass_agree(network):
    features, location = clip(batch=1)
    with torch.no_grad():
        passed = network(features, location)[0][0].numpy()
    state, stepped = None, []
    for t in range(6):
        action, state = network.act({"features": features[0, t].numpy(), "location": location[0, t].numpy()}, state)
        assert action.shape == (4,) and action.dtype == np.float32
        stepped.append(action)
    assert np.allclose(stepped, passed, atol=1e-6)
    tracked = network.track(features[0].numpy(), location[0, 0].numpy())
    assert tracked.dtype == np.float32
    assert np.allclose(tracked, passed, atol=1e-6)


def test_tracking_accepts_half_precision_features_and_a_first_box_outside_the_image(network):
    features, _ = clip(batch=1)
    half = features[0].half().numpy()
    half.flags.writeable = False  # the feature store returns read-only arrays
    outside = network.track(half, np.array([-0.2, 0.5, 1.4, 0.5]))
    inside = network.track(half, np.array([0, 0.5, 1, 0.5]))
    assert np.array_equal(outside, inside)


def test_tracking_accepts_read_only_single_precision_features(network):
    features = clip(batch=1)[0][0].numpy()
    features.flags.writeable = False
    torch.set_warn_always(True)  # not only once per process
    try:
        assert network.track(features, np.full(4, 0.5, np.float32)).shape == (6, 4)
    finally:
        torch.set_warn_always(False)


def test_videos_of_a_batch_are_independent(network):
    features, location = clip()
    alone = torch.cat([network(features[i : i + 1], location[i : i + 1])[0] for i in range(2)])
    assert torch.allclose(network(features, location)[0], alone, atol=1e-6)


def test_a_clip_can_be_split_if_the_state_is_passed_on(network):
    features, location = clip()
    whole, after = network(features, location)
    first, state = network(features[:, :2], location[:, :2])
    second, end = network(features[:, 2:], location[:, 2:], state)
    assert torch.allclose(torch.cat([first, second], dim=1), whole, atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(end, after, strict=True))
    forgotten, _ = network(features[:, 2:], location[:, 2:])
    assert not torch.allclose(forgotten, second, atol=1e-3)


def test_acting_does_not_change_the_given_state(network):
    features, location = clip(batch=1)
    _, state = network(features, location)
    before = [part.clone() for part in state]
    network(features, location, state)
    network.act({"features": features[0, 0].numpy(), "location": location[0, 0].numpy()}, state)
    assert all(torch.equal(a, b) for a, b in zip(state, before, strict=True))


def test_the_network_keeps_no_state_of_its_own(network):
    features, location = clip()
    first = network(features, location)[0]
    network(*clip(seed=2))
    assert torch.equal(network(features, location)[0], first)


def test_the_normaliser_makes_zero_mean_and_unit_deviation():
    # Column 0 is 1, 3: mean 2, deviation 1. Column 1 is constant.
    model = DRLT(2, DRLTConfig(3, 4))
    model.fit_normaliser(torch.tensor([[1.0, 40], [3, 40]]))
    assert model.feature_mean.tolist() == [2, 40]
    assert model.feature_scale.tolist() == [1, 0]
    wide = torch.randn(1000, 5, generator=torch.Generator().manual_seed(0)) * 20 - 300
    model = DRLT(5, DRLTConfig(3, 4))
    model.fit_normaliser(wide.half())
    standard = (wide.half().float() - model.feature_mean) * model.feature_scale
    assert standard.mean(dim=0).abs().max() < 1e-3
    assert (standard.std(dim=0, correction=0) - 1).abs().max() < 1e-3


def test_a_feature_that_was_constant_in_training_is_ignored():
    model = DRLT(2, DRLTConfig(3, 4))
    model.fit_normaliser(torch.tensor([[1.0, 40], [3, 40]]))
    usual, strange = torch.tensor([[[1.0, 40]]]), torch.tensor([[[1.0, -9000]]])
    location = torch.zeros(1, 1, 4)
    assert torch.equal(model(usual, location)[0], model(strange, location)[0])


def test_a_new_network_does_not_scale_features():
    model = DRLT(2, DRLTConfig(3, 4))
    assert model.feature_mean.tolist() == [0, 0] and model.feature_scale.tolist() == [1, 1]


def test_the_normaliser_is_saved_with_the_weights_and_not_trained(network):
    other = DRLT(FEATURES, network.config)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other.feature_mean, network.feature_mean)
    assert torch.equal(other.feature_scale, network.feature_scale)
    assert torch.equal(other(*clip())[0], network(*clip())[0])
    assert {name.split(".")[0] for name, _ in network.named_parameters()} == {"fc", "lstm"}


def test_the_gradient_reaches_every_parameter(network):
    network(*clip())[0].sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_acting_and_tracking_build_no_graph(network):
    features, location = clip(batch=1)
    _, state = network.act({"features": features[0, 0].numpy(), "location": location[0, 0].numpy()})
    assert not any(part.requires_grad for part in state)


def test_half_precision_weights_track_nearly_the_same_and_keep_the_normaliser(network):
    features, location = clip(batch=1)
    network.feature_mean[0], network.feature_scale[0] = 1e5, 1e-5  # beyond half precision
    features[..., 0] *= 1e5
    whole = network.track(features[0].numpy(), location[0, 0].numpy())
    network.halve()
    half = network.track(features[0].numpy(), location[0, 0].numpy())
    assert half.dtype == np.float32 and (half != whole).any()
    assert half == pytest.approx(whole, abs=2e-3)
    action, state = network.act({"features": features[0, 0].numpy(), "location": location[0, 0].numpy()})
    assert action == pytest.approx(half[0], abs=1e-3) and action.dtype == np.float32
    assert state[0].dtype == torch.half


def test_with_keypoints_the_cells_of_a_channel_are_standardised_alike():
    model = DRLT(2 * 100, DRLTConfig(8, 6, keypoints=3, map_side=10))
    features = torch.randn(40, 200) * 3 + 5
    model.fit_normaliser(features)
    maps = features.view(40, 2, 100)
    assert torch.allclose(model.feature_mean.view(2, 100), maps.mean(dim=(0, 2))[:, None].expand(2, 100), atol=1e-5)
    assert torch.allclose(model.standardise(features).view(40, 2, 100).std(dim=(0, 2)), torch.ones(2), atol=1e-3)
    seen = model.keypoints(model.standardise(features))
    assert seen.shape == (40, model.keypoints.size) and model.fc.in_features == model.keypoints.size + 4
    coarse = seen[:, -2 * 25 :]  # the map averaged to 5 x 5, each number standardised
    assert torch.allclose(coarse.mean(dim=0), torch.zeros(50), atol=1e-4)
    assert torch.allclose(coarse.std(dim=0, correction=0), torch.ones(50), atol=1e-3)


@pytest.mark.parametrize(
    "sizes", [{"keypoints": -1}, {"keypoints": 4, "map_side": 12}, {"keypoints": 4, "map_side": 0}]
)
def test_keypoints_need_a_side_that_averages_to_the_coarse_map(sizes):
    with pytest.raises(InputError, match="a multiple of 5"):
        DRLTConfig(**sizes)
