"""Fit the first weights of the rule for candidates (`agents.arbiter.CANDIDATE_RULE`): which candidates are the target?

    python benchmarks/candidates.py --root VIDEOS --weights FOLDER

In random frames it scans around the true box of a frame up to 60 frames before, as if the target had been lost there. A
logistic regression on the candidates' score and distance tells those that are the target from others. Its constant is
lowered by 0.44, since a right candidate overlaps the target by some 0.75 only.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
import zlib
from collections.abc import Sequence as Many

import numpy as np
import torch
from torch.nn import functional as F

from tracking_env import boxes as bx
from tracking_env.datasets import load
from tracking_env.datasets.sequence import Sequence
from tracking_env.search.ensemble.observation import LIMIT, candidate_distance
from tracking_env.search.ensemble.scan import Scan
from tracking_env.search.experts import Expert, make_experts

GAPS = 5, 60
"""Frames between the last box and the frame that is scanned, at least and at most."""
LOOKS = 5
"""How often a frame is looked at, each time at other places."""
CORRECT = 0.3
"""IoU from which a candidate is the target."""
LOWERED = 0.44
"""By so much the constant is lowered: then a candidate is accepted where 0.75 of its probability is above an expected
overlap of 0.3."""
Row = tuple[float, float, bool]
"""Score and distance of a candidate as a policy observes them, and whether it is the target."""


def main() -> None:
    """Print the weights, and how well they tell candidates apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="folder of the videos; by default drawn ones")
    parser.add_argument("--sequences", default="synthetic:0-19", help="names")
    parser.add_argument("--experts", default="nanotrack-v3,fear-xs")
    parser.add_argument("--weights", help="folder of the experts' files")
    parser.add_argument("--frames", type=int, default=10, help="frames of each sequence")
    options = parser.parse_args()
    experts = make_experts(options.experts.split(","), options.weights)
    rows = [
        row for sequence in load(options.root, options.sequences) for row in find(experts, sequence, options.frames)
    ]
    share = sum(correct for *_, correct in rows) / max(len(rows), 1)
    if not 0 < share < 1:
        sys.exit(f"{len(rows)} candidates, of which {share:.0%} are the target: give more sequences or frames")
    names = ("constant", "score", "distance")
    weights = dict(zip(names, fit_rule(rows).tolist(), strict=True))
    numbers = {"candidates": len(rows), "share that is the target": share, "weights": weights}
    print(json.dumps(numbers, indent=1))


def find(experts: list[Expert], sequence: Sequence, frames: int) -> list[Row]:
    """Candidates in random frames of a sequence."""
    rng = np.random.default_rng(zlib.crc32(sequence.name.encode()))
    first = int(np.flatnonzero(sequence.annotated)[0])
    templates = [[expert.template(sequence.frames[first], sequence.boxes[first]) for expert in experts]]
    later = [index for index in np.flatnonzero(sequence.annotated).tolist() if index >= first + GAPS[0]]
    rows = []
    for index in rng.permutation(later)[:frames].tolist():
        before = max(index - int(rng.integers(*GAPS, endpoint=True)), first)
        if not sequence.annotated[before]:
            continue
        last, frame, scan = sequence.boxes[before], sequence.frames[index], Scan(experts, 1)
        scan.start(0, last)
        for _ in range(LOOKS):
            candidates = scan.look([frame], [0], templates, last[None])
            if candidates.found[0]:
                distance = candidate_distance(last[None, None], candidates)[0, 0]
                correct = bool(bx.iou(candidates.boxes[0], sequence.boxes[index]) >= CORRECT)
                rows.append((float(candidates.log_odds[0].mean() / LIMIT), float(distance), correct))
    return rows


def fit_rule(rows: Many[Row]) -> np.ndarray:
    """The first three weights of the rule for candidates, ``(3,)``: constant, score and distance."""
    scores, distances, correct = np.array(rows, np.float64).T
    weights = fit(np.stack([np.ones_like(scores), scores, distances], axis=1), correct)
    return weights - [LOWERED, 0, 0]


def fit(inputs: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Logistic regression: the weights ``(D,)`` of inputs ``(N, D)`` in the log-odds that a row is correct."""
    x, y = torch.from_numpy(inputs), torch.from_numpy(correct)
    weights = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        entropy = F.binary_cross_entropy_with_logits(x @ weights, y)
        entropy.backward()
        return entropy

    optimizer.step(loss)  # type: ignore[arg-type]  # its annotation knows closures of floats alone
    return weights.detach().numpy()


if __name__ == "__main__":
    main()
