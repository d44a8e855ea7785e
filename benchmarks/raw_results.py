"""Run trackers of docs/results.md on OTB-13 and OTB-10, and pack their boxes for `tracking-env score --against`.

python benchmarks/raw_results.py experts --root OTB --experts FOLDER
python benchmarks/raw_results.py drlt-otb search-nanotrack --root OTB --weights FOLDER --runs runs

Without names it packs all. Agents that do not come with the code are read from the folder of ``--runs``;
``command.txt`` in each archive says what trained them. Finished sequences, which lie in ``--out``, are not run again;
``--overwrite`` runs them again, for an agent that has changed.
"""

if not __package__:  # run as a file: sys.path[0] is benchmarks/; make it the repository root
    import sys
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tracking_env import cli
from tracking_env.errors import InputError
from tracking_env.evaluation import raw_results
from tracking_env.evaluation.result_files import Results, read_results
from tracking_env.evaluation.results_folder import read_id
from tracking_env.search.ensemble import EnsembleTracker, HandMadeRule
from tracking_env.search.ensemble.action import action_size
from tracking_env.search.experts import make_experts

OTB_13 = "Bird2,BlurBody,BlurCar2,CarScale,Couple,Dancer2,Diving,Human7,Jumping,Singer2,Skating1,Suv,Woman"
OTB_10 = "Car4,Crossing,David,Deer,Football1,Freeman1,Jogging-1,Jogging-2,Man,MotorRolling"
SEQUENCES = f"{OTB_13},{OTB_10}"
_EXPERTS = ("nanotrack-v3", "fear-xs")


def hand_made_rule(weights: Sequence[Path] = ()) -> EnsembleTracker:
    """The hand-made rule among NanoTrack v3 and FEAR-XS as a tracker; the environment's action 0."""
    experts = make_experts(_EXPERTS, weights[0] if weights else None)
    identity = ", ".join(f"{expert.name} {expert.id}" for expert in experts)
    return EnsembleTracker(HandMadeRule(action_size(len(experts), pausing=False)), experts, identity, likeness=False)


@dataclass(frozen=True)
class Recipe:
    """How one tracker's boxes are made.

    Attributes:
        runs: flags of ``tracking-env evaluate``, a text for each run. ``WEIGHTS``, ``EXPERTS`` and
            ``RUNS`` stand for folders.
        training: the command that trains its agent, unless the agent comes with the code.
    """

    runs: tuple[str, ...]
    training: str = ""


RECIPES: Mapping[str, Recipe] = {
    "static": Recipe(("--tracker static",)),
    "mil": Recipe(("--tracker mil",)),
    "nano": Recipe(("--tracker nano --weights WEIGHTS",)),
    "nanotrack-v3": Recipe(("--tracker nanotrack-v3 --weights EXPERTS",)),
    "fear-xs": Recipe(("--tracker fear-xs --weights EXPERTS",)),
    "vittrack": Recipe(("--tracker vittrack --weights EXPERTS",)),
    "rule": Recipe(("--tracker benchmarks.raw_results:hand_made_rule --weights EXPERTS",)),
    "experts": Recipe(("--tracker experts --weights EXPERTS",)),
    "proposals": Recipe(("--tracker proposals --weights WEIGHTS",)),
    "search-cells": Recipe(("--tracker search",)),
    "search-nanotrack": Recipe(
        ("--tracker search --checkpoint RUNS/search --weights WEIGHTS",),
        "python train/search.py --preset small --root OTB --sequences drlt30 --weights FOLDER --out runs/search",
    ),
    "drlt-otb": Recipe(("--tracker drlt --checkpoint drlt-otb --weights WEIGHTS",)),
}


def main() -> int:
    """Write an archive for each tracker; the exit code is 1 if one could not run on all sequences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(RECIPES), metavar="NAME", help=f"some of {', '.join(RECIPES)}")
    parser.add_argument("--root", required=True, help="OTB's folder")
    parser.add_argument("--weights", default="", help="folder of the files of yolo-nano-voc and NanoTrack v2")
    parser.add_argument("--experts", default="", help="folder of the files of NanoTrack v3, FEAR-XS and VitTrack")
    parser.add_argument("--runs", default="runs", help="folder of trained agents")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for the result files")
    parser.add_argument("--overwrite", action="store_true", help="run finished sequences again")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in RECIPES]
    if unknown:
        parser.error(f"unknown tracker {unknown[0]!r}; there are {', '.join(RECIPES)}")
    for name in args.names:
        try:
            pack(name, args)
        except InputError as error:
            print(f"benchmarks/raw_results.py: error: {name}: {error}", file=sys.stderr)
            return 1
    return 0


def pack(name: str, args: argparse.Namespace) -> None:
    """Run one tracker on all sequences, and write its archive."""
    recipe = RECIPES[name]
    lines = [recipe.training] if recipe.training else []
    results: list[Results] = []
    for number, flags in enumerate(recipe.runs):
        folder = f"{name}-{number}" if len(recipe.runs) > 1 else name
        command = f"evaluate {flags} --root OTB --sequences {SEQUENCES} --out results --name {folder}"
        places = {"WEIGHTS": args.weights, "EXPERTS": args.experts, "OTB": args.root, "results": str(args.out)}
        words = [places.get(word, word.replace("RUNS", args.runs)) for word in command.split()]
        if cli.main([*words, "--overwrite"] if args.overwrite else words):
            raise InputError(f"tracking-env {shlex.join(words)} failed")
        results.append(read_results(args.out / folder, SEQUENCES.split(",")))
        generic = command.replace("WEIGHTS", "FOLDER").replace("EXPERTS", "FOLDER").replace("RUNS", "runs")
        lines += [f"tracking-env {generic}", read_id(args.out / folder)]
    together = replace(results[0], runs=tuple(run for result in results for run in result.runs))
    path = raw_results.write(name, together, "".join(f"{line}\n" for line in lines))
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
