"""Is it worth putting the experts back on a candidate? Each of some candidates is accepted in an episode of its own.

    python benchmarks/branches.py --checkpoint runs/experts/warm --root VIDEOS --sequences TRAINING \
      --test-sequences VALIDATION --weights FOLDER --horizons 1,10,40 --seeds 5

An agent of train/experts.py follows training clips in which targets are lost, and rejects all candidates. From a
candidate an episode branches off that accepts it and goes on for 40 frames. The difference of both episodes' IoU,
added up over a horizon, is the advantage of accepting. REINFORCE changes when the agent accepts: it follows the
gradient of the advantage times the probability of accepting, in which both episodes take part and none has to be drawn.
A seed draws which clips it learns from, with replacement. All agents are tested on the videos of --test-sequences and
on hard clips of them, beside the agent itself and beside agents whose rule has another constant, by hand.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import copy
import json
from collections.abc import Sequence as Many
from pathlib import Path
from typing import NamedTuple, TypeVar

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
from tracking_env.search.ensemble.losses import first_frames, lose
from tracking_env.search.ensemble.observation import CANDIDATE, CANDIDATE_DISTANCE, Means
from tracking_env.search.ensemble.report import Report
from tracking_env.search.ensemble.scan import Candidates
from tracking_env.search.experts import Expert, make_experts
from train.arbiter_report import evaluate_agent, summarise
from train.samples import hard_clips
from train.samples.team_rollout import Start

FRAMES, AFTER, BRANCHES, APART = 80, 40, 6, 4
"""Length of a clip, frames of a branch after its candidate, branches that are open at the same time, and frames from
one branch to the next: candidates of neighbouring frames are alike."""
CLIPS = 2
"""Clips of each sequence that begin with a simulated loss; there are as many hard clips."""
CONSTANTS = -1.0, 1.0
"""By so much the rule's constant is changed by hand."""
UPDATES, LR = 1000, 0.05
Parts = TypeVar("Parts", Report, Candidates, Decision)


class Branch(NamedTuple):
    """A candidate, and what came of accepting it."""

    inputs: np.ndarray
    """what the rule for candidates weighs, ``(4,)``: 1, score, distance, log-odds of the largest expected overlap"""
    gain: np.ndarray
    """IoU of the episode that accepts it less that of the one that does not, in each of `AFTER` later frames"""


def main() -> None:
    """Print a table of all agents, and optionally write their scores as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="of train/experts.py")
    parser.add_argument("--root", help="folder of the videos; by default drawn ones")
    parser.add_argument("--sequences", default="synthetic:0-9", help="names of those to learn from")
    parser.add_argument("--test-sequences", default="synthetic:100-102", help="names of those to test on")
    parser.add_argument("--weights", help="folder of the experts' files")
    parser.add_argument("--horizons", default="1,10,40", help="frames over which gains are summed")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    torch.set_num_threads(1)
    saved = arbiter_checkpoint.load(options.checkpoint)
    model, experts = saved.model, make_experts([each.partition(" ")[0] for each in saved.experts], options.weights)
    clips = collect(experts, model, load(options.root, options.sequences))
    agents = {"the agent": [model]}
    agents |= {f"constant {change:+.1f}": [with_rule(model, change * np.eye(4)[0])] for change in CONSTANTS}
    for horizon in map(int, options.horizons.split(",")):
        learned = [learn(model, clips, horizon, np.random.default_rng(seed)) for seed in range(options.seeds)]
        agents[f"REINFORCE, credit over {horizon} frames"] = learned
    tests = load(options.root, options.test_sequences)
    tested = {"test sequences": tests, "hard clips": hard_clips.test_clips(tests)}
    scores = {name: [test(each, experts, tested) for each in group] for name, group in agents.items()}
    numbers = {
        "clips": len(clips),
        "branches": sum(map(len, clips)),
        "rules": {name: [each.candidate_rule.tolist() for each in group] for name, group in agents.items()},
        "scores": scores,
    }
    if options.json:
        print(json.dumps(numbers))
        return
    print_table(numbers)


def collect(experts: list[Expert], model: Arbiter, sequences: Many[Sequence]) -> list[list[Branch]]:
    """The branches of each clip of some sequences in which there are any."""
    team = Team(experts, 1 + BRANCHES, likeness=False)
    clips = []
    for sequence in tqdm(sequences, unit="sequence", disable=None):
        whole = range(len(sequence))
        starts = [Start(clip, 0, len(clip), None) for clip, _ in hard_clips.training_clips([(sequence, whole)], 1)]
        rng = np.random.default_rng(len(sequence))
        for first in rng.choice(first_frames(sequence, whole, FRAMES), CLIPS).tolist():
            around = lose(sequence.boxes[first], sequence.size, len(experts), len(experts), rng)
            starts.append(Start(sequence, first, len(sequence), around))
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


def learn(model: Arbiter, clips: list[list[Branch]], horizon: int, rng: np.random.Generator) -> Arbiter:
    """The agent after REINFORCE on the branches of clips that are drawn with replacement."""
    drawn = [branch for clip in rng.integers(len(clips), size=len(clips)) for branch in clips[clip]]
    inputs = torch.tensor(np.stack([branch.inputs for branch in drawn]))
    advantage = torch.tensor([branch.gain[:horizon].sum() for branch in drawn])
    rule = model.candidate_rule.detach().double().clone().requires_grad_()
    optimizer = torch.optim.Adam([rule], lr=LR)
    for _ in range(UPDATES):
        # With two episodes per candidate, the expectation over both replaces REINFORCE's sample: the gradient of p A.
        loss = -(torch.sigmoid(inputs @ rule) * advantage).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return with_rule(model, (rule - model.candidate_rule).detach().numpy())


def with_rule(model: Arbiter, change: np.ndarray) -> Arbiter:
    """A copy of the agent whose rule for candidates is changed by ``(4,)``."""
    changed = copy.deepcopy(model)
    changed.candidate_rule.data += torch.tensor(change, dtype=torch.float32)
    return changed


def test(model: Arbiter, experts: list[Expert], tested: dict[str, list[Sequence]]) -> dict[str, dict[str, float]]:
    """Scores of an agent by kind of sequences, see `arbiter_report.summarise`."""
    scores = {}
    for kind, sequences in tested.items():
        evaluation, _, _ = evaluate_agent(model, experts, sequences, unseen=True, likeness=False)
        scores[kind] = summarise({"": evaluation.report}, {"": 0.0})[""]
    return scores


def print_table(numbers: dict) -> None:
    """Mean and deviation over the seeds of each agent."""
    print(f"{numbers['clips']} clips, {numbers['branches']} candidates")
    width = max(map(len, numbers["scores"]))
    for name, runs in numbers["scores"].items():
        cells = []
        for kind in runs[0]:
            for measure in ("auc", "failures_per_100_frames"):
                values = [run[kind][measure] for run in runs]
                cells.append(f"{np.mean(values):.3f} ± {np.std(values, ddof=min(1, len(values) - 1)):.3f}")
        print(f"{name:{width}}  " + "  ".join(cells))


if __name__ == "__main__":
    main()
