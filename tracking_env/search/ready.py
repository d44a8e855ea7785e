"""``OTBTrackSearch-v0`` for networks as they come: a flat, normalised observation, and actions in [-1, 1].

See `tracking_env.trackers.ready`, which has the same for ``OTBTrack-v0``.
"""

import numpy as np

from tracking_env.search.window import CELLS, TEMPLATE_CELLS

SHIFT, GROWTH = 0.25, 0.05
"""What the action 1 does: the centre moves by a quarter of the last box's side; a side grows by exp(0.05)."""
SIZE = CELLS**2 + 6
"""Numbers of a ready observation."""
SHARPNESS = 10.0
"""How much more a cell counts that is more similar, in `weigh`."""
SMALLEST = 1e-3
"""Shares of a region below this count as this."""
FARTHEST = 4.0
"""Sides of the last box; what is farther away counts as this far."""
_CENTRES = (np.arange(CELLS) + 0.5) / CELLS
_EDGES = np.arange(TEMPLATE_CELLS + 1) / TEMPLATE_CELLS


def flatten_window(observation: dict[str, np.ndarray]) -> np.ndarray:
    """The ready observation of a search region.

    Args:
        observation: of ``OTBTrackSearch-v0``.

    Returns:
        ``(SIZE,)`` float32: how far `expected_place` is from the last box's centre, across and down, in its sides; the
        largest `similarity`; the `weigh`-ed cells, row by row; width and height of the last box, as the logarithm of
        their share of a quarter of the region; and the logarithm of the zoom.
    """
    similar = similarity(observation["template"], observation["target"], observation["search"])
    weights, location = weigh(similar), observation["location"]
    away = (expected_place(weights) - location[:2]) / np.maximum(location[2:], SMALLEST)
    sides = np.log(np.maximum(4 * location[2:], SMALLEST))
    zoom = np.log(np.maximum(observation["zoom"], SMALLEST))
    # The cells as weights, most of them near 0: standardised, 256 noisy numbers would drown the others.
    parts = away.clip(-FARTHEST, FARTHEST), [similar.max()], weights.ravel(), sides, zoom
    return np.concatenate(parts, dtype=np.float32)


def similarity(template: np.ndarray, target: np.ndarray, search: np.ndarray) -> np.ndarray:
    """How much each cell of the region looks like the target, by the cosine of the angle between their features.

    Both are taken less the mean of the template, so that what target and surroundings share does not count.

    Args:
        template: map ``(C, TEMPLATE_CELLS, TEMPLATE_CELLS)``.
        target: the true box in it, relative to it, ``(4,)``.
        search: map ``(C, CELLS, CELLS)``.

    Returns:
        ``(CELLS, CELLS)``, in [-1, 1].
    """
    mean = template.mean(axis=(1, 2))
    columns, rows = _covered(target[0], target[2]), _covered(target[1], target[3])
    key = template @ columns @ rows - mean
    cells = search - mean[:, None, None]
    length = np.linalg.norm(cells, axis=0) * np.linalg.norm(key)
    return np.tensordot(key, cells, axes=1) / np.maximum(length, 1e-6)


def weigh(similar: np.ndarray) -> np.ndarray:
    """The softmax of the cells' similarity times `SHARPNESS`: ``(CELLS, CELLS)`` -> the same, with the sum 1."""
    weights = np.exp(SHARPNESS * (similar - similar.max()))
    return weights / weights.sum()


def expected_place(weights: np.ndarray) -> np.ndarray:
    """The mean of the cells' centres, relative to the region.

    Args:
        weights: of the cells, with the sum 1, ``(CELLS, CELLS)``.

    Returns:
        x, y in [0, 1], ``(2,)``.
    """
    return np.array([weights.sum(axis=0) @ _CENTRES, weights.sum(axis=1) @ _CENTRES])


def move_box(action: np.ndarray, location: np.ndarray) -> np.ndarray:
    """The box of an action in [-1, 1]: 0 stays at the last box.

    Args:
        action: shifts of the centre, and changes of the sides, ``(4,)``, see `SHIFT` and `GROWTH`.
        location: the last box, relative to the region, ``(4,)``.

    Returns:
        The box relative to the region, ``(4,)``.
    """
    action = np.clip(action, -1, 1)
    middle, sides = location[:2], location[2:]
    return np.concatenate([middle + SHIFT * action[:2] * sides, sides * np.exp(GROWTH * action[2:])])


def _covered(middle: float, side: float) -> np.ndarray:
    """The share of the target that lies in each row (or column) of the template's cells, ``(TEMPLATE_CELLS,)``."""
    side = max(float(side), SMALLEST)
    inside = np.clip(_EDGES, middle - side / 2, middle + side / 2)
    return np.diff(inside) / side
