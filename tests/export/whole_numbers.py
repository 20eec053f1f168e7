"""What the tests of whole numbers of all formats share."""

from collections.abc import Sequence

from export.core.integers import LayerRun


def assert_sums_are_equal(runs: Sequence[LayerRun]) -> None:
    """Hold what a runtime gives against simulated sums.

    One accumulator is 1 / 127 of a step of an input by the largest weight, and half of it rounds to none. But where an
    input lies at half a step: that may be in some layers, and `export.verify.arithmetic` bounds it.
    """
    assert runs
    apart = [float(((run.given - run.expected).abs() / run.step).max()) for run in runs]
    assert all(run.given.shape == run.expected.shape for run in runs)
    assert sum(one >= 0.5 / 127 for one in apart) <= len(apart) / 4
