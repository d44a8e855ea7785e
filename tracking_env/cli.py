"""The ``tracking-env`` command: trackers on benchmarks and on your own video, and what their results are worth.

Exit codes: 0 all well, 1 not all of it could be done or scored, or a folder has faults, 2 the input cannot be used, 130
stopped by Ctrl-C.
"""

import os
import sys
from collections.abc import Sequence
from typing import Literal

import tyro

from tracking_env.commands.check import check_folder
from tracking_env.commands.demo import show_demo
from tracking_env.commands.download import download_weights
from tracking_env.commands.evaluate import evaluate_tracker
from tracking_env.commands.extract import extract_features
from tracking_env.commands.push import push_checkpoint
from tracking_env.commands.report import make_report
from tracking_env.commands.score import score_results
from tracking_env.commands.sequences import list_sequences
from tracking_env.commands.track import track_video
from tracking_env.commands.trax import serve_trax
from tracking_env.errors import InputError

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


@app.command(name="completion")
def print_completion(shell: tyro.conf.Positional[Literal["bash", "zsh", "fish"]]) -> int:
    """Print what completes commands and flags in your shell.

    Example: tracking-env completion bash > ~/.local/share/bash-completion/completions/tracking-env

    Args:
        shell: bash, zsh or fish.
    """
    return _run(["--tyro-write-completion", shell, "-"])


def _run(argv: Sequence[str] | None) -> int:
    return app.cli(prog="tracking-env", description=__doc__, args=argv, config=(tyro.conf.FlagCreatePairsOff,))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command on ``argv`` (by default the process's own) and return its exit code."""
    try:
        code = _run(argv)
        sys.stdout.flush()
        return code
    except InputError as error:
        print(f"tracking-env: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tracking-env: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains while it ends
        return 141


if __name__ == "__main__":
    sys.exit(main())
