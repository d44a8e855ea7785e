"""From a training script's work to its exit code."""

from collections.abc import Callable, Sequence

from tracking_env.program import run_program


def run_main(
    script: str,
    work: Callable[[list[str]], None],
    args: Sequence[str] | None = None,
    reports: Callable[[], bool] = lambda: True,
) -> int:
    """Run a script's work, see `run_program`; the line after an error says that and how the run can go on.

    Args:
        script: its name, for that line.
        work: everything from parsing flags to writing the report; gets the flags.
        args: the flags, by default those of this process.
        reports: whether this process should print the line; of several processes only one should.

    Returns:
        The exit code: 0; 2 for an unusable input or a full disk; 130 after Ctrl-C.
    """
    stopped, again = "stopped; features and checkpoints so far are kept", "type it again with --resume"
    return run_program(script, work, args, stopped, again, reports)
