"""Names of points lie on no other name and on no point, however crowded the picture is."""

import pytest
from matplotlib.figure import Figure

from bench.records.record import Case
from bench.reporting.plot_style import DOT, LETTER, LINE, name_points


def key(model: str, number: int) -> Case:
    return Case("cpu", model, f"runtime {number}", "fp32", 1)


@pytest.mark.parametrize("others", [0, 1, 7, 60])
def test_a_name_finds_a_free_place_beside_any_number_of_points(others):
    """A wall of points to the right of the one to name, each a pixel from the next."""
    figure = Figure()
    axes = figure.subplots()
    axes.set(xlim=(0.0, 2.0), ylim=(0.0, 2.0))
    wall = {key("wall", number): (1.1, 1.0 + 0.01 * (number - others / 2)) for number in range(others)}
    name_points(axes, {key("named", 0): (1.0, 1.0), **wall})
    (text,) = [text for text in axes.texts if text.get_text() == "named"]
    scale = 72.0 / figure.dpi
    x, y = axes.transData.transform((1.0, 1.0)) * scale
    left, right = x + 2.0 * DOT, x + 2.0 * DOT + LETTER * len("named")
    for dot in wall.values():
        dot_x, dot_y = axes.transData.transform(dot) * scale
        beside = right < dot_x - DOT or left > dot_x + DOT
        # Tolerance: a thousandth of a line, for rounding.
        assert beside or abs(y + text.xyann[1] - dot_y) >= 0.999 * LINE
