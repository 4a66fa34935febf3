"""Arrays at the door: what kinds of numbers are taken, and the words for what is not."""

from __future__ import annotations

import numpy as np


def numbers(name: str, values, dtype=np.float64) -> np.ndarray:
    """`values` as a contiguous array of `dtype`; ValueError where they are no real numbers."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: an array of numbers expected, got {type(values).__name__}: {error}") from None
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name}: real numbers expected, got dtype {array.dtype}")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        raise ValueError(f"{name}: at most 64 bits a number expected, got dtype {array.dtype}")
    return np.ascontiguousarray(array, dtype=dtype)


def booleans(name: str, values) -> np.ndarray:
    """`values` as a contiguous array of booleans; 0 and 1 are taken for them."""
    array = np.asarray(values)
    if array.dtype.kind in "iuf" and np.isin(array, (0, 1)).all():
        array = array.astype(bool)
    if array.dtype != bool:
        raise ValueError(f"{name}: booleans expected, got dtype {array.dtype}")
    return np.ascontiguousarray(array)


def shaped(name: str, array: np.ndarray, *shapes: tuple) -> np.ndarray:
    """Checks that the array has one of these shapes."""
    if array.shape not in shapes:
        wanted = " or ".join(str(tuple(shape)) for shape in shapes)
        raise ValueError(f"{name}: shape {wanted} expected, got {array.shape}")
    return array


def whole(name: str, value, least: int = 0) -> int:
    """A whole number, at least `least`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}: a whole number of at least {least} expected, got {value!r}")
    return int(value)
