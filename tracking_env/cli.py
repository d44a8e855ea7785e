"""Track targets in benchmarks and in your own video, and score the results.

Exit codes: 0 success; 1 a part failed or a folder has faults; 2 the input cannot be used; 130 stopped by Ctrl-C.
With --traceback, a command shows where each of its errors came from. --version prints the version.
"""

import sys
from collections.abc import Sequence
from typing import Literal

import tyro

from tracking_env.commands import print_version
from tracking_env.commands.check import check_folder
from tracking_env.commands.demo import show_demo
from tracking_env.commands.download import download_weights
from tracking_env.commands.evaluate import evaluate_tracker
from tracking_env.commands.extract import extract_features
from tracking_env.commands.play import play_environment
from tracking_env.commands.push import push_checkpoint
from tracking_env.commands.report import make_report
from tracking_env.commands.score import score_results
from tracking_env.commands.sequences import list_sequences
from tracking_env.commands.track import track_video
from tracking_env.commands.trax import serve_trax
from tracking_env.errors import InputError, suggest
from tracking_env.program import run_program

app = tyro.extras.SubcommandApp()
app.command(name="track")(track_video)
app.command(name="demo")(show_demo)
app.command(name="evaluate")(evaluate_tracker)
app.command(name="score")(score_results)
app.command(name="report")(make_report)
app.command(name="sequences")(list_sequences)
app.command(name="check")(check_folder)
app.command(name="download")(download_weights)
app.command(name="extract")(extract_features)
app.command(name="push")(push_checkpoint)
app.command(name="trax")(serve_trax)
app.command(name="play")(play_environment)


@app.command(name="completion")
def print_completion(shell: tyro.conf.Positional[Literal["bash", "zsh", "fish"]]) -> int:
    """Print a script that completes commands and flags in your shell.

    Example: tracking-env completion bash > ~/.local/share/bash-completion/completions/tracking-env

    Args:
        shell: your shell.
    """
    return _run(["--tyro-write-completion", shell, "-"])


def _run(argv: Sequence[str]) -> int:
    first = argv[0] if argv else ""
    if first == "--version":
        return print_version()
    names = list(app._subcommands)
    if first and not first.startswith("-") and first not in names:
        raise InputError(f"unknown command {first!r}{suggest(first, names)}; the commands are {', '.join(names)}")
    # Without this option tyro would add a --no-X for each flag --X.
    return app.cli(prog="tracking-env", description=__doc__, args=argv, config=(tyro.conf.FlagCreatePairsOff,))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the command's name and flags. By default those of this process.

    Returns:
        The exit code, see above; 141 if the reader of the output has ended.

    Example:
        >>> main(["sequences", "--sequences", "Deer"])
        Deer    71  MB FM IPR BC LR
        0
    """
    return run_program("tracking-env", _run, argv)


if __name__ == "__main__":
    sys.exit(main())
