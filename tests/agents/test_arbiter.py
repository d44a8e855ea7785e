import numpy as np
import pytest
import torch

from agents import arbiter
from agents.arbiter import Arbiter, ArbiterConfig, Outputs
from tracking_env.datasets import synthetic
from tracking_env.errors import InputError
from tracking_env.search.ensemble import EnsembleTracker, HandMadeRule
from tracking_env.search.ensemble.action import action_size, split_action
from tracking_env.search.ensemble.observation import CANDIDATE, CANDIDATE_DISTANCE
from tracking_env.search.experts import make_experts
from tracking_env.trackers.base import run


@pytest.mark.parametrize("pausing", [False, True])
def test_an_untrained_arbiter_gives_the_boxes_of_the_rule(pausing):
    torch.manual_seed(0)
    experts, video = make_experts(["grey", "colour"]), synthetic.generate(5, 30, (160, 120))
    untrained = Arbiter(44, 2, pausing=pausing).eval()
    trackers = [
        EnsembleTracker(policy, experts, "", pausing) for policy in (untrained, HandMadeRule(action_size(2, pausing)))
    ]
    boxes = [run(tracker, video).boxes for tracker in trackers]
    np.testing.assert_array_equal(*boxes)


ALL = torch.ones(1, 1, 1, dtype=torch.bool)
"""All switches are drawn."""


def trained(experts=2, pausing=False):
    """An arbiter with random weights in every layer."""
    torch.manual_seed(0)
    model = Arbiter(22 * experts, experts, pausing=pausing).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_experts_that_change_places_change_their_outputs():
    """But for each expert's own bias, the network is the same for all."""
    model = trained(3, pausing=True)
    with torch.no_grad():
        model.which.zero_()
        observations = torch.randn(2, 7, 66)
        order = [2, 0, 1]
        swapped = observations.unflatten(2, (3, 22))[:, :, order].flatten(2)
        outputs, after = model(observations)[0], model(swapped)[0]
    torch.testing.assert_close(after.overlap, outputs.overlap[..., order])
    torch.testing.assert_close(after.residual, outputs.residual)
    torch.testing.assert_close(after.switches, outputs.switches[..., [2, 0, 1, 5, 3, 4]])
    assert outputs.overlap.std() > 0.01 and outputs.switches.std() > 0.01


def test_frame_by_frame_gives_the_outputs_of_a_whole_run():
    model, observations, state, parts = trained(), torch.randn(3, 6, 44), None, []
    with torch.no_grad():
        whole = model(observations)[0]
        for frame in range(6):
            outputs, state = model(observations[:, frame : frame + 1], state)
            parts.append(outputs)
    for index, expected in enumerate(whole):
        torch.testing.assert_close(torch.cat([part[index] for part in parts], dim=1), expected)


def test_actions_are_those_of_the_environment():
    trust, residual = torch.tensor([[0.1, 0.2]]), torch.tensor([[0.3, 0.4, 0.5, 0.6]])
    sample = Outputs(trust, residual, torch.tensor([[0.0, 1.0, 1.0, 0.0]]))
    decision = split_action(arbiter.join_action(sample, torch.tensor([[0.1, 0.9]]), 0.5).numpy(), 2, True)
    np.testing.assert_allclose(decision.trust, trust)
    np.testing.assert_allclose(decision.residual, residual)
    assert decision.reset.tolist() == [[False, True]] and decision.running.tolist() == [[False, True]]
    assert not decision.scan.any()


def test_it_scans_where_no_box_is_expected_to_overlap_the_target():
    sample = Outputs(torch.zeros(3, 2), torch.zeros(3, 4), torch.zeros(3, 2))
    overlap = torch.tensor([[0.1, 0.39], [0.1, 0.41], [0.9, 0.1]])
    decision = split_action(arbiter.join_action(sample, overlap, 0.4).numpy(), 2, False)
    assert decision.scan.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("score", "distance", "put_back"),
    [(0.0, 0.0, False), (0.8, 0.5, True), (0.8, 9.0, False), (0.4, 0.5, False), (1.2, 4.0, True)],
    ids=["no candidate", "near", "too far", "a low score", "far, with a high score"],
)
def test_an_untrained_arbiter_puts_the_experts_back_on_a_near_candidate_with_a_high_score(score, distance, put_back):
    observations = torch.zeros(1, 1, 44)
    numbers = observations.unflatten(2, (2, 22))
    numbers[..., CANDIDATE] = torch.tensor([score + 0.1, score - 0.1]) * (score > 0)
    numbers[..., CANDIDATE_DISTANCE] = np.log1p(distance)
    untrained = Arbiter(44, 2).eval()
    with torch.no_grad():
        outputs, _ = untrained(observations)  # it expects an overlap of 0.5 of each box, whose log-odds are 0
    constant, on_score, on_distance, _ = arbiter.CANDIDATE_RULE
    logit = constant + on_score * score + on_distance * np.log1p(distance) if score else arbiter.NEVER
    torch.testing.assert_close(outputs.switches, torch.full((1, 1, 2), logit))
    assert untrained.mean_action(outputs)[0, 0, 6:8].tolist() == [put_back, put_back]


