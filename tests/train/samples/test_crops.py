import numpy as np
import pytest
import torch

from agents.region_agent import RegionAgent, RegionAgentConfig
from tracking_env.datasets.sequence import ArrayFrames, Sequence
from tracking_env.datasets.synthetic import generate
from tracking_env.features.maps import SEARCH, CellMaps, make_maps
from train.samples.cutting import cut_crops

SEQUENCES = [generate(seed, length=6) for seed in (0, 1)]


@pytest.fixture(scope="module")
def crops():
    return cut_crops(SEQUENCES, make_maps("cells"), each=3, pretended=2, seed=0)


def test_every_frame_gives_a_fixed_number_of_crops(crops):
    assert len(crops.search) == 2 * 6 * (3 + 2)
    assert len(crops.template) == 2 * (2 * 6 + 2 * 6 * 2)  # plain and mirrored, of frames and of pretended targets
    assert crops.search.dtype == crops.template.dtype == torch.float16
    real = crops.last > crops.first
    assert int(real.sum()) == 36 and ((crops.frame >= crops.first) & (crops.frame <= crops.last)).all()


def test_the_true_box_is_mostly_inside_and_not_always_in_the_middle(crops):
    middle = crops.truth[:, :2]
    assert (crops.truth[:, 2:] > 0).all()
    assert ((middle > 0) & (middle < 1)).all(dim=1).float().mean() > 0.9
    assert (middle - 0.5).abs().mean() > 0.02
    torch.testing.assert_close(crops.location[:, :2], torch.full_like(middle, 0.5))


def test_a_mirrored_crop_has_a_mirrored_template():
    """Cells have no channel with a direction, so mirroring the maps equals mirroring the template."""
    cut = cut_crops(SEQUENCES[:1], make_maps("cells"), each=1, pretended=0, seed=0)
    plain, mirrored = cut.template[0].float(), cut.template[1].float()
    colours = slice(0, 6)
    torch.testing.assert_close(mirrored[colours].flip(-1), plain[colours], atol=0.1, rtol=0)
    torch.testing.assert_close(cut.target[0, 1:], cut.target[1, 1:])


def test_equal_seeds_give_equal_crops():
    first, again, other = (cut_crops(SEQUENCES[:1], make_maps("cells"), 2, 1, seed) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.truth, other.truth)


def test_a_batch_has_the_requested_share_of_pretended_targets(crops):
    model = RegionAgent(15, RegionAgentConfig(width=8))
    for share, expected in ((0.0, 0), (1.0, 400)):
        generator = torch.Generator().manual_seed(0)
        search, location, state, truth, proposals = crops.batch(model, 400, share, generator)
        assert search.shape == (400, 15, 16, 16) and location.shape == truth.shape == (400, 4) and proposals is None
        alone = (crops.first == crops.last).nonzero()[:, 0]
        rows = {tuple(row.tolist()) for row in crops.truth[alone]}
        assert sum(tuple(row.tolist()) in rows for row in truth) == expected
        assert state.memory.shape == state.template.shape == (400, 8, 25)


class Proposing(CellMaps):
    """Cells, and a proposal that identifies its template."""

    def propose(self, template, search):
        return np.full((5, 16, 16), template.mean(), np.float32)


def test_proposals_use_the_template_of_the_batch():
    cut = cut_crops(SEQUENCES, Proposing(), each=2, pretended=1, seed=0)
    expected = cut.template[cut.origin].float().mean(dim=(1, 2, 3))
    torch.testing.assert_close(cut.proposals[:, 0, 0, 0].float(), expected, atol=2e-3, rtol=2e-3)
    assert ((cut.origin // 2 >= cut.first) & (cut.origin // 2 <= cut.last)).all()
    batch = cut.batch(
        RegionAgent(15, RegionAgentConfig(width=8), proposals=True), 7, 0.5, torch.Generator().manual_seed(0)
    )
    assert batch.proposals.shape == (7, 5, 16, 16)


def test_a_stretched_crop_shows_the_stretched_target():
    """A white target on black: the box of each stretched crop encloses the target."""
    frame = np.zeros((200, 300, 3), np.uint8)
    frame[80:120, 100:180] = 255
    crops = []

    class Seeing(CellMaps):
        def __call__(self, crop):
            crops.append(crop)
            return super().__call__(crop)

    white = Sequence("white", ArrayFrames(np.stack([frame] * 2)), np.array([[101.0, 81, 80, 40]] * 2))
    cut = cut_crops([white], Seeing(), each=10, pretended=0, seed=1, stretch=0.4)
    shapes = cut.truth[:, 2] / cut.truth[:, 3]
    assert shapes.min() < 1.7 and shapes.max() > 2.3
    inside = 0
    for crop, (x, y, w, h) in zip([crop for crop in crops if len(crop) == SEARCH], cut.truth.tolist(), strict=True):
        rows, columns = np.nonzero(crop.mean(axis=2) > 60)
        seen = [columns.min(), columns.max() + 1, rows.min(), rows.max() + 1]
        expected = np.array([x - w / 2, x + w / 2, y - h / 2, y + h / 2]) * SEARCH
        if expected.min() > 0 and expected.max() < SEARCH:  # the whole target is inside the crop
            np.testing.assert_allclose(seen, expected, atol=2.5)
            inside += 1
    assert inside > 10


def test_frames_without_a_true_box_are_left_out():
    sequence = generate(2, length=5)
    boxes = sequence.boxes.copy()
    boxes[1:3] = 0
    hidden = type(sequence)(sequence.name, sequence.frames, boxes)
    assert len(cut_crops([hidden], make_maps("cells"), 1, 0, 0).search) == 3


def test_distorted_targets_and_random_boxes_lie_in_the_image():
    from train.samples.cutting import _distort, _random_box

    rng = np.random.default_rng(0)
    frame = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for _ in range(50):
        box = _random_box(frame, rng)
        changed, moved = _distort(frame, box, rng)
        height, width, _ = changed.shape
        assert (box[2:] > 0).all() and (box[:2] >= 1).all() and (box[:2] + box[2:] <= [65, 49]).all()
        np.testing.assert_allclose((moved[:2] - 1) / (width, height), (box[:2] - 1) / (64, 48), atol=1e-9)
