"""The arbiter's scores beside those of its experts, of the hand-made rule and of its warm start."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from agents.arbiter import Arbiter
from tracking_env.datasets import sequence as sq
from tracking_env.envs.otb_track_experts import look_milliseconds
from tracking_env.evaluation.failures import count_failures
from tracking_env.evaluation.score_report import Report
from tracking_env.report import comparison
from tracking_env.search.ensemble import EnsembleTracker
from tracking_env.search.ensemble.runs import RunStore
from tracking_env.search.experts import Expert
from tracking_env.terminal import print_result
from tracking_env.trackers.base import run
from train.run import results
from train.run.data import Data
from train.run.directory import RunDirectory
from train.run.pictures import show_evaluation
from train.run.steps import finish_run
from train.samples import hard_clips
from train.samples.stored_runs import read_run

RULE = "hand-made rule"
"""The row of the rule, which is the action 0."""


def report_agents(
    run_directory: RunDirectory,
    data: Data,
    store: RunStore,
    experts: list[Expert],
    agents: Mapping[str, Arbiter],
    done: int,
    likeness: bool,
    on_hard: bool,
) -> None:
    """Test agents beside their experts and the hand-made rule, and finish the run with its report.

    Args:
        run_directory: of the run.
        data: training and test sequences.
        store: runs of the experts.
        experts: those that the agents were trained with.
        agents: by their names in tables. The last one is the run's; of two the first is its warm start.
        done: number of updates done.
        likeness: whether the agents observe likeness, see `Team`.
        on_hard: test on hard clips too, if the test sequences are not trained on.
    """
    tested: dict[str, list[sq.Sequence]] = {"test sequences": data.testing}
    if on_hard and data.unseen:
        tested["hard clips"] = list(hard_clips.test_clips(data.testing))
    name, (start, *_) = list(agents)[-1], list(agents)
    milliseconds = look_milliseconds(experts)
    facts: dict[str, Any] = {"updates": done, "extractor": store.experts, "summary": {}, "gain": {}}
    tables: dict[str, dict[str, Report]] = {}
    for title, sequences in tested.items():
        fixed = fixed_scores(store, sequences, data.unseen)
        rows = {name: evaluation.report for name, evaluation in fixed.items()}
        times = dict(zip(rows, [*milliseconds.tolist(), float(milliseconds.sum())], strict=True))
        if title == "test sequences":
            untrained = fixed[RULE]  # which an untrained agent is
        for agent_name, agent in agents.items():
            evaluation, fps, looks = evaluate_agent(agent, experts, sequences, data.unseen, likeness)
            rows[agent_name], times[agent_name] = evaluation.report, float(looks @ milliseconds)
            if (title, agent_name) == ("test sequences", name):
                final, speed = evaluation, fps
        facts["summary"][title] = summarise(rows, times)
        if start != name:
            facts["gain"][title] = gain_over(rows[start], rows[name])
        tables[title] = rows
    facts["drift"] = final.report.count_failures().to_json()
    show_evaluation(run_directory, done, final, data)
    compared = {row: report for row, report in tables["test sequences"].items() if row != name}
    finish_run(run_directory, data, name, final, {"online": speed}, facts, untrained, compared=compared)
    for title, summary in facts["summary"].items():
        print_result(f"{title}:\n{format_summary(summary)}")
    for title, gains in facts["gain"].items():
        for measure, gain in gains.items():
            low, high = gain["interval"]
            interval = f"95 % interval {low:+.3f}, {high:+.3f}"
            print_result(f"{title}: {measure} {gain['difference']:+.3f} over the warm start ({interval})")


def evaluate_agent(
    model: Arbiter, experts: list[Expert], sequences: Sequence[sq.Sequence], unseen: bool, likeness: bool
) -> tuple[results.Evaluation, float, np.ndarray]:
    """Track and score sequences.

    Args:
        model: the agent.
        experts: those that it was trained with.
        sequences: the test sequences.
        unseen: whether none of their frames was trained on; else the first third was.
        likeness: whether the agent observes likeness, see `Team`.

    Returns:
        The boxes and scores, the mean frames per second, decoding included, and how often each expert looked in a
        frame on average, ``(K,)``.
    """
    model.eval()
    boxes: dict[str, np.ndarray] = {}
    speeds: list[float] = []
    looks, frames = np.zeros(len(experts)), 0
    for sequence in tqdm(sequences, desc="testing", unit="sequence", leave=False, disable=None):
        tracker = EnsembleTracker(model, experts, "", model.pausing, likeness)
        result = run(tracker, sequence)
        looks, frames = looks + tracker.looks, frames + len(sequence)
        boxes[sequence.name] = result.boxes
        speeds.append(result.fps)
    evaluation = results.Evaluation(boxes, results.score(boxes, sequences, unseen))
    return evaluation, float(np.mean(speeds)), looks / frames


def fixed_scores(store: RunStore, sequences: Sequence[sq.Sequence], unseen: bool) -> dict[str, results.Evaluation]:
    """Boxes and scores without learning, by name: each expert alone, and the hand-made rule."""
    names = [identity.partition(" ")[0] for identity in store.experts]
    predictions: dict[str, dict[str, np.ndarray]] = {name: {} for name in [*names, RULE]}
    for sequence in sequences:
        stored = read_run(store, sequence)
        rule = stored.fused(np.zeros(stored.confidence.shape), np.zeros((len(sequence), 4)))
        for name, boxes in zip(predictions, [*stored.boxes.swapaxes(0, 1), rule], strict=True):
            predictions[name][sequence.name] = np.concatenate([sequence.boxes[:1], boxes[1:]])
    return {
        name: results.Evaluation(boxes, results.score(boxes, sequences, unseen)) for name, boxes in predictions.items()
    }


def summarise(reports: Mapping[str, Report], milliseconds: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Each row's scores, failures and time per frame, for ``report.json`` and `format_summary`.

    Args:
        reports: of each row.
        milliseconds: that its experts take for a frame by the table of ``OTBTrackExperts-v0``, not by a clock.
    """
    rows = {}
    for name, report in reports.items():
        mean = report.mean["whole"]
        # Every clip begins with a true box, and OTB's protocol has both measures.
        assert mean is not None and mean.auc is not None and mean.precision20 is not None
        failures = report.count_failures().per_hundred
        rows[name] = {"auc": mean.auc, "precision20": mean.precision20, "failures_per_100_frames": failures}
        rows[name]["milliseconds"] = milliseconds[name]
    return rows


