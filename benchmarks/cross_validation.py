"""Cross-validate the warm start of train/experts.py: how good is an arbiter on videos that it has not learned from?

Sequences of one source video (equal names but for a number at the end, such as ``bike_1`` and ``bike_2``) are in one
fold. Each fold is scored by an arbiter that learned from the others. It works on stored runs, in which no expert is put
back. With ``--closed-loop`` it also tracks the whole videos, with scans and resets. With ``--fit-rule`` the rule for
candidates, too, is fitted on the other folds. All flags of train/experts.py after ``--`` apply, such as
``--scan-below 0`` for an arbiter that never scans.

    python benchmarks/cross_validation.py --root VIDEOS --weights FOLDER --closed-loop --fit-rule -- --preset small
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from agents.arbiter import Arbiter
from benchmarks import candidates
from tracking_env import boxes as bx
from tracking_env.datasets import load
from tracking_env.datasets.sequence import Sequence
from tracking_env.evaluation import metrics
from tracking_env.search.ensemble import EnsembleTracker, RunStore, observation_names
from tracking_env.search.ensemble.observation import observes_likeness
from tracking_env.search.experts import Expert, make_experts
from tracking_env.trackers.base import run as follow
from train.experts import parameter_groups, warm_losses
from train.experts_config import ExpertsConfig, parse
from train.run.optimisation import step
from train.samples import hard_clips
from train.samples.stored_runs import StoredRun, draw_windows, read_run, read_runs

FRAMES = 10
"""Frames of each sequence in which candidates are sought for ``--fit-rule``."""
KINDS = ("whole", "simulated losses", "hard clips")
Runs = dict[str, list[StoredRun]]


def main() -> None:
    """Print the AUC of each expert, of the rule, of the arbiter and of the better expert in every frame."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="folder of the videos")
    parser.add_argument("--sequences", default="available", help="names; by default all")
    parser.add_argument("--weights", help="folder of the experts' files")
    parser.add_argument("--store", type=Path, help="folder of stored runs")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--closed-loop", action="store_true", help="track the whole videos too")
    parser.add_argument("--fit-rule", action="store_true", help="fit the rule for candidates on the other folds too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("flags", nargs="*", help="flags of train/experts.py")
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = parse(options.flags)
    experts = config.data.experts
    networks = make_experts(experts, options.weights)
    store = RunStore(networks, options.store)

    runs: dict[str, Runs] = {}
    sequences = {sequence.name: sequence for sequence in load(options.root, options.sequences)}
    for sequence in sequences.values():
        part = range(len(sequence))
        made = read_runs(store, [(sequence, part)], config.warm.losses)[1]
        hard = read_runs(store, hard_clips.training_clips([(sequence, part)], config.warm.hard), 0)[0]
        runs[sequence.name] = {"whole": [read_run(store, sequence)], "simulated losses": made, "hard clips": hard}

    rows = {name: [score(runs, lambda run, at=at: run.boxes[:, at])] for at, name in enumerate(experts)}
    rows["hand-made rule"] = [score(runs, lambda run: fuse(run, np.zeros(run.confidence.shape)))]
    finds = {}
    if options.fit_rule:
        finds = {name: candidates.find(networks, sequence, FRAMES) for name, sequence in sequences.items()}

    rows["arbiter"], tracked = [], []
    for seed in range(options.seeds):
        held_out: dict[str, dict[str, float]] = {}
        whole_videos: dict[str, dict[str, float]] = {}
        for fold in split(list(runs), options.folds):
            model = train({name: part for name, part in runs.items() if name not in fold}, config, seed)
            if options.fit_rule:
                others = [row for name, part in finds.items() if name not in fold for row in part]
                model.candidate_rule.data[:3] = torch.from_numpy(candidates.fit_rule(others))
            tested = {name: runs[name] for name in fold}
            held_out |= score(tested, lambda run, model=model: fuse(run, expected_overlaps(model, run)))
            if options.closed_loop:
                whole_videos |= track(model, networks, [sequences[name] for name in fold], config)
        rows["arbiter"].append(held_out)
        tracked.append(whole_videos)
    if options.closed_loop:
        rows["arbiter, in the closed loop"] = tracked
    rows["the better expert in every frame"] = [score(runs, better_boxes)]

    means = {name: [mean_over_sequences(result) for result in results] for name, results in rows.items()}
    if options.json:
        print(json.dumps({"sequences": len(runs), "auc": means, "auc of sequences": rows}, indent=1))
        return
    width = max(map(len, means))
    print(f"{'AUC':{width}}  " + "  ".join(KINDS))
    for name, results in means.items():
        cells = [[result[kind] for result in results if kind in result] for kind in KINDS]
        texts = [f"{np.mean(values):.3f}" if values else "-" for values in cells]
        print(f"{name:{width}}  " + "  ".join(f"{text:>{len(kind)}}" for text, kind in zip(texts, KINDS, strict=True)))


def split(names: list[str], folds: int) -> list[list[str]]:
    """The names in folds of about equal size; those of one source video stay together."""
    videos = defaultdict(list)
    for name in names:
        videos[re.sub(r"_\d+$", "", name)].append(name)
    parts: list[list[str]] = [[] for _ in range(folds)]
    groups = list(videos.values())
    np.random.default_rng(0).shuffle(groups)
    for group in sorted(groups, key=len, reverse=True):
        min(parts, key=len).extend(group)
    return parts


def train(runs: dict[str, Runs], config: ExpertsConfig, seed: int) -> Arbiter:
    """The arbiter after the warm start of train/experts.py, with its last weights."""
    whole = [run for parts in runs.values() for kind in ("whole", "hard clips") for run in parts[kind]]
    made = [run for parts in runs.values() for run in parts["simulated losses"]]
    warm = config.warm
    torch.manual_seed(seed)
    model = Arbiter(len(observation_names(config.data.experts)), len(config.data.experts), config.network)
    model.fit_normaliser(torch.from_numpy(np.concatenate([run.observations for run in whole + made])))
    model.ignore(config.ignored_numbers())
    optimizer = torch.optim.AdamW(parameter_groups(model, warm.weight_decay))
    for done in range(warm.warm_steps):
        windows = draw_windows(
            whole, made, warm.warm_batch, warm.window, warm.loss_share, np.random.default_rng([seed, done])
        )
        overlap_part, reset_part = warm_losses(model, windows)
        step(model, optimizer, overlap_part + warm.imitation * reset_part, warm.warm_clip_norm, warm.rate(done), done)
    return model.eval()


@torch.inference_mode()
def expected_overlaps(model: Arbiter, run: StoredRun) -> np.ndarray:
    """The arbiter's expected overlap of each expert's box, ``(T, K)``."""
    outputs, _ = model(torch.from_numpy(run.observations)[None])
    return outputs.overlap[0].double().numpy()


def track(
    model: Arbiter, experts: list[Expert], sequences: list[Sequence], config: ExpertsConfig
) -> dict[str, dict[str, float]]:
    """The AUC of each sequence, tracked in the closed loop."""
    likeness = observes_likeness(config.ignore)
    boxes = {each.name: follow(EnsembleTracker(model, experts, "", False, likeness), each).boxes for each in sequences}
    return {
        each.name: {"whole": metrics.auc(bx.iou(boxes[each.name], each.boxes)[each.annotated])} for each in sequences
    }


def fuse(run: StoredRun, trust: np.ndarray) -> np.ndarray:
    """The reported boxes ``(T, 4)`` for trust ``(T, K)``, without residuals."""
    return run.fused(trust, np.zeros((len(trust), 4)))


def better_boxes(run: StoredRun) -> np.ndarray:
    """In each frame the box ``(4,)`` of the expert with the highest overlap: what no policy can know."""
    return run.boxes[np.arange(len(run.iou)), run.iou.argmax(axis=1)]


def score(runs: dict[str, Runs], boxes_of: Callable[[StoredRun], np.ndarray]) -> dict[str, dict[str, float]]:
    """The AUC of each sequence and kind of run; kinds that a sequence lacks are left out."""
    scores = {}
    for name, parts in runs.items():
        scores[name] = {
            kind: float(np.mean([run.auc(boxes_of(run)) for run in part])) for kind, part in parts.items() if part
        }
    return scores


def mean_over_sequences(scores: dict[str, dict[str, float]]) -> dict[str, float]:
    """The mean of each kind over the sequences that have it."""
    values = {kind: [parts[kind] for parts in scores.values() if kind in parts] for kind in KINDS}
    return {kind: float(np.mean(of_kind)) for kind, of_kind in values.items() if of_kind}


if __name__ == "__main__":
    main()
