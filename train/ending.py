"""How a training script ends: its exit code, and one line of what its user can mend."""

import sys
from collections.abc import Callable

from tracking_env.errors import InputError


def ended(script: str, job: Callable[[], None], speaks: Callable[[], bool] = lambda: True) -> int:
    """Do a job, and say in one line why it could not be done.

    Args:
        script: its name, for that line.
        job: from flags to report.
        speaks: whether it is for this process to say it.

    Returns:
        The exit code: 0; 2 where the input cannot be used or the disk is full; 130 where the user broke it off.
    """
    try:
        job()
    except (InputError, OSError) as error:
        # The disk, at any of the many places that write; where it is known what was written, it is an InputError.
        more = "; make room, then type it again with --resume" if isinstance(error, OSError) else ""
        if speaks():
            print(f"{script}: error: {error}{more}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if speaks():
            print("stopped; features and checkpoints so far are kept", file=sys.stderr)
        return 130
    return 0
