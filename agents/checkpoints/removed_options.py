"""Options that older versions had. A configuration that used one is refused; all others still load."""

from collections.abc import Mapping
from typing import Any

from tracking_env.errors import InputError
from tracking_env.trackers.checkpoint import REMOVED

REMOVED_VALUES: Mapping[str, tuple[str, ...]] = {
    "returns": ("episode",),
    "baseline": ("none", "value"),
    "learner": ("pathwise",),
}
"""Values that fields no longer take."""


def check_removed_options(config: Mapping[str, Any], source: object) -> None:
    """Check that a saved configuration (nested dictionaries) uses no removed option.

    Raises:
        InputError: it does; the message names ``source`` and the option.
    """
    for name, value in config.items():
        if isinstance(value, Mapping):
            check_removed_options(value, source)
            continue
        # A removed field may hold its old default; a field that still exists may hold any value but the removed ones.
        used = value not in REMOVED[name] if name in REMOVED else value in REMOVED_VALUES.get(name, ())
        if used:
            flag = "--" + name.replace("_", "-")
            raise InputError(f"{source} was trained with {flag} {value}, which no longer exists; train it again")
