"""Gymnasium's batched ``info``: each array, and under ``_key`` which environments have it. Pure functions."""

from typing import Any

import numpy as np


def batch_info(values: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, Any]:
    """The arrays ``(N, ...)``, and as ``_key`` which environments have it, ``(N,)`` bool."""
    return values | {f"_{key}": mask for key in values}


def batch_info_of(values: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, Any]:
    """The batched info of the environments in the mask, blank for the others; empty if the mask is."""
    if not mask.any():
        return {}
    copies = {key: value.copy() for key, value in values.items()}
    for value in copies.values():
        value[~mask] = None if value.dtype == object else 0
    return batch_info(copies, mask)


def final_info(observation: Any, info: dict[str, np.ndarray], ended: np.ndarray) -> dict[str, Any]:
    """``final_obs`` and ``final_info`` of the episodes that ended: the step itself returns the new episodes'.

    Args:
        observation: of all environments, an array or a dict of arrays ``(N, ...)``.
        info: arrays ``(N, ...)``.
        ended: ``(N,)`` bool.
    """
    final_observations = np.full(len(ended), None, object)
    # Gymnasium expects an observation per environment here, not a batch.
    for index in np.flatnonzero(ended).tolist():
        final_observations[index] = row(observation, index)
    return {
        "final_obs": final_observations,
        "_final_obs": ended,
        "final_info": batch_info_of(info, ended),
        "_final_info": ended,
    }


def row(observation: Any, index: int) -> Any:
    """The observation of one environment, from a batch that is an array or a dict of arrays."""
    if isinstance(observation, dict):
        return {key: value[index] for key, value in observation.items()}
    return observation[index]
