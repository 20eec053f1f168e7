"""docs/preprocessing.md, "Resize", written out a second time with whole numbers: no Pillow, no shared code."""

import math

import numpy as np

FRACTION_BITS = 22


def taps(length: int, new_length: int) -> list[tuple[int, list[int]]]:
    """For each new pixel: the first old pixel that it reads, and the fixed-point weights from there on."""
    scale = length / new_length
    support = max(scale, 1.0)
    rows = []
    for new in range(new_length):
        center = (new + 0.5) * scale
        first = max(int(center - support + 0.5), 0)
        end = min(int(center + support + 0.5), length)
        weights = [max(1.0 - abs((old - center + 0.5) * (1.0 / support)), 0.0) for old in range(first, end)]
        total = 0.0
        for weight in weights:
            total += weight
        rows.append((first, [math.floor(weight / total * (1 << FRACTION_BITS) + 0.5) for weight in weights]))
    return rows


def resample_rows(levels: np.ndarray, new_length: int) -> np.ndarray:
    """Resize axis 0 of (length, ...) levels of 0..255, rounded back to levels."""
    new = np.empty((new_length, *levels.shape[1:]), dtype=np.int64)
    for position, (first, weights) in enumerate(taps(len(levels), new_length)):
        window = levels[first : first + len(weights)].astype(np.int64)
        new[position] = np.tensordot(np.array(weights, dtype=np.int64), window, axes=1)
    return np.clip((new + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS, 0, 255)


def resize(levels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (h, w, 3) levels: columns first, then rows."""
    across = resample_rows(levels.transpose(1, 0, 2), width).transpose(1, 0, 2)
    return resample_rows(across, height)
