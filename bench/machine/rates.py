"""What the machine does at best: fp32 matrix products, and reading memory. Models are held against both."""

import time
from collections.abc import Callable

import torch

from bench.records.record import MachineRates

SIDE = 1536
"""Of the square matrices: large enough for the kernel's full speed, three of them fit in a last-level cache."""
BANDWIDTH_BYTES = 256 * 2**20
"""Read for the bandwidth: larger than any cache."""


def machine_rates(threads: int, seconds: float = 0.5) -> MachineRates:
    """Measure both rates with PyTorch.

    Args:
        threads: To use; more than there are cores would not make the machine faster.
        seconds: For each.
    """
    torch.set_num_threads(threads)
    return MachineRates(matrix_rate(seconds) / 1e9, read_bandwidth(seconds) / 1e9)


def matrix_rate(seconds: float = 0.5) -> float:
    """Return the multiply-adds a second of fp32 matrix products; the best of several."""
    left, right, result = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE), torch.empty(SIDE, SIDE)
    return SIDE**3 / _fastest(lambda: torch.mm(left, right, out=result), seconds)


def read_bandwidth(seconds: float = 0.5) -> float:
    """Return the bytes a second at which PyTorch sums a block larger than the caches; the best of several."""
    block = torch.ones(BANDWIDTH_BYTES // 4)
    return BANDWIDTH_BYTES / _fastest(block.sum, seconds)


def _fastest(call: Callable[[], object], seconds: float, least: int = 5) -> float:
    """Return the seconds of the fastest call, of `least` and as many as fit."""
    found: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < least or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)
