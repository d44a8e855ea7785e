"""Steps of the optimisers: the gradient that reaches Adam is clipped, and the norm before clipping is reported."""

import pytest

torch = pytest.importorskip("torch")

from agents.drlt import DRLT, DRLTConfig  # noqa: E402
from agents.windows import Batch  # noqa: E402
from tracking_env.errors import InputError  # noqa: E402
from train.config import RunConfig  # noqa: E402
from train.learner import Learner  # noqa: E402
from train.run import optimisation  # noqa: E402
from train.run.schedule import ScheduleConfig  # noqa: E402


@pytest.mark.parametrize(("clip_norm", "moved"), [(1.0, [0.6, 0.8]), (10.0, [3, 4])])
def test_a_step_moves_the_weights_by_the_clipped_gradient(clip_norm, moved):
    # The loss 3 x + 4 y has the gradient (3, 4) of norm 5; SGD at rate 1 moves by the gradient itself.
    model = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    loss = (model.weight * torch.tensor([3.0, 4.0])).sum()
    norm = optimisation.step(model, torch.optim.SGD(model.parameters(), lr=9.0), loss, clip_norm, 1.0, 0)
    assert norm == pytest.approx(5)
    assert model.weight[0].tolist() == pytest.approx([-value for value in moved])


def test_a_loss_that_is_not_finite_stops_before_the_step():
    model = torch.nn.Linear(2, 1)
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(InputError, match="not finite in update 5; nothing was learned"):
        optimisation.step(
            model, torch.optim.Adam(model.parameters()), model.bias.sum() * float("nan"), 1.0, lr=1.0, done=4
        )
    assert all(map(torch.equal, before, model.parameters()))


def first_moment(clip_norm):
    """The gradient's norm that an update reports, and that of Adam's first moment after it."""
    torch.manual_seed(0)
    learner = Learner(DRLT(3, DRLTConfig(4, 5)), RunConfig(schedule=ScheduleConfig(clip_norm=clip_norm)))
    shape = (2, 6)
    batch = Batch(torch.randn(*shape, 3), torch.zeros(*shape, 4), torch.rand(*shape, 4), torch.ones(shape))
    update = learner.update(batch, torch.randn(4, *shape, 4), 2, None, "reinforce", "l1", 0.05)
    moments = [state["exp_avg"] for state in learner.optimizer.state.values()]
    return float(update.norms[0]), float(torch.nn.utils.get_total_norm(moments))


def test_the_learner_clips_what_adam_gets():
    # After one step Adam's first moment is 0.1 times the gradient.
    free, moment = first_moment(None)
    assert moment == pytest.approx(0.1 * free, rel=1e-4)
    norm, moment = first_moment(free / 4)
    assert norm == pytest.approx(free, rel=1e-4), "the norm before clipping is reported"
    assert moment == pytest.approx(0.1 * free / 4, rel=1e-3)


def test_the_scalars_of_a_loop_leave_out_the_frames_after_a_short_clip():
    mask = torch.tensor([[1.0, 1, 1], [1, 0, 0]])
    rewards = {"l1": torch.tensor([[[-1.0, -1, -2]], [[-4, 0, 0]]]), "iou": torch.tensor([[[1.0, 0, 1]], [[0, 0, 0]]])}
    advantages = torch.tensor([[1.0, -1, 3], [-1, 100, 100]])
    scalars = optimisation.loop_scalars(rewards, "iou", mask, torch.tensor([1.0, 2.0]), advantages)
    assert scalars == pytest.approx(
        {
            "reward/l1": -2,
            "reward/iou": 0.5,
            "rollout/ep_rew_mean": 1,  # returns of 2 and 0
            "train/loss": 1.5,
            "train/advantage_std": 3**0.5,  # of (1 + 1 + 9 + 1) / 4
        }
    )
    assert "train/advantage_std" not in optimisation.loop_scalars(rewards, "l1", mask, torch.zeros(2), None)
