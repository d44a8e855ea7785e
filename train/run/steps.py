"""Steps of every training script before and after its loop: open a run, and finish it with a report."""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import torch

from tracking_env.evaluation.result_files import write_result
from tracking_env.evaluation.score_report import Report
from tracking_env.report.text_tables import format_trackers
from tracking_env.terminal import print_result
from train.run.data import Data, load_data
from train.run.directory import RunDirectory
from train.run.flags import RunFlags
from train.run.pictures import write_overlay
from train.run.results import Evaluation, baseline_scores, final_scalars, median_sequence

UNTRAINED, UNTRAINED_ROW = "untrained", "untrained agent"
"""Folder of the untrained agent's boxes in a run, and its row in tables."""


def open_run(config: RunFlags, unit: str) -> tuple[RunDirectory, Data]:
    """The run directory and the data of a configuration. Nothing is written until `RunDirectory.start`.

    Args:
        config: parsed flags.
        unit: name of the count of progress: ``epoch``, ``step`` or ``update``.

    Raises:
        InputError: a sequence is missing or unusable, or the directory cannot take this run.
    """
    data = load_data(config.data)
    return RunDirectory(config, unit), data


def stop_run(run: RunDirectory, done: int) -> bool:
    """Close a run that was asked to stop before its end; print how to go on. Returns False, as its training then does.

    Args:
        run: the run's directory, with a checkpoint of this moment.
        done: epochs, updates or steps that it has made.
    """
    run.close()
    print_result(f"stopped after {run.unit} {done} and saved; type the same command with --resume to go on")
    return False


def finish_run(
    run: RunDirectory,
    data: Data,
    label: str,
    evaluation: Evaluation,
    fps: Mapping[str, float],
    facts: Mapping[str, Any],
    untrained: Evaluation,
    device: torch.device | None = None,
    compared: Mapping[str, Report] | None = None,
) -> None:
    """Write the boxes, a video and ``report.json``, add the scores to TensorBoard, print the table, close the run.

    Args:
        run: the run's directory.
        data: training and test sequences.
        label: the agent's name in the table.
        evaluation: its boxes on the test sequences and their scores.
        fps: frames per second, by what was measured.
        facts: entries of ``report.json`` that only this script has.
        untrained: the same of the agent before training: what a score is worth.
        device: where the agent was trained, by default the CPU.
        compared: more rows of the table, after the baselines and the untrained agent.
    """
    predictions, report = evaluation
    example = median_sequence(report, data.testing)
    for folder, boxes_by_name in (("results", predictions), (UNTRAINED, untrained.predictions)):
        for name, boxes in boxes_by_name.items():
            write_result(run.path / folder / f"{name}.txt", boxes)
    write_overlay(run.path / "overlay.mp4", example, predictions[example.name])
    rows = baseline_scores(data) | {UNTRAINED_ROW: untrained.report} | dict(compared or {})
    shared_facts = {
        "fps": dict(fps),
        "device": torch.cuda.get_device_name(device) if device and device.type == "cuda" else "cpu",
        "seconds": time.perf_counter() - run.opened,
        "config": asdict(run.config),
        "dataset": data.facts(),
    }
    run.write_json("report.json", report_content(report, rows, **shared_facts, **facts))
    speeds = {f"final/fps_{name}": rate for name, rate in fps.items()}
    run.curves.add_final_scores(label, final_scalars(report) | speeds)
    # Baselines learn nothing, so the table marks the agent alone.
    print_result(format_trackers(rows | {label: replace(report, trained=not data.unseen)}))
    print_result("speed: " + ", ".join(f"{rate:.0f} fps {name}" for name, rate in fps.items()))
    print_result(f"in {run.path}: report.json, overlay.mp4, results/; curves: tensorboard --logdir {run.path}")
    run.close()


def report_content(report: Report, rows: Mapping[str, Report], **facts: Any) -> dict[str, Any]:
    """The content of ``report.json``: the agent's scores, the means of the other rows, and facts about the run."""
    return report.to_json() | {"lines": {name: row.to_json()["mean"] for name, row in rows.items()}} | facts
