"""The paper's two rewards, of relative boxes (section 3.2.1). Shape ``(..., 4)`` twice -> ``(...)``.

Boxes may also come as tuples of four components, as in `boxes`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tracking_env import boxes
from tracking_env.boxes import Array


def l1(l: Array, g: Array) -> Array:  # noqa: E741 (the paper's symbol)
    """Eq. 2: ``-mean|l - g| - max|l - g|`` over the four components; at most 0.

    Args:
        l: the predicted box, not clipped: a box outside the image still earns more the nearer it comes.
        g: the true box.
    """
    lx, ly, lw, lh = boxes.components(l)
    gx, gy, gw, gh = boxes.components(g)
    xp = boxes.namespace(lx)
    # By components, so that floats, NumPy and torch share one formula.
    x, y, w, h = xp.abs(lx - gx), xp.abs(ly - gy), xp.abs(lw - gw), xp.abs(lh - gh)
    return -(x + y + w + h) / 4 - xp.maximum(xp.maximum(x, y), xp.maximum(w, h))


def iou(l: Array, g: Array) -> Array:  # noqa: E741
    """Eq. 3: intersection over union, in [0, 1]; ``l`` is clipped to the image first, 0 for an empty box."""
    return boxes.iou(boxes.top_left(boxes.clip_box(l)), boxes.top_left(g))


REWARDS: Mapping[str, Callable[[Array, Array], Array]] = MappingProxyType({"l1": l1, "iou": iou})