def format_summary(rows: Mapping[str, Mapping[str, float]]) -> str:
    """The rows of `summarise` as a table."""
    width = max(map(len, rows))
    lines = [f"{'':{width}}    AUC   P@20  failures per 100 frames  ms of experts"]
    for name, row in rows.items():
        failures, milliseconds = row["failures_per_100_frames"], row["milliseconds"]
        scores = f"{row['auc']:.3f}  {row['precision20']:.3f}"
        lines.append(f"{name:{width}}  {scores}  {failures:23.2f}  {milliseconds:13.1f}")
    return "\n".join(lines)


def gain_over(before: Report, after: Report) -> dict[str, Any]:
    """What an agent gained over another one on the same sequences, with 95 % paired bootstrap intervals over them.

    Returns:
        For ``auc`` and ``failures_per_100_frames``: the mean ``difference``, and the ``interval`` of it.
    """
    auc = comparison.compare(before.sequences, after.sequences)
    first, second = _failures(before), _failures(after)
    failures = np.array([second[sequence] - first[sequence] for sequence in first])
    return {
        "auc": {"difference": auc.mean, "interval": auc.interval},
        "failures_per_100_frames": {
            "difference": float(failures.mean()),
            "interval": comparison.bootstrap_interval(failures),
        },
    }


def _failures(report: Report) -> dict[str, float]:
    """Failures per 100 frames of each sequence."""
    return {name: count_failures(runs[0].overlaps).per_hundred for name, runs in report.scores.items()}
