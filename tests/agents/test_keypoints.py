import pytest

torch = pytest.importorskip("torch")

from agents.keypoints import COARSE, Keypoints  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402

SIDE = 10


@pytest.fixture
def layer():
    """One filter that sees nothing but the first of two channels, and is so sharp that one cell decides."""
    layer = Keypoints(2 * SIDE**2, SIDE, 1)
    with torch.no_grad():
        layer.filters.weight.copy_(torch.tensor([50.0, 0]).view(1, 2, 1, 1))
        layer.filters.bias.zero_()
    return layer


def bright(row, column):
    """A map that is 1 in one cell of the first channel, and noise in the second."""
    maps = torch.zeros(2, SIDE, SIDE)
    maps[0, row, column], maps[1] = 1, torch.randn(SIDE, SIDE)
    return maps.flatten()


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 7), (9, 2)])
def test_a_keypoint_is_at_the_centre_of_the_cell_that_its_filter_answers_to(layer, row, column):
    strength, x, spread_x, y, spread_y = layer(bright(row, column))[:5].tolist()
    assert (x, y) == pytest.approx(
        (1.5 * (2 * (column + 0.5) / SIDE - 1), 1.5 * (2 * (row + 0.5) / SIDE - 1)), abs=1e-4
    )
    assert strength == pytest.approx(1.5 * 50 / 5, rel=1e-4)
    assert max(spread_x, spread_y) < 0.01


def test_a_target_that_moves_moves_its_keypoint_and_changes_no_other_number(layer):
    before, after = layer(torch.stack([bright(4, 2), bright(4, 3)]))[:, :5]
    assert torch.allclose(after - before, torch.tensor([0, 1.5 * 2 / SIDE, 0, 0, 0]), atol=1e-4)


def test_two_equal_places_give_their_middle_and_half_their_distance():
    layer = Keypoints(SIDE**2, SIDE, 1)
    with torch.no_grad():
        layer.filters.weight.fill_(50)
    maps = torch.zeros(SIDE, SIDE)
    maps[2, 1] = maps[2, 7] = 1
    _, x, spread_x, y, spread_y = layer(maps.flatten())[:5].tolist()
    assert (x, y) == pytest.approx((1.5 * (2 * 4.5 / SIDE - 1), 1.5 * (2 * 2.5 / SIDE - 1)), abs=1e-4)
    assert spread_x == pytest.approx(1.5 * 2 * 6 / SIDE, abs=1e-3)
    assert spread_y < 0.01


def test_the_coarse_map_averages_cells_in_the_order_channel_row_column(layer):
    maps = torch.arange(2.0 * SIDE**2)
    expected = maps.view(2, COARSE, 2, COARSE, 2).mean(dim=(2, 4)).flatten()
    assert torch.equal(layer.coarse(maps[None])[0], expected)
    assert torch.equal(layer(maps[None])[0, 5:], expected)


def test_windows_of_a_batch_are_described_one_by_one(layer):
    maps = torch.randn(3, 4, 2 * SIDE**2)
    assert torch.allclose(layer(maps)[2, 1], layer(maps[2, 1]), atol=1e-5)


def test_its_gradient_is_finite_where_one_cell_has_all_the_weight(layer):
    layer(bright(3, 3)).sum().backward()
    assert torch.isfinite(layer.filters.weight.grad).all()


def test_features_that_are_no_map_of_that_size_are_an_input_error():
    with pytest.raises(InputError, match="1875 features are no map of 20 x 20 cells; give features of"):
        Keypoints(1875, 20, 4)
