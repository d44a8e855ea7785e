"""Search hyper-parameters of PPO with Optuna, over runs of train/sb3.py: python examples/optuna_sb3.py [--trials 20]

Trials are chosen on the training clips of each run, never on its test sequences. Needs Optuna: pip install -e
'.[optuna]'
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import optuna

SCRIPT = Path(__file__).resolve().parents[1] / "train" / "sb3.py"
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--trials", type=int, default=20)
parser.add_argument("--out", type=Path, default=Path("runs/optuna"), help="folder of the runs and of the study")
parser.add_argument("flags", nargs="*", help="flags of train/sb3.py for all trials, after --")
arguments = parser.parse_args()
arguments.out.mkdir(parents=True, exist_ok=True)


def train(trial: optuna.Trial) -> float:
    """One run; returns the mean IoU over its training clips."""
    run = arguments.out / f"trial-{trial.number}"
    flags = ["--sigma", str(trial.suggest_float("sigma", 0.01, 0.3, log=True))]
    flags += ["--lr", str(trial.suggest_float("lr", 1e-5, 1e-3, log=True))]
    flags += ["--passes", str(trial.suggest_int("passes", 2, 10))]
    flags += ["--out", str(run), "--overwrite"]
    subprocess.run([sys.executable, str(SCRIPT), *arguments.flags, *flags], check=True, stdout=subprocess.DEVNULL)
    return json.loads((run / "report.json").read_text())["best_training_iou"]


# The file keeps the trials: the same command goes on where it stopped.
storage = f"sqlite:///{arguments.out / 'study.db'}"
study = optuna.create_study(study_name="ppo", storage=storage, direction="maximize", load_if_exists=True)
study.optimize(train, n_trials=arguments.trials)
print(f"best: {study.best_value:.3f} with {study.best_params}; repeat it with --config of its run:")
print(f"python train/sb3.py --config {arguments.out}/trial-{study.best_trial.number}/config.json --out runs/best")
