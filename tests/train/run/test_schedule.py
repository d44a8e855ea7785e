"""The schedule of epochs: phases, their rewards, and when they end."""

import pytest

from tracking_env.errors import InputError
from train.run.schedule import Phase, Progress, ScheduleConfig


def walk(schedule, rewards):
    """Epoch, phase number and reward name of every epoch that runs, and the progress at the end, for these rewards."""
    progress, epochs = Progress(), []
    for reward in rewards:
        phase = schedule.phase(progress)
        if phase is None:
            break
        epochs.append((progress.epoch, phase.number, phase.reward))
        progress = schedule.after(progress, reward)
    return epochs, progress


def test_the_defaults_are_those_of_the_paper():
    schedule = ScheduleConfig()
    assert (schedule.l1_epochs, schedule.iou_epochs, schedule.warm_epochs, schedule.plateau) == (300, 200, 0, None)
    assert schedule.phase(Progress()) == Phase(1, "l1", 300)
    assert schedule.rate(0) == 1e-5 and schedule.rate(499) == pytest.approx(1e-6)
    assert schedule.rate(250) == pytest.approx(1e-5 * 0.1 ** (250 / 499))


def test_phases_follow_one_another():
    epochs, end = walk(ScheduleConfig(warm_epochs=1, l1_epochs=2, iou_epochs=1), [0.0] * 9)
    assert epochs == [(0, 0, "l1"), (1, 1, "l1"), (2, 1, "l1"), (3, 2, "iou")]
    assert end == Progress(epoch=4, phase=3)


@pytest.mark.parametrize(
    ("schedule", "phases"),
    [
        (ScheduleConfig(l1_epochs=0, iou_epochs=2), [2, 2]),
        (ScheduleConfig(warm_epochs=1, l1_epochs=0, iou_epochs=1), [0, 2]),
    ],
)
def test_a_phase_of_0_epochs_is_skipped(schedule, phases):
    epochs, _ = walk(schedule, [0.0] * 9)
    assert [number for _, number, _ in epochs] == phases


def test_a_plateau_ends_only_its_own_phase():
    schedule = ScheduleConfig(l1_epochs=10, iou_epochs=10, plateau=2)
    # L1: best -0.5 at its third epoch, then two without a new best (an equal one is none).
    # IoU: starts from its own first reward, even if that number is lower.
    l1 = [-0.9, -0.95, -0.5, -0.5, -0.6]
    epochs, end = walk(schedule, [*l1, 0.1, 0.3, 0.2, 0.25, 9.0])
    assert [number for _, number, _ in epochs] == [1] * 5 + [2] * 4
    assert schedule.phase(end) is None and end.epoch == 9
    assert walk(schedule, [*l1[:4], -0.4, -0.6, -0.6, 0.1])[0][-1] == (7, 2, "iou")  # a new best restarts the count


def test_without_a_plateau_no_phase_ends_early():
    assert len(walk(ScheduleConfig(l1_epochs=4, iou_epochs=3), [-1.0 - k for k in range(20)])[0]) == 7


def test_interpolation_is_exponential():
    schedule = ScheduleConfig(l1_epochs=2, iou_epochs=1)
    assert [schedule.interpolate(0.1, 0.001, epoch) for epoch in range(3)] == pytest.approx([0.1, 0.01, 0.001])
    assert [schedule.interpolate(0.3, 0.3, epoch) for epoch in range(3)] == [0.3] * 3


@pytest.mark.parametrize(
    "numbers",
    [{"l1_epochs": -1}, {"l1_epochs": 0, "iou_epochs": 0}, {"plateau": 0}, {"lr": 0.0}, {"warm_epochs": -2}],
)
def test_numbers_out_of_range_are_an_input_error(numbers):
    with pytest.raises(InputError, match="--"):
        ScheduleConfig(**numbers)
