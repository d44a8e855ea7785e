"""One configuration with several seeds: what of a result is the method's, and what is luck."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tracking_env.errors import InputError
from tracking_env.evaluation import result_files as files
from tracking_env.evaluation.score_report import Report
from tracking_env.files import read_json, whole
from tracking_env.report.text_tables import format_trackers
from train import results
from train.data import load
from train.flags import C, RunFlags, differences
from train.parallel import ALONE, Group


def several(
    config: C,
    train: Callable[[C, Group], bool],
    label: str,
    group: Group = ALONE,
    facts: Callable[[Report], dict[str, Any]] = lambda report: {},
) -> None:
    """Run ``config.seeds`` seeds, one after the other, into ``OUT/seed-N``; print and write mean and deviation.

    One alone is run into ``OUT`` itself, and that is all.

    With ``resume`` finished runs are only read, a stopped one goes on, and those that are missing begin; so more seeds
    can be added. ``OUT/report.json`` is a run's report over all of them: ``mean``, ``std``, ``runs``.

    Args:
        config: with ``out`` set.
        train: one run; False where it was stopped.
        label: the agent's name in tables.
        group: the processes that share it.
        facts: what ``report.json`` says besides, from the scores of all runs.

    Raises:
        InputError: a folder already holds a run and neither ``resume`` nor ``overwrite`` is given, or a run fails.
    """
    if config.seeds == 1:
        train(config, group)
        return
    out = Path(config.out or "runs")
    if (out / "config.json").exists():
        raise InputError(f"{out} holds a single run; give another folder with --out")
    runs = [
        replace(config, seed=seed, seeds=1, out=str(out / f"seed-{seed}"))
        for seed in range(config.seed, config.seed + config.seeds)
    ]
    there = [Path(one.out or "", "config.json").exists() for one in runs]
    if any(there) and not (config.resume or config.overwrite):
        raise InputError(f"{out} already holds runs; type --resume to go on with them, or --overwrite to start anew")
    if config.resume and not any(there):
        raise InputError(f"no run to resume in {out}; leave --resume out, or give --out of one that is")
    finished = [config.resume and _finished(one) for one in runs]
    group.wait()  # until all have looked
    for one, begun, is_done in zip(runs, there, finished, strict=True):
        if not is_done and not train(replace(one, resume=config.resume and begun), group):
            return
    if not group.leads:
        return

    data = load(config.data)
    truths = {one.name: one.boxes for one in data.testing}
    read = tuple(files.read_results(Path(one.out or "", "results"), truths).runs[0] for one in runs)
    report = results.score(files.Results(read), data.testing, data.unseen)
    others = results.lines(data.testing, data.training, data.unseen)
    said = {"config": asdict(config), "dataset": data.facts(), "seeds": [one.seed for one in runs]}
    with whole(out / "report.json") as partial:
        partial.write_text(json.dumps(results.summary(report, others, **said, **facts(report)), indent=1))
    print(format_trackers(others | {f"{label}, {len(runs)} seeds": report}))
    print(f"in {out}: report.json, and a folder for each seed; curves: tensorboard --logdir {out}")


def _finished(config: RunFlags) -> bool:
    """Whether there is a report of just this run."""
    report = Path(config.out or "", "report.json")
    return report.exists() and not differences(config, read_json(report).get("config", {}))
