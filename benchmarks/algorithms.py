"""Compare algorithms at the same number of environment steps: one row per algorithm, on any data.

python benchmarks/algorithms.py --out runs/algorithms --env-steps 500000 --seeds 3 -- --root OTB --sequences drlt30

It trains SB3's five algorithms with train/sb3.py, and REINFORCE and its supervised control with train/reinforce.py, all
with the flags after ``--`` (data, store, device). It prints a Markdown table with deviations over the seeds, also in
OUT/table.md. The same command continues where it stopped, and finished runs are only read.

An environment step is an action with its reward. REINFORCE samples N boxes for each frame, so its number of epochs is
chosen to give the same number of boxes, with L1 and IoU in the paper's proportion. The control samples no boxes; it
visits the same frames as often. Layer sizes are the same for all (``--hidden``).
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import sys
from pathlib import Path

from benchmarks.ablation import TRAIN, Parse, run, table
from tracking_env.errors import InputError
from tracking_env.files import write_atomically
from train import config, data, sb3_config

SB3 = TRAIN.parent / "sb3.py"
L1_SHARE = 0.6  # 300 of 500 epochs


def epochs(env_steps: int, frames: int, episodes: int) -> tuple[int, int]:
    """Epochs on L1 and on IoU in which REINFORCE samples as many boxes; at least one epoch each.

    Args:
        env_steps: the budget.
        frames: number of training frames.
        episodes: N, boxes per frame.
    """
    total = max(2, round(env_steps / (frames * episodes)))
    l1 = min(total - 1, max(1, round(L1_SHARE * total)))
    return l1, total - l1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and of the table")
    parser.add_argument("--env-steps", type=int, default=200_000, help="environment steps of each algorithm")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each algorithm")
    parser.add_argument("--hidden", type=int, default=256, help="neurons of the layer on the features, and of the next")
    parser.add_argument("--preset", default="demo", help="preset of train/reinforce.py, for rates and batch")
    rows = [*sb3_config.PRESETS, "reinforce", "supervised"]
    parser.add_argument("--only", nargs="+", choices=rows, default=rows, metavar="ALGORITHM", help=", ".join(rows))
    args = sys.argv[1:]
    cut = args.index("--") if "--" in args else len(args)
    arguments = parser.parse_args(args[:cut])
    seeds = ["--seeds", str(arguments.seeds)] if arguments.seeds != 1 else []
    common, hidden = args[cut + 1 :] + seeds, arguments.hidden
    try:
        drlt = [*common, "--preset", arguments.preset, "--observation", str(hidden), "--hidden", str(hidden)]
        sb3 = [*common, "--hidden", str(hidden), "--env-steps", str(arguments.env_steps)]
        sb3 += ["--evaluate-every", str(max(1, arguments.env_steps // 10))]
        parsed = config.parse(drlt)
        frames = sum(len(part) for _, part in data.load_data(parsed.data).clips)
        sb3 += ["--augment", str(parsed.data.augment)]  # which may be the preset's
        l1, iou = epochs(arguments.env_steps, frames, parsed.reinforce.episodes)
        drlt += ["--l1-epochs", str(l1), "--iou-epochs", str(iou)]
        drlt += ["--evaluate-every", str(max(1, (l1 + iou) // 10))]
        runs: list[tuple[list[str], str, Path, Path, Parse]] = []
        for name in arguments.only:
            if name in sb3_config.PRESETS:
                runs.append((sb3, f"--algo {name}", arguments.out / name, SB3, sb3_config.parse))
            else:
                runs.append((drlt, f"--learner {name}", arguments.out / name, TRAIN, config.parse))
        for flags, variant, _, _, parse in runs:
            parse([*flags, *variant.split()])  # refuse bad flags before hours of training
        reports = {name: run(*options) for name, options in zip(arguments.only, runs, strict=True)}
    except InputError as error:
        print(f"benchmarks/algorithms.py: error: {error}", file=sys.stderr)
        return 2
    budget = f"{arguments.env_steps} environment steps; REINFORCE: {l1} + {iou} epochs of {frames} frames"
    text = f"{table(reports)}\n\n{budget}"
    with write_atomically(arguments.out / "table.md") as partial:
        partial.write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