def test_the_more_an_arbiter_doubts_the_sooner_it_accepts_a_candidate():
    observations = torch.zeros(1, 1, 44)
    observations.unflatten(2, (2, 22))[..., CANDIDATE] = 0.5
    model, logits = Arbiter(44, 2).eval(), []
    for bias in (-4.0, -1.0, 1.0):
        with torch.no_grad():
            model.overlap.bias.fill_(bias)
            logits.append(model(observations)[0].switches[0, 0, 0].item())
    assert np.diff(logits) == pytest.approx([-(np.log(19) - 1), -2], abs=1e-4)  # overlaps below 0.05 count as 0.05


def test_without_noise_only_some_switches_are_drawn():
    outputs = Outputs(torch.rand(30, 4, 2), torch.rand(30, 4, 4), torch.full((30, 4, 2), 0.4))
    drawn = torch.tensor([True, True, False, False])[None, :, None].expand(30, 4, 1)
    sample = arbiter.sample_action(outputs, 0.0, drawn, torch.Generator().manual_seed(0))
    assert torch.equal(sample.overlap, outputs.overlap) and torch.equal(sample.residual, outputs.residual)
    assert 0.4 < sample.switches[:, :2].mean() < 0.8 and (sample.switches[:, 2:] == 1).all()
    on = np.log(1 / (1 + np.exp(-0.4)))  # the log-probability of a switch that is on; of one that is off:
    off = np.log(1 - np.exp(on))
    expected = torch.where(sample.switches == 1, on, off).sum(dim=-1) * drawn[..., 0]
    torch.testing.assert_close(arbiter.log_density(outputs, sample, 0.0, drawn), expected)


def test_only_some_frames_have_a_candidate():
    observations = torch.zeros(1, 3, 44)
    observations.unflatten(2, (2, 22))[0, 1, 1, CANDIDATE] = -0.2
    assert Arbiter(44, 2).has_candidate(observations)[0, :, 0].tolist() == [False, True, False]


def test_untrained_a_pause_is_unlikely_and_a_reset_more_so():
    with torch.no_grad():
        outputs, _ = Arbiter(44, 2, pausing=True).eval()(torch.zeros(1, 1, 44))
    chances = torch.sigmoid(outputs.switches[0, 0])
    torch.testing.assert_close(chances, torch.tensor([0.018, 0.018, 0.269, 0.269]), atol=1e-3, rtol=0)


def test_numbers_that_never_change_are_hidden():
    model, observations = trained(), torch.randn(50, 44)
    observations[:, 5] = 0.3
    model.fit_normaliser(observations)
    changed = observations[None].clone()
    changed[..., 5] = 2.0
    torch.testing.assert_close(model(changed)[0].overlap, model(observations[None])[0].overlap)


def test_the_log_density_of_samples_is_that_of_their_policy():
    outputs = Outputs(torch.full((1, 5, 2), 0.5), torch.zeros(1, 5, 4), torch.tensor([-20.0, 20.0]).expand(1, 5, 2))
    sample = arbiter.sample_action(outputs, 0.1, ALL, torch.Generator().manual_seed(0))
    assert (sample.switches == torch.tensor([0.0, 1.0])).all()
    assert 0 < (sample.overlap - outputs.overlap).abs().max() < 0.5
    moved = outputs._replace(overlap=outputs.overlap + 1.0)
    other = outputs._replace(switches=-outputs.switches)
    densities = [arbiter.log_density(policy, sample, 0.1, ALL) for policy in (outputs, moved, other)]
    assert densities[0].shape == (1, 5)
    assert (densities[0] > densities[1]).all() and (densities[0] > densities[2]).all()


def test_a_reset_has_the_gradient_of_a_bernoulli_variable():
    logit = torch.zeros(1, 1, 1, requires_grad=True)
    outputs = Outputs(torch.zeros(1, 1, 1), torch.zeros(1, 1, 4), logit)
    arbiter.log_density(outputs, outputs._replace(switches=torch.ones(1, 1, 1)), 0.1, ALL).sum().backward()
    assert logit.grad.item() == pytest.approx(0.5)  # 1 - p


def test_the_warm_start_prefers_the_better_expert():
    truth, mask = torch.tensor([[[0.8, 0.1]]]), torch.ones(1, 1)
    right, wrong = torch.tensor([[[0.8, 0.1]]]), torch.tensor([[[0.1, 0.8]]])
    assert arbiter.overlap_loss(right, truth, mask) < arbiter.overlap_loss(wrong, truth, mask)
    assert arbiter.overlap_loss(right, truth, torch.zeros(1, 1)) == 0


def test_the_rule_resets_the_worse_expert_after_five_frames_of_disagreement():
    overlap = torch.tensor([[0.7, 0.5]]).repeat(8, 1)[None]
    iou = torch.eye(2).expand(1, 8, 2, 2).clone()
    iou[0, 2] = 0.5  # the boxes overlap in one frame
    expected = [[0, 0]] * 7 + [[0, 1]]  # the fifth frame after it
    assert arbiter.reset_targets(overlap, iou)[0].tolist() == expected
    assert arbiter.reset_targets(torch.tensor([[[0.7, 0.65]]]).expand(1, 8, 2), iou).sum() == 0


def test_sizes_out_of_range_are_refused():
    with pytest.raises(InputError, match="give at least 1"):
        ArbiterConfig(width=0)
    with pytest.raises(InputError, match="give `input_dropout` and `dropout` from 0 to below 1"):
        ArbiterConfig(dropout=1.0)
