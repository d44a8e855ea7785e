"""Show when the tracker ``experts`` finds a lost target again, and when it loses one: film strips, with what it saw.

    python benchmarks/rescues.py --root VIDEOS --weights FOLDER --out strips
    python benchmarks/rescues.py --sequences synthetic:2000-2029 --hard dropped --out strips

It writes ``rescue-1.png`` to ``rescue-5.png`` and ``failure-1.png`` to ``failure-5.png``, of different sequences. Green
is the true box, red the reported one, blue the candidate of a scan. Each picture says what the policy expected and saw.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
from collections.abc import Sequence as Many
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from tracking_env.datasets import load
from tracking_env.datasets.augmentation import DIFFICULTIES, Difficulty, harden
from tracking_env.datasets.sequence import Sequence
from tracking_env.envs import OTBTrackExpertsEnv
from tracking_env.files import write_atomically
from tracking_env.report.film_strips import draw_frame
from tracking_env.search.ensemble.trained import TrainedEnsembleTracker, tracker

STRIPS = 5
LOST, FOUND = 0.1, 0.5
"""IoU below which a target is lost, and above which it is followed."""
FRAMES = 10
"""A target counts as lost or found if it is so, on average, for this many frames."""
OFFSETS = -8, -4, -1, 0, 1, 8
"""The frames of a strip, from the one in which the experts are put back or the target is lost."""


@dataclass(frozen=True)
class Moment:
    """What happened in a frame."""

    box: np.ndarray
    """the reported pixel box ``(4,)``"""
    iou: float
    """of it with the true one"""
    candidate: np.ndarray
    """pixel box ``(4,)`` of the scan's candidate; zeros without one"""
    put_back: bool
    """whether all experts were put back on the candidate"""
    caption: str


def main(args: Many[str] | None = None) -> None:
    """Track, and write the strips."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="folder of the videos; by default drawn ones")
    parser.add_argument("--sequences", help="names; by default all, or synthetic:2000-2029")
    parser.add_argument("--hard", choices=DIFFICULTIES, help="make each sequence a hard clip of this difficulty")
    parser.add_argument("--checkpoint", type=Path, help="by default the agent that comes with the code")
    parser.add_argument("--weights", type=Path, action="append", default=[], help="folder of the experts' files")
    parser.add_argument("--out", type=Path, default=Path("strips"))
    options = parser.parse_args(args)
    agent = tracker(options.checkpoint, options.weights)
    sequences = load(options.root, options.sequences or ("available" if options.root else "synthetic:2000-2029"))
    strips: dict[str, list[tuple[Sequence, list[Moment], int]]] = {"rescue": [], "failure": []}
    for sequence in sequences:
        if options.hard:
            sequence = harden(sequence, range(len(sequence)), cast(Difficulty, options.hard), 0)
        moments = follow(agent, sequence)
        for kind, index in (("rescue", find_rescue(moments)), ("failure", find_failure(moments))):
            if index is not None and len(strips[kind]) < STRIPS:
                strips[kind].append((sequence, moments, index))
    options.out.mkdir(parents=True, exist_ok=True)
    for kind, shown in strips.items():
        for number, (sequence, moments, index) in enumerate(shown, start=1):
            with write_atomically(options.out / f"{kind}-{number}.png") as partial:
                cv2.imwrite(str(partial), cv2.cvtColor(draw_strip(sequence, moments, index), cv2.COLOR_RGB2BGR))
            print(f"{options.out / f'{kind}-{number}.png'}: {sequence.name}, frame {index + 1}")


def follow(agent: TrainedEnsembleTracker, sequence: Sequence) -> list[Moment]:
    """Let the agent's policy act in the environment for a whole sequence."""
    experts = agent.team.experts
    env = OTBTrackExpertsEnv(sequences=[sequence], split="all", experts=experts)
    observation, info = env.reset(seed=0, options={"start": 0})
    state, moments, over = None, [], False
    while not over:
        prediction, state = agent.policy.predict(observation, state)
        candidate, scanned = info["candidate"], bool(env.team.scanning[0])
        observation, _, _, over, info = env.step(prediction.action)
        resets = prediction.action[len(experts) + 4 : 2 * len(experts) + 4]
        put_back = bool(candidate[2] > 0 and (resets > 0.5).all())
        doing = "put back" if put_back else "candidate" if candidate[2] > 0 else "scanning" if scanned else ""
        caption = f"expects {prediction.confidence or 0:.2f} {doing}".strip()
        moments.append(Moment(info["prediction"], info["iou"], candidate, put_back, caption))
    env.close()
    return moments


def find_rescue(moments: Many[Moment]) -> int | None:
    """The first frame in which a lost target is found again: the experts are put back, and follow it from then on."""
    ious = np.array([moment.iou for moment in moments])
    for index, moment in enumerate(moments):
        before, after = ious[max(index - 2, 0) : index + 1], ious[index + 1 : index + 1 + FRAMES]
        if moment.put_back and before.max() < LOST and len(after) == FRAMES and after.mean() > FOUND:
            return index
    return None


def find_failure(moments: Many[Moment]) -> int | None:
    """The first frame in which a target that was followed is lost for long."""
    ious = np.array([moment.iou for moment in moments])
    for index in range(FRAMES, len(ious) - FRAMES):
        if ious[index - FRAMES : index].mean() > FOUND and ious[index : index + FRAMES].max() < LOST:
            return index
    return None


def draw_strip(sequence: Sequence, moments: Many[Moment], index: int) -> np.ndarray:
    """The frames around one, side by side: ``(height, width, 3)`` uint8 RGB."""
    pictures = []
    for offset in OFFSETS:
        at = min(max(index + offset, 0), len(moments) - 1)
        moment = moments[at]
        boxes = {"truth": sequence.boxes[at], "agent": moment.box}
        if moment.candidate[2] > 0:
            boxes["rival"] = moment.candidate
        pictures.append(draw_frame(sequence.frames, at, boxes, f"{at + 1}: {moment.caption}"))
    return np.concatenate(pictures, axis=1)


if __name__ == "__main__":
    main()
