"""Comparing nested results of environments bit for bit."""

import numpy as np


def different(a, b, path=""):
    """The places where two trees differ in structure, dtype, shape or any bit; NaN equals NaN."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [place for key in a for place in different(a[key], b[key], f"{path}/{key}")]
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        return [place for i in range(len(a)) for place in different(a[i], b[i], f"{path}/{i}")]
    if isinstance(a, dict | list | tuple):
        return [path]
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype == b.dtype == object and a.ndim:
        return different(a.tolist(), b.tolist(), path)
    equal = a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return [] if equal else [path]


def equal(a, b):
    return not different(a, b)
