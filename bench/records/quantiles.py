"""Quantiles of times."""


def percentile(values: list[float], percent: float) -> float:
    """Return the value that so many percent do not exceed, between two neighbours in proportion (numpy's "linear")."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100.0
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread(values: list[float]) -> float:
    """Return half the distance between the quartiles; 0 of a single value."""
    return (percentile(values, 75.0) - percentile(values, 25.0)) / 2
