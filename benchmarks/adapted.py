"""How much of the experts' error is the annotators' convention: corrections from the first third of each test video.

    python benchmarks/adapted.py --root OTB --sequences drlt30 --weights FOLDER

The tracker ``experts`` corrects each expert's boxes by what it measures in the first frame. Here it follows the first
third of a video, whose true boxes are known, measures again, and then tracks the whole video. So these are numbers of
the paper's split: only the rest of each video is unseen.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import json
from pathlib import Path

import numpy as np

from tracking_env import boxes as bx
from tracking_env.datasets import load
from tracking_env.datasets.sequence import Sequence
from tracking_env.search.ensemble.fusion import measure_correction
from tracking_env.search.ensemble.trained import TrainedEnsembleTracker, tracker
from tracking_env.trackers.base import run
from train.run import results

FOLLOWED = 0.4
"""IoU from which a frame of the first third tells the convention of its annotator."""


class AdaptedTracker:
    """``experts`` with other corrections than those of the first frame, ``(K, 4)``."""

    def __init__(self, agent: TrainedEnsembleTracker, corrections: np.ndarray) -> None:
        self.agent, self.corrections = agent, corrections

    def init(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Start on the first frame."""
        self.agent.init(frame, box)
        self.agent.team.corrections[0] = self.corrections

    def update(self, frame: np.ndarray) -> np.ndarray:
        """The reported pixel box ``(4,)`` in the next frame."""
        return self.agent.update(frame)


def main() -> None:
    """Print AUC and P@20 on whole videos, on their first thirds and on the rest, before and after."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="folder of the sequence folders; by default drawn sequences")
    parser.add_argument("--sequences", default="synthetic:2000-2009", help="names or a list")
    parser.add_argument("--weights", type=Path, action="append", default=[], help="folder of the experts' files")
    parser.add_argument("--checkpoint", type=Path, help="by default the agent that comes with the code")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    agent = tracker(options.checkpoint, options.weights)
    boxes: dict[str, dict[str, np.ndarray]] = {"first frame": {}, "first third": {}}
    sequences = list(load(options.root, options.sequences))
    for sequence in sequences:
        boxes["first frame"][sequence.name] = run(agent, sequence).boxes
        adapted = AdaptedTracker(agent, measure_corrections(agent, sequence))
        boxes["first third"][sequence.name] = run(adapted, sequence).boxes
    rows = {}
    for name, predictions in boxes.items():
        mean = results.score(predictions, sequences, unseen=False).mean
        rows[name] = {
            part: {"auc": mean[part].auc, "precision20": mean[part].precision20} for part in mean if mean[part]
        }
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print("corrections from    " + "".join(f"{part:>16}" for part in rows["first frame"]) + "   (AUC, P@20)")
    for name, parts in rows.items():
        cells = [f"{part['auc']:.3f} {part['precision20']:.3f}" for part in parts.values()]
        print(f"{name:20}" + "".join(f"{cell:>16}" for cell in cells))


def measure_corrections(agent: TrainedEnsembleTracker, sequence: Sequence) -> np.ndarray:
    """Each expert's median error over the first third, where it follows the target, ``(K, 4)``.

    One that never does keeps the correction of the first frame.
    """
    agent.init(sequence.frames[0], sequence.boxes[0])
    corrections = agent.team.corrections[0].copy()
    looked_around = []
    for index in range(1, sequence.seen):
        agent.update(sequence.frames[index])
        looked_around.append(agent.team.boxes[0].copy())
    truth = sequence.boxes[1 : sequence.seen]
    for expert, boxes in enumerate(np.stack(looked_around, axis=1)):
        follows = sequence.annotated[1 : sequence.seen] & (bx.iou(boxes, truth) >= FOLLOWED)
        if follows.any():
            corrections[expert] = measure_correction(boxes[follows], truth[follows], share=1.0)
    return corrections


if __name__ == "__main__":
    main()
