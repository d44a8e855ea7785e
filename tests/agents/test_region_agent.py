import numpy as np
import pytest
import torch

from agents.region_agent import RegionAgent, RegionAgentConfig
from tracking_env.errors import InputError
from tracking_env.search.window import CONTEXT


def observation(batch=2, channels=5, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    return {
        "search": draw(batch, channels, 16, 16),
        "template": draw(batch, channels, 8, 8),
        "target": torch.tensor([[0.5, 0.5, 0.4, 0.6]]).expand(batch, 4),
        "location": torch.tensor([[0.5, 0.5, 0.2, 0.3]]).expand(batch, 4),
        "zoom": torch.ones(batch, 1),
    }


def model(seed=0, **options):
    torch.manual_seed(seed)
    return RegionAgent(5, RegionAgentConfig(width=8, **options))


@pytest.mark.parametrize(("memory", "template"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("correlation", [True, False])
@pytest.mark.parametrize("look", [True, False])
def test_every_part_can_be_left_out(memory, template, correlation, look):
    one = model(memory=memory, template=template, correlation=correlation, look=look)
    decision, state = one(**observation())
    assert decision.mean.shape == (2, 4) and decision.scores.shape == (2, 256) and decision.boxes.shape == (2, 4, 256)
    again, after = one(**observation(seed=1), state=state)
    again.mean.sum().backward()
    used = {name for name, parameter in one.named_parameters() if parameter.grad is not None}
    assert {"query.weight", "key.weight", "score.weight", "pace_logit"} <= used
    assert torch.equal(after.memory, state.memory) != memory
    other = state._replace(template=state.template.flip(1))
    same = torch.equal(one(**observation(seed=1), state=other)[0].mean, again.mean)
    assert same != template  # without it, memory alone counts


def test_what_is_proposed_is_where_it_begins():
    """One proposal that all others fall behind: an untrained network says its box."""
    torch.manual_seed(0)
    one = RegionAgent(5, RegionAgentConfig(width=8), proposals=True)
    proposals = torch.tensor([0.0, 0.2, 0.2, 0.1, 0.1])[:, None, None].repeat(2, 1, 16, 16)
    proposals[:, :, 3, 7] = torch.tensor([60.0, 0.6, 0.4, 0.3, 0.2])
    seen = observation()
    state = one.begin(seen["template"], seen["target"])
    decision = one.decide(seen["search"], seen["location"], state, proposals=proposals)
    torch.testing.assert_close(decision.mean, torch.tensor([[0.6, 0.4, 0.3, 0.2]] * 2))
    decision.mean.sum().backward()
    assert one.trust.grad is not None and {id(one.trust)} <= {id(part) for part in one.last_layers()}


def test_the_state_is_a_value():
    one = model()
    first, state = one(**observation())
    kept = [part.clone() for part in state]
    one(**observation(seed=1), state=state)
    assert all(torch.equal(a, b) for a, b in zip(kept, state, strict=True))
    assert torch.equal(one(**observation())[0].mean, first.mean)


def test_episodes_of_a_batch_do_not_touch_each_other():
    one = model()
    both = observation()
    _, state = one(**both)
    decision, _ = one(**both, state=state)
    alone = {name: value[1:] for name, value in both.items()}
    _, other = one(**alone)
    torch.testing.assert_close(one(**alone, state=other)[0].mean[0], decision.mean[1])
    assert torch.equal(state.rows(torch.tensor([1])).memory, state.memory[1:])


def test_the_target_is_found_where_its_features_are():
    """With equal projections the cell that holds the template's pattern has the highest correlation."""
    one = RegionAgent(6, RegionAgentConfig(width=6))
    with torch.no_grad():
        one.query.weight.copy_(torch.eye(6)[:, :, None, None])
        one.key.weight.copy_(torch.eye(6)[:, :, None])
        one.query.bias.zero_()
        one.key.bias.zero_()
    template = torch.zeros(1, 6, 8, 8)
    template[:, 2] = 1
    search = torch.zeros(1, 6, 16, 16)
    search[:, 0] = 1
    search[0, :, 3, 12] = torch.eye(6)[2]
    state = one.begin(template, torch.tensor([[0.5, 0.5, 0.5, 0.5]]))
    query = torch.nn.functional.normalize(one.query(search), dim=1)
    alike = torch.einsum("bwyx,bwk->bkyx", query, state.template).mean(dim=1)[0]
    assert divmod(int(alike.argmax()), 16) == (3, 12)


def test_a_size_changes_by_its_pace_and_is_pulled_back_to_the_first():
    one = model()
    with torch.no_grad():
        one.box.weight.zero_()
        one.box.bias.copy_(torch.tensor([0.0, 0, 0.5, 0.5]))  # every cell says: exp(0.5) times as large
    seen = observation()
    state = one.begin(seen["template"], seen["target"])
    pace, pull = one.pace, one.pull
    plain = one.decide(seen["search"], seen["location"], state).mean
    torch.testing.assert_close(plain[:, 2:], seen["location"][:, 2:] * np.exp(0.5))
    damped = one.decide(seen["search"], seen["location"], state, seen["zoom"] * 2).mean
    slower = seen["location"][:, 2:] * torch.exp(0.5 * pace)
    first = seen["target"][:, 2:] / CONTEXT / 2  # of a region that is twice as wide by now
    expected = slower ** (1 - pull) * first**pull
    torch.testing.assert_close(damped[:, 2:], expected)
    torch.testing.assert_close(damped[:, :2], plain[:, :2])


def test_acting_on_one_environment_is_the_batch_of_one():
    one, seen = model(), observation(batch=1)
    arrays = {name: value[0].numpy() for name, value in seen.items()}
    action, state = one.act(arrays)
    decision, expected = one(**seen)
    np.testing.assert_array_equal(action, decision.mean[0].detach().numpy())
    assert all(torch.equal(a, b.detach()) for a, b in zip(state, expected, strict=True))


def test_one_frame_is_decided_by_one_thread_and_others_keep_theirs(monkeypatch):
    one, seen = model(), {name: value[0].numpy() for name, value in observation(batch=1).items()}
    before, during, decide = torch.get_num_threads(), [], one.decide
    torch.set_num_threads(3)
    try:
        monkeypatch.setattr(one, "decide", lambda *a, **k: during.append(torch.get_num_threads()) or decide(*a, **k))
        one.act(seen)
        with pytest.raises(RuntimeError):
            one.act(seen | {"search": seen["template"]})
        assert during == [1, 1] and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_network_without_width_is_refused():
    with pytest.raises(InputError, match="width is 0"):
        RegionAgentConfig(width=0)


def test_who_knows_no_target_is_refused():
    with pytest.raises(InputError, match="without template and memory"):
        RegionAgentConfig(template=False, memory=False)


def test_who_is_blind_does_not_see_what_things_are():
    one, seen = model(), observation()
    state = one.begin(seen["template"], seen["target"])
    both = one.decide(seen["search"], seen["location"], state, visible=torch.tensor([1.0, 0.0]))
    plain = one.decide(seen["search"], seen["location"], state)
    torch.testing.assert_close(both.mean[0], plain.mean[0])
    assert not torch.allclose(both.scores[1], plain.scores[1])
