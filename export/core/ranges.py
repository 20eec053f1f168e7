"""In which range a tensor is rounded: the one that costs the least square error on what was measured.

From the smallest to the largest number is not it. One number of a trained network's map lies at 142 where all others
lie within 43, and three quarters of the steps would be for that one.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

BINS = 4096
"""Of a spread, half of them on either side of 0."""
FRACTIONS = 64
"""Ends that are tried on either side of 0, evenly from the outermost number to 0."""
SWISH_END = -8.0
"""Below it swish gives less than 0.003, whatever goes in: numbers that swish alone reads may as well end there. In a
trained network some go on to -317 where what passes ends at 73."""
ENOUGH = 4096
"""Numbers, other than 0, below which nothing is cut off: of few, the next one may lie anywhere."""


class Range(NamedTuple):
    """From at most 0 to at least 0."""

    low: float
    high: float


class Spread:
    """How often which numbers occur in a tensor, whose samples come one after another and are not kept.

    Args:
        end: Numbers below count as this one.
    """

    def __init__(self, end: float = -math.inf) -> None:
        self._end = end
        self._low, self._high, self._limit = 0.0, 0.0, 0.0
        self._counts = torch.zeros(BINS, dtype=torch.float64)  # evenly from -limit to limit

    def add(self, values: Tensor) -> None:
        """Count numbers of any shape; not zeros, which every range rounds exactly, and not infinities."""
        numbers = values.detach().flatten().float()
        numbers = numbers[torch.isfinite(numbers) & (numbers != 0.0)].clamp(min=self._end)
        if not len(numbers):
            return
        self._low, self._high = min(self._low, float(numbers.min())), max(self._high, float(numbers.max()))
        self._reach(max(-self._low, self._high))
        self._counts += torch.histc(numbers, BINS, -self._limit, self._limit)

    def whole(self) -> Range:
        """Return the range of everything."""
        return Range(self._low, self._high)

    def best(self, steps: int) -> Range:
        """Return the range, as wide as some steps, that costs least; both ends are chosen."""
        if self._counts.sum() < ENOUGH:
            return self.whole()
        part = torch.arange(FRACTIONS, 0, -1, dtype=torch.float64) / FRACTIONS
        ends = (part * self._low)[:, None], (part * self._high)[None]
        cost = self._cut(-1.0, ends[0]) + self._cut(1.0, ends[1]) + self._rounded((ends[1] - ends[0]) / steps)
        low, high = divmod(int(cost.argmin()), FRACTIONS)
        return Range(float(ends[0][low, 0]), float(ends[1][0, high]))

    def best_symmetric(self, steps: int) -> Range:
        """Return the same of a range whose middle is 0."""
        most = max(-self._low, self._high)
        if self._counts.sum() < ENOUGH:
            return Range(-most, most)
        ends = torch.arange(FRACTIONS, 0, -1, dtype=torch.float64) / FRACTIONS * most
        cost = self._cut(-1.0, -ends) + self._cut(1.0, ends) + self._rounded(2.0 * ends / steps)
        end = float(ends[cost.argmin()])
        return Range(-end, end)

    def _reach(self, most: float) -> None:
        """Make bins as wide as it takes to hold a number, in doublings, which put two bins into one."""
        self._limit = self._limit or most
        while self._limit < most:
            self._limit *= 2.0
            pairs = self._counts.reshape(-1, 2).sum(dim=1)
            self._counts = torch.zeros_like(self._counts)
            self._counts[BINS // 4 : BINS // 4 * 3] = pairs

    def _cut(self, side: float, ends: Tensor) -> Tensor:
        """Return the square error of what lies beyond each end, on the side of 0 with this sign."""
        width = 2.0 * self._limit / BINS
        middles = (torch.arange(BINS, dtype=torch.float64) + 0.5) * width - self._limit
        beyond = (side * (middles - ends[..., None])).clamp(min=0.0)
        return (beyond.square() * self._counts).sum(dim=-1)

    def _rounded(self, step: Tensor) -> Tensor:
        """Return the square error of numbers that become 0, which is a step, and of others anywhere between two steps.

        Without the first, outliers would be cut off for numbers that become 0 before and after.
        """
        width, half = 2.0 * self._limit / BINS, BINS // 2
        counts = torch.zeros(half + 1, dtype=torch.float64)  # by the distance from 0
        counts[:half] = self._counts[half:] + self._counts[:half].flip(0)
        squares = counts * _mean_squares(torch.arange(half + 1, dtype=torch.float64), 1.0)
        near = (step / (2.0 * width)).clamp(max=half)  # what becomes 0 lies nearer than half a step, here in bins
        first = near.floor()
        part, there = near - first, first.long()
        fewer = (counts.cumsum(0) - counts)[there] + counts[there] * part
        error = (squares.cumsum(0) - squares)[there] + counts[there] * part * _mean_squares(first, part)
        return error * width**2 + (counts.sum() - fewer) * step.square() / 12.0


def _mean_squares(start: Tensor, length: Tensor | float) -> Tensor:
    """Return the mean square of what is spread evenly from a place on."""
    return start.square() + start * length + length**2 / 3.0
