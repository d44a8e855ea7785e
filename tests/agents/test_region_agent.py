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
def test_each_optional_part_can_be_left_out(memory, template, correlation, look):
    agent = model(memory=memory, template=template, correlation=correlation, look=look)
    decision, state = agent(**observation())
    assert decision.mean.shape == (2, 4) and decision.scores.shape == (2, 256) and decision.boxes.shape == (2, 4, 256)
    second, after = agent(**observation(seed=1), state=state)
    second.mean.sum().backward()
    used = {name for name, parameter in agent.named_parameters() if parameter.grad is not None}
    assert {"query.weight", "key.weight", "score.weight", "pace_logit"} <= used
    assert torch.equal(after.memory, state.memory) != memory
    other = state._replace(template=state.template.flip(1))
    same = torch.equal(agent(**observation(seed=1), state=other)[0].mean, second.mean)
    assert same != template  # without a template only the memory matters


def test_an_untrained_network_returns_the_dominant_proposal():
    """One proposal has a far higher score than all others, so an untrained network returns its box."""
    torch.manual_seed(0)
    agent = RegionAgent(5, RegionAgentConfig(width=8), proposals=True)
    proposals = torch.tensor([0.0, 0.2, 0.2, 0.1, 0.1])[:, None, None].repeat(2, 1, 16, 16)
    proposals[:, :, 3, 7] = torch.tensor([60.0, 0.6, 0.4, 0.3, 0.2])
    inputs = observation()
    state = agent.begin(inputs["template"], inputs["target"])
    decision = agent.decide(inputs["search"], inputs["location"], state, proposals=proposals)
    torch.testing.assert_close(decision.mean, torch.tensor([[0.6, 0.4, 0.3, 0.2]] * 2))
    decision.mean.sum().backward()
    assert agent.trust.grad is not None and {id(agent.trust)} <= {id(part) for part in agent.last_layers()}


def test_acting_does_not_change_the_given_state():
    agent = model()
    first, state = agent(**observation())
    before = [part.clone() for part in state]
    agent(**observation(seed=1), state=state)
    assert all(torch.equal(a, b) for a, b in zip(before, state, strict=True))
    assert torch.equal(agent(**observation())[0].mean, first.mean)


def test_episodes_of_a_batch_are_independent():
    agent = model()
    both = observation()
    _, state = agent(**both)
    decision, _ = agent(**both, state=state)
    alone = {name: value[1:] for name, value in both.items()}
    _, other = agent(**alone)
    torch.testing.assert_close(agent(**alone, state=other)[0].mean[0], decision.mean[1])
    assert torch.equal(state.rows(torch.tensor([1])).memory, state.memory[1:])


def test_the_target_is_found_where_its_features_are():
    """With equal projections the cell that holds the template's pattern has the highest correlation."""
    agent = RegionAgent(6, RegionAgentConfig(width=6))
    with torch.no_grad():
        agent.query.weight.copy_(torch.eye(6)[:, :, None, None])
        agent.key.weight.copy_(torch.eye(6)[:, :, None])
        agent.query.bias.zero_()
        agent.key.bias.zero_()
    template = torch.zeros(1, 6, 8, 8)
    template[:, 2] = 1
    search = torch.zeros(1, 6, 16, 16)
    search[:, 0] = 1
    search[0, :, 3, 12] = torch.eye(6)[2]
    state = agent.begin(template, torch.tensor([[0.5, 0.5, 0.5, 0.5]]))
    query = torch.nn.functional.normalize(agent.query(search), dim=1)
    alike = torch.einsum("bwyx,bwk->bkyx", query, state.template).mean(dim=1)[0]
    assert divmod(int(alike.argmax()), 16) == (3, 12)


def test_the_size_is_damped_by_pace_and_pulled_to_the_first_size():
    agent = model()
    with torch.no_grad():
        agent.box.weight.zero_()
        agent.box.bias.copy_(torch.tensor([0.0, 0, 0.5, 0.5]))  # every cell predicts a box exp(0.5) times as large
    inputs = observation()
    state = agent.begin(inputs["template"], inputs["target"])
    pace, pull = agent.pace, agent.pull
    plain = agent.decide(inputs["search"], inputs["location"], state).mean
    torch.testing.assert_close(plain[:, 2:], inputs["location"][:, 2:] * np.exp(0.5))
    damped = agent.decide(inputs["search"], inputs["location"], state, inputs["zoom"] * 2).mean
    slower = inputs["location"][:, 2:] * torch.exp(0.5 * pace)
    first = inputs["target"][:, 2:] / CONTEXT / 2  # the region is twice as wide as the first one
    expected = slower ** (1 - pull) * first**pull
    torch.testing.assert_close(damped[:, 2:], expected)
    torch.testing.assert_close(damped[:, :2], plain[:, :2])


def test_acting_in_an_environment_equals_a_batch_of_one():
    agent, inputs = model(), observation(batch=1)
    arrays = {name: value[0].numpy() for name, value in inputs.items()}
    action, state = agent.act(arrays)
    decision, expected = agent(**inputs)
    np.testing.assert_array_equal(action, decision.mean[0].detach().numpy())
    assert all(torch.equal(a, b.detach()) for a, b in zip(state, expected, strict=True))


def test_a_single_frame_runs_on_one_thread_and_leaves_the_thread_count(monkeypatch):
    agent, inputs = model(), {name: value[0].numpy() for name, value in observation(batch=1).items()}
    before, during, decide = torch.get_num_threads(), [], agent.decide
    torch.set_num_threads(3)
    try:
        monkeypatch.setattr(agent, "decide", lambda *a, **k: during.append(torch.get_num_threads()) or decide(*a, **k))
        agent.act(inputs)
        with pytest.raises(RuntimeError):
            agent.act(inputs | {"search": inputs["template"]})
        assert during == [1, 1] and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_network_without_width_is_refused():
    with pytest.raises(InputError, match="width is 0"):
        RegionAgentConfig(width=0)


def test_a_network_without_template_and_memory_is_refused():
    with pytest.raises(InputError, match="without template and memory"):
        RegionAgentConfig(template=False, memory=False)


def test_an_episode_with_visible_0_ignores_the_appearance():
    agent, inputs = model(), observation()
    state = agent.begin(inputs["template"], inputs["target"])
    both = agent.decide(inputs["search"], inputs["location"], state, visible=torch.tensor([1.0, 0.0]))
    plain = agent.decide(inputs["search"], inputs["location"], state)
    torch.testing.assert_close(both.mean[0], plain.mean[0])
    assert not torch.allclose(both.scores[1], plain.scores[1])
