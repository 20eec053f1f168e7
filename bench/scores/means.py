"""Mean scores with how sure they are, as lines of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from rich.table import Table

from bench.records.media import for_terminal
from minivlm.evaluation.intervals import mean_interval
from minivlm.evaluation.records import read_results
from minivlm.evaluation.scoring import scoring_of


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean over examples.

    Attributes:
        examples: How many.
        value: The mean.
        low: Lower end of the interval that holds 95 % of resamples.
        high: Upper end.
    """

    examples: int
    value: float
    low: float
    high: float


def mean_of(scores: Sequence[float], *, seed: int = 0) -> Mean:
    """Return the mean of examples' scores, at least one, and its interval; see `mean_interval`."""
    low, high = mean_interval(scores, seed=seed)
    return Mean(examples=len(scores), value=fmean(scores), low=low, high=high)


def scores_of_results(path: Path) -> dict[str, float]:
    """Return example -> score of a file that `minivlm evaluate` kept, of the examples that were answered."""
    results = read_results(path)
    answered = [record for record in results.records.values() if "error" not in record]
    return scoring_of(results.header["task"]).measure().scores(answered)


def mean_of_results(path: Path) -> Mean:
    """Return the mean over a file that `minivlm evaluate` kept."""
    return mean_of(list(scores_of_results(path).values()))


def means_table(title: str, heading: str, means: Mapping[str, Mean]) -> Table:
    """Return a line for each mean, times 100, with the interval that holds 95 % of resamples."""
    table = Table(box=None, pad_edge=False, title=for_terminal(title), title_justify="left")
    table.add_column(heading, no_wrap=True)
    for column in ("mean", "95 % of resamples", "examples"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, mean in means.items():
        interval = f"{100 * mean.low:.1f} to {100 * mean.high:.1f}"
        table.add_row(*map(for_terminal, (name, f"{100 * mean.value:.1f}", interval, f"{mean.examples:,}")))
    return table
