"""Is it worth putting the experts back on a candidate? Each of some candidates is accepted in an episode of its own.

    python benchmarks/branches.py --checkpoint runs/experts/warm --root VIDEOS --sequences TRAINING \
      --test-sequences VALIDATION --weights FOLDER --horizons 1,10,40 --seeds 5

An agent of train/experts.py follows clips in which targets are lost, and rejects all candidates. From a candidate an
episode branches off that accepts it and goes on for 40 frames. The difference of both episodes' IoU, added up over a
horizon, is the advantage of accepting. REINFORCE changes when the agent accepts: it follows the gradient of the
advantage times the probability of accepting, in which both episodes take part and none has to be drawn. A seed draws
which clips it learns from, with replacement.

Columns: accepted, the share of the candidates of --test-sequences that the agent accepts; gain, what it gains by that
over 40 frames, in IoU per candidate. Rows beside the agents: all candidates accepted; a constant of the rule that is
tuned on the training clips; only candidates accepted that gain (an oracle).
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
import sys
from collections.abc import Sequence as Many
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from agents.arbiter import LEAST_OVERLAP, Arbiter
from agents.checkpoints import arbiter as arbiter_checkpoint
from tracking_env import boxes as bx
from tracking_env.datasets import load
from tracking_env.datasets.sequence import Sequence
from tracking_env.search.ensemble import Team, observe
from tracking_env.search.ensemble.action import Decision, split_action
from tracking_env.search.ensemble.losses import first_frames
from tracking_env.search.ensemble.observation import CANDIDATE, CANDIDATE_DISTANCE, Means
from tracking_env.search.ensemble.report import Report
from tracking_env.search.ensemble.scan import Candidates
from tracking_env.search.experts import Expert, make_experts
from train.samples import hard_clips
from train.samples.team_rollout import Start

FRAMES, AFTER, BRANCHES, APART = 80, 40, 6, 4
"""Length of a clip, frames of a branch after its candidate, branches that are open at the same time, and frames from
one branch to the next: candidates of neighbouring frames are alike."""
CLIPS = 3
"""Clips of each sequence in which the experts begin anywhere in the image; there are four hard clips beside them."""
CONSTANTS = np.arange(-4, 4.1, 0.25)
"""By so much the rule's constant is changed when it is tuned."""
UPDATES, LR = 1000, 0.05
LEARNED = "REINFORCE, credit over "
Parts = TypeVar("Parts", Report, Candidates, Decision)


class Branch(NamedTuple):
    """A candidate, and what came of accepting it."""

    inputs: np.ndarray
    """what the rule for candidates weighs, ``(4,)``: 1, score, distance, log-odds of the largest expected overlap"""
    gain: np.ndarray
    """IoU of the episode that accepts it less that of the one that does not, in each of `AFTER` later frames"""


