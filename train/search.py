"""Train the closed-loop agent: a supervised warm start on crops, then REINFORCE in the loop; test it, write a report.

python train/search.py                                             # drawn sequences, no weights
python train/search.py --root OTB --sequences drlt30 --features nanotrack --weights FOLDER
python train/search.py --root OTB --sequences Car4,David,Deer --test-sequences drlt30 --extra synthetic:0-63 ...
"""

if not __package__:  # run as a file: sys.path[0] is train/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import os

# Threads that wait must sleep: spinning ones make training ten times slower wherever another program runs too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded

import sys
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
import tyro
from tqdm import tqdm

import tracking_env  # noqa: F401  (registers the ids)
from agents import imitation, reinforce, returns, supervised
from agents.pointing import Pointing
from tracking_env import dataset
from tracking_env.errors import InputError
from tracking_env.gaze import GazeTracker
from tracking_env.maps import make_maps
from tracking_env.sequence import ArrayFrames, Sequence
from tracking_env.tracker import run as track
from train import results
from train.crops import cut
from train.data import DRAWN_TEST, DRAWN_TRAINING
from train.rollout import in_image, replay, roll
from train.search_config import SearchConfig


def in_memory(sequence: Sequence, part: range) -> Sequence:
    frames = ArrayFrames(np.stack([sequence.frames[index] for index in part]))
    return Sequence(
        sequence.name, frames, sequence.boxes[part.start : part.stop], sequence.attributes, sequence.dataset
    )


def evaluate(model, maps, testing, unseen, desc):
    model.eval()
    found, seconds = {}, {}
    for one in tqdm(testing, desc=desc, unit="sequence", leave=False, disable=None):
        trajectory = track(GazeTracker(model, maps), one)
        found[one.name], seconds[one.name] = trajectory.boxes, trajectory.fps
    model.train()
    return results.score(found, testing, unseen), found, seconds


def train(config: SearchConfig) -> None:
    torch.manual_seed(config.seed)
    data, warm, loop = config.data, config.warm, config.loop
    drawn = data.root is None
    names = data.sequences or (DRAWN_TRAINING if drawn else "available")
    tests = data.test_sequences or (DRAWN_TEST if drawn and data.sequences is None else None)
    chosen = dataset.load(data.root, names)
    unseen = tests is not None
    testing = dataset.load(data.root, tests) if tests else chosen
    maps = make_maps(data.features, data.weights)
    parts = [(one, one.part("all" if unseen else "train")) for one in chosen]
    if data.extra:
        root = None if data.extra.startswith("synthetic") else data.root
        parts += [(one, one.part("all")) for one in dataset.load(root, data.extra)]
    training = [in_memory(one, part) for one, part in tqdm(parts, desc="decoding", disable=None)]
    model = Pointing(maps.channels, config.network)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    log = (out / "log.txt").open("a")

    def say(*a):
        print(*a, flush=True)
        print(*a, file=log, flush=True)

    def test(name):
        report, found, seconds = evaluate(model, maps, testing, unseen, name)
        per = {k: round(v["whole"].auc, 3) for k, v in report.sequences.items()}
        m = report.mean
        say(
            name,
            {p: (round(m[p].auc, 3), round(m[p].precision20, 3)) for p in m if m[p]},
            "fps",
            round(float(np.mean(list(seconds.values())))),
            per,
        )
        return report

    if config.start:
        model.load_state_dict(torch.load(Path(config.start) / "warm.pt"))
    elif warm.warm_steps:
        crops = cut([(one, one.part("all")) for one in training], maps, warm.crops, warm.pretended, config.seed)
        optimizer = torch.optim.AdamW(model.parameters(), lr=warm.warm_lr, weight_decay=1e-2)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, warm.warm_lr, total_steps=warm.warm_steps)
        bar = tqdm(range(warm.warm_steps), desc="warm start", unit="update", disable=None)
        tot = []
        for step in bar:
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
            search, location, state, truth = crops.batch(model, warm.warm_batch, warm.pretended_share, generator)
            decision = model.decide(search, location, state)
            loss = imitation.loss(decision, truth, model.cells).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            rate.step()
            tot.append(imitation.generalised_iou(decision.mean, truth).mean().item())
            if step % 250 == 249:
                say("warm", step + 1, "giou", round(float(np.mean(tot[-250:])), 3))
        torch.save(model.state_dict(), out / "warm.pt")
        del crops
    test("warm")
    if not loop.updates:
        return
    by = {one.name: one for one in training}
    envs = [
        gym.make(
            "OTBTrackSearch-v0",
            sequences=training,
            split="all",
            features=maps,
            clip_length=loop.steps,
            template="video",
            jitter=loop.jitter,
            disable_env_checker=True,
        )
        for _ in range(loop.clips * loop.episodes)
    ]
    optimizer = torch.optim.Adam(model.parameters(), lr=loop.lr)
    t0 = time.time()
    hist = []
    for update in range(loop.updates):
        reward = "l1" if update < loop.l1_updates else "iou"
        for group in optimizer.param_groups:
            group["lr"] = loop.lr * (loop.lr_end / loop.lr) ** (update / max(1, loop.updates - 1))
        rng = np.random.default_rng([config.seed, update])
        noise = torch.Generator().manual_seed(config.seed * 1_000_003 + update)
        options = []
        for _ in range(loop.clips):
            one = training[rng.integers(len(training))]
            known = np.flatnonzero(one.annotated)
            full = known[known <= max(known[0], len(one) - loop.steps)]
            options.append({"sequence": one.name, "start": int(rng.choice(full))})
        seeds = rng.integers(2**31, size=loop.clips).tolist()
        rollout = roll(envs, model, options, seeds, loop.steps, loop.sigma, noise)
        mask = rollout.mask.view(loop.episodes, loop.clips, loop.steps)
        gained = returns.returns(rollout.rewards[reward] * mask, loop.returns, None, loop.gamma)
        advantages = (gained - returns.baseline(gained, "mean")).flatten(0, 1)
        mean = replay(model, rollout)
        if loop.learner == "reinforce":
            losses = reinforce.loss(mean, rollout.actions[None], advantages[None], loop.sigma, rollout.mask)
        else:
            losses = supervised.loss(in_image(mean, rollout.place), rollout.truth, reward, rollout.mask)
        loss = losses.mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), loop.clip_norm)
        optimizer.step()
        hist.append((float((rollout.rewards["iou"] * mask).sum() / mask.sum()), float(norm)))
        if update % 20 == 19:
            say(
                update + 1,
                reward,
                "iou",
                np.round(np.mean(hist[-20:], 0), 3),
                "pace",
                round(model.pace.item(), 3),
                "pull",
                round(model.pull.item(), 4),
                "renew",
                round(model.renew.bias.sigmoid().item(), 3),
                round(time.time() - t0),
                "s",
            )
        if (update + 1) % config.evaluate_every == 0 or update + 1 == loop.updates:
            torch.save(model.state_dict(), out / f"loop-{update + 1}.pt")
            test(f"loop-{update + 1}")


def main() -> int:
    try:
        train(tyro.cli(SearchConfig, config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)))
    except InputError as error:
        print(f"train/search.py: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
