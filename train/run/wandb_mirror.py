"""A mirror of a run's curves in Weights & Biases."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracking_env.errors import MissingPackageError


class WandbMirror:
    """One run of Weights & Biases for one run directory; a resumed run goes on in it.

    With the environment variable ``WANDB_MODE=offline`` everything stays in the folder ``wandb`` of the run, and
    ``wandb sync`` sends it later.

    Args:
        path: the run directory.
        config: its configuration, by field.

    Raises:
        MissingPackageError: the package is not installed.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ModuleNotFoundError as error:
            raise MissingPackageError("--wandb", error, "wandb") from None
        name = "-".join(path.resolve().parts[-2:])
        self._run = wandb.init(
            project="tracking-env", name=name, id=name, resume="allow", dir=str(path), config=dict(config)
        )

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """Add scalars by name, at a number of environment steps."""
        self._run.log(dict(scalars), step=step)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()
