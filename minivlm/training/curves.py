"""A picture of how the losses fell."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minivlm.storage.files import replacing
from minivlm.training.stage import TOTAL

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777777", "#000000")
"""Okabe and Ito's, which colour-blind people tell apart."""
STYLE: Any = {"font.size": 10.0, "axes.spines.top": False, "axes.spines.right": False, "text.parse_math": False}
POINTS = 100
"""About so many means are drawn of each loss."""


def draw_curves(path: Path, log: Sequence[Mapping[str, Any]], title: str) -> None:
    """Draw every loss and, below, the learning rate; nothing where there is no step yet.

    Args:
        path: Of the PNG.
        log: Lines of the log, in order.
        title: Above it.

    Raises:
        UserError: It cannot be written.
    """
    from matplotlib import rc_context  # slow to import, and the parser of every command comes by here
    from matplotlib.figure import Figure

    if not log:
        return
    names = sorted({name for line in log for name in line["losses"]}, key=lambda name: name != TOTAL)
    width = max(1, len(log) // POINTS)
    steps = _means(np.array([line["step"] for line in log], dtype=np.float64), width)
    with rc_context(STYLE):
        figure = Figure(figsize=(8.0, 6.0), layout="constrained")
        losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        for place, name in enumerate(names):
            values = np.array([line["losses"].get(name, np.nan) for line in log], dtype=np.float64)
            thick = 2.0 if name == TOTAL else 1.0
            losses.plot(
                steps, _means(values, width), label=name.replace("_", " "), color=COLOURS[place % 8], linewidth=thick
            )
        losses.set_ylabel("loss" if width == 1 else f"loss, mean of {width} steps")
        losses.set_ylim(bottom=0.0)
        losses.legend(frameon=False)
        losses.set_title(title)
        rates.plot([line["step"] for line in log], [line["learning_rate"] for line in log], color=COLOURS[0])
        rates.set_ylim(bottom=0.0)
        rates.set_ylabel("learning rate")
        rates.set_xlabel("step")
        with replacing(path) as partial:
            figure.savefig(partial, format="png", dpi=120)


def _means(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return the means of so many values each, without NaN; what is left at the end is a mean of fewer."""
    starts, known = np.arange(0, len(values), width), ~np.isnan(values)
    counts = np.add.reduceat(known.astype(np.float64), starts)
    counts[counts == 0.0] = np.nan  # a task that none of these steps was of
    return np.add.reduceat(np.where(known, values, 0.0), starts) / counts