def main() -> None:
    """Print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="of train/experts.py")
    parser.add_argument("--root", help="folder of the videos; by default drawn ones")
    parser.add_argument("--sequences", default="synthetic:0-9", help="names of those to learn from")
    parser.add_argument("--test-sequences", default="synthetic:100-104", help="names of those to test on")
    parser.add_argument("--weights", help="folder of the experts' files")
    parser.add_argument("--horizons", default="1,10,40", help="frames over which gains are added up")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--out", type=Path, help="write each agent to OUT/HORIZON-SEED/warm, for train/experts.py --start"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(1)
    saved = arbiter_checkpoint.load(options.checkpoint)
    experts = make_experts([each.partition(" ")[0] for each in saved.experts], options.weights)
    clips, tests = (
        collect(experts, saved.model, load(options.root, names))
        for names in (options.sequences, options.test_sequences)
    )
    if not (clips and tests):
        sys.exit("no candidates: give more sequences, in which targets are lost")
    numbers = compare(saved.model.candidate_rule.detach().double().numpy(), clips, tests, options)
    if options.out:
        for name, runs in numbers["rows"].items():
            for seed, run in enumerate(runs if name.startswith(LEARNED) else []):
                saved.model.candidate_rule.data = torch.tensor(run["rule"], dtype=torch.float32)
                folder = options.out / f"{name.removeprefix(LEARNED).split()[0]}-{seed}" / "warm"
                arbiter_checkpoint.save(folder, saved.model, saved.experts, saved.done, saved.run)
    if options.json:
        print(json.dumps(numbers))
        return
    for kind in ("training", "test"):
        print(f"{kind}: {numbers[kind]['clips']} clips with {numbers[kind]['candidates']} candidates")
    print(f"{'':34}{'accepted':>10}{'gain':>8}{'± seeds':>9}")
    for name, runs in numbers["rows"].items():
        accepted, gain = ([run[key] for run in runs] for key in ("accepted", "gain"))
        deviation = f"{np.std(gain, ddof=1):9.3f}" if len(runs) > 1 else ""
        print(f"{name:34}{np.mean(accepted):10.2f}{np.mean(gain):8.3f}{deviation}")


def compare(
    rule: np.ndarray, clips: list[list[Branch]], tests: list[list[Branch]], options: argparse.Namespace
) -> dict[str, Any]:
    """The rows of the table, each with one result per seed, and how many clips and candidates there are."""
    candidates = [branch for branches in tests for branch in branches]
    rows = {
        "all accepted": [score(candidates, np.ones(len(candidates), bool))],
        "the agent": [score_rule(candidates, rule)],
        "constant tuned": [score_rule(candidates, tune(rule, clips))],
    }
    for horizon in map(int, options.horizons.split(",")):
        learned = [learn(rule, clips, horizon, np.random.default_rng(seed)) for seed in range(options.seeds)]
        rows[f"{LEARNED}{horizon} frames"] = [score_rule(candidates, each) for each in learned]
    rows["oracle"] = [score(candidates, np.array([branch.gain.sum() > 0 for branch in candidates]))]
    parts = {"training": clips, "test": tests}
    sizes = {name: {"clips": len(part), "candidates": sum(map(len, part))} for name, part in parts.items()}
    return sizes | {"rows": rows}


def collect(experts: list[Expert], model: Arbiter, sequences: Many[Sequence]) -> list[list[Branch]]:
    """The branches of each clip of some sequences in which there are any."""
    team = Team(experts, 1 + BRANCHES, likeness=False)
    clips = []
    for sequence in tqdm(sequences, unit="sequence", disable=None):
        whole = range(len(sequence))
        starts = [Start(clip, 0, len(clip), None) for clip, _ in hard_clips.training_clips([(sequence, whole)], 1)]
        rng = np.random.default_rng(len(sequence))
        for first in rng.choice(first_frames(sequence, whole, FRAMES), CLIPS).tolist():
            sides = sequence.boxes[first, 2:]
            around = np.concatenate([rng.uniform(1, sequence.size) - sides / 2, sides])
            starts.append(Start(sequence, first, len(sequence), np.tile(around, (len(experts), 1))))
        clips += [explore(team, model, start) for start in starts]
    return [branches for branches in clips if branches]


@torch.inference_mode()
def explore(team: Team, model: Arbiter, start: Start) -> list[Branch]:
    """The branches of a clip.

    Args:
        team: the experts, on 1 + `BRANCHES` targets: target 0 rejects all candidates.
        model: the agent.
        start: the clip.
    """
    sequence, experts = start.sequence, len(team.experts)
    stop = min(start.start + FRAMES, start.stop)
    overlap = np.zeros((team.count, stop))
    begun: dict[int, tuple[int, np.ndarray]] = {}  # of each open branch: its candidate's frame and inputs
    newest, branches = start.start - APART, []
    means, state = Means.new(team.count, experts), torch.zeros(1, team.count, experts, model.config.hidden)
    team.start([0], [sequence.frames[start.start]], [sequence.boxes[start.start]], [start.around])
    for index in range(start.start, stop):
        targets = [0, *begun]
        frames = [sequence.frames[index]] * len(targets)
        report, candidates = team.look(frames, targets), team.scan(frames, targets)
        vectors, (values, seen) = observe(report, candidates, Means(means.values[targets], means.frames[targets]))
        means.values[targets], means.frames[targets] = values, seen
        outputs, after = model(torch.from_numpy(vectors)[:, None], state[:, targets].flatten(1, 2))
        state[:, targets] = after.unflatten(1, (len(targets), experts))
        decision = split_action(model.mean_action(outputs)[:, 0].numpy(), experts, model.pausing)

        rows, acting = list(range(len(targets))), list(targets)
        if candidates.found[0]:
            decision.reset[0] = False
            free = [target for target in range(1, team.count) if target not in begun]
            if free and index >= newest + APART:
                newest, branch = index, free[0]
                team.copy(0, branch)
                means.values[branch], means.frames[branch], state[:, branch] = values[0], seen[0], state[:, 0]
                begun[branch] = index, rule_inputs(vectors[0], outputs.overlap[0, 0], experts)
                rows, acting = [*rows, 0], [*acting, branch]
                decision = take(decision, rows)
                decision.reset[-1] = True
        boxes = team.act(acting, take(report, rows), take(candidates, rows), decision)
        overlap[acting, index] = bx.iou(boxes, np.broadcast_to(sequence.boxes[index], boxes.shape))

        for branch, (frame, inputs) in list(begun.items()):
            if index == min(frame + AFTER, stop - 1):
                gain, later = np.zeros(AFTER), slice(frame + 1, index + 1)
                gain[: index - frame] = (overlap[branch, later] - overlap[0, later]) * sequence.annotated[later]
                branches.append(Branch(inputs, gain))
                del begun[branch]
    return branches


def take(parts: Parts, rows: list[int]) -> Parts:
    """Some rows of what belongs to N targets."""
    return type(parts)(*(part[rows] for part in parts))


def rule_inputs(observation: np.ndarray, overlap: Tensor, experts: int) -> np.ndarray:
    """What the rule for candidates weighs, ``(4,)``, of an observation ``(D,)`` and the expected overlaps ``(K,)``."""
    numbers = observation.reshape(experts, -1).mean(axis=0)
    doubt = torch.logit(overlap.max(), LEAST_OVERLAP).item()
    return np.array([1.0, numbers[CANDIDATE], numbers[CANDIDATE_DISTANCE], doubt])


def learn(rule: np.ndarray, clips: list[list[Branch]], horizon: int, rng: np.random.Generator) -> np.ndarray:
    """The rule for candidates ``(4,)`` after REINFORCE on the branches of clips that are drawn with replacement."""
    drawn = [branch for clip in rng.integers(len(clips), size=len(clips)) for branch in clips[clip]]
    inputs = torch.tensor(np.stack([branch.inputs for branch in drawn]))
    advantage = torch.tensor([branch.gain[:horizon].sum() for branch in drawn])
    weights = torch.tensor(rule, requires_grad=True)
    optimizer = torch.optim.Adam([weights], lr=LR)
    for _ in range(UPDATES):
        # With two episodes per candidate, the expectation over both replaces REINFORCE's sample: the gradient of p A.
        loss = -(torch.sigmoid(inputs @ weights) * advantage).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return weights.detach().numpy()


def tune(rule: np.ndarray, clips: list[list[Branch]]) -> np.ndarray:
    """The rule with the constant of the highest gain on the training clips."""
    candidates = [branch for branches in clips for branch in branches]
    rules = [rule + np.array([change, 0, 0, 0]) for change in CONSTANTS]
    return max(rules, key=lambda each: score_rule(candidates, each)["gain"])


def score_rule(candidates: list[Branch], rule: np.ndarray) -> dict[str, Any]:
    """`score` of the candidates that a rule accepts, those with a probability above 0.5; and the rule."""
    accepted = np.array([branch.inputs @ rule > 0 for branch in candidates])
    return score(candidates, accepted) | {"rule": rule.tolist()}


def score(candidates: list[Branch], accepted: np.ndarray) -> dict[str, float]:
    """The share of candidates that are accepted, and the gain per candidate."""
    gains = np.array([branch.gain.sum() for branch in candidates])
    return {"accepted": float(accepted.mean()), "gain": float((gains * accepted).mean())}


if __name__ == "__main__":
    main()
