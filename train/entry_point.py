"""From a training script's work to its exit code."""

import sys
from collections.abc import Callable

from tracking_env.errors import InputError


def run_main(script: str, work: Callable[[], None], reports: Callable[[], bool] = lambda: True) -> int:
    """Run a script's work; print one line if it fails for a reason that the user can change.

    Args:
        script: its name, for that line.
        work: everything from parsing flags to writing the report.
        reports: whether this process should print the line; of several processes only one should.

    Returns:
        The exit code: 0; 2 for an unusable input or a full disk; 130 after Ctrl-C.
    """
    try:
        work()
    except (InputError, OSError) as error:
        # An OSError comes from one of the many places that write to the disk, without further explanation.
        hint = "; make room, then type it again with --resume" if isinstance(error, OSError) else ""
        if reports():
            print(f"{script}: error: {error}{hint}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if reports():
            print("stopped; features and checkpoints so far are kept", file=sys.stderr)
        return 130
    return 0
