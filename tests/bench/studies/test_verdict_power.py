"""The study's counting, on pools made by hand."""

import numpy as np
import pytest

from bench.regression.verdict import Verdict
from bench.studies.planted import BASES, COLUMNS, SLOWDOWNS, Round, read_pool
from bench.studies.verdict_power import (
    BEGIN,
    END,
    count_verdicts,
    equals,
    lengthened,
    main,
    real_slowdown,
    share,
    slowed,
    windows,
)
from minivlm.errors import UserError


def pool(rounds: int, scatter: float) -> list[Round]:
    """Rounds in which the machine drifts by half while processes scatter by a share."""
    numbers = np.random.default_rng(0)

    def time(slowdown: int, number: int) -> float:
        return 10.0 * (1.0 + 0.5 * np.sin(number)) * (1.0 + slowdown / 100.0) * np.exp(numbers.normal(0.0, scatter))

    return [
        Round("idle", 0.1, [time(0, n) for _ in range(BASES)], {s: time(s, n) for s in SLOWDOWNS})
        for n in range(rounds)
    ]


def test_steady_processes_give_no_alarm_and_every_slowdown_above_the_floor():
    rounds = pool(40, 0.005)
    none = count_verdicts(equals(rounds, 12), among=1)
    assert none.total() >= 160  # 29 windows by 6 pairings
    assert share(none, Verdict.FASTER, Verdict.SLOWER) == 0.0
    for trials in (slowed(rounds, 12, 5), lengthened(rounds, 12, 5)):
        assert share(count_verdicts(trials, among=1), Verdict.SLOWER) == 1.0


def test_noise_hides_what_it_must():
    assert share(count_verdicts(slowed(pool(40, 0.2), 12, 3), among=1), Verdict.CANNOT_TELL) > 0.8


def test_arithmetic_lengthens_one_side_and_leaves_the_other():
    rounds = pool(12, 0.1)
    for plain, longer in zip(equals(rounds, 12), lengthened(rounds, 12, 10), strict=True):
        assert np.allclose(longer / plain, [[1.0, 1.1]], rtol=1e-12, atol=0.0)


def test_the_real_cost_of_layers_is_told():
    assert real_slowdown(pool(400, 0.01), 10) == pytest.approx(0.10, abs=0.005)  # medians of 4 and of 1, scatter 1 %


def test_windows_cover_the_pool_at_equal_distances():
    assert windows(100, 10, 4) == [0, 30, 60, 90]
    assert windows(12, 10, 400) == [0, 1, 2]


def test_the_table_takes_the_place_of_the_last_one(tmp_path):
    lines = [",".join(COLUMNS)]
    for each in pool(15, 0.01):
        lines.append(",".join(map(str, (each.conditions, each.load, *each.base, *each.slowed.values()))))
    (tmp_path / "pool.csv").write_text("\n".join(lines) + "\n")
    document = tmp_path / "verdict.md"
    document.write_text(f"before\n{BEGIN}\nlast\n{END}\nafter\n")
    argv = ["--pool", str(tmp_path / "pool.csv"), "--document", str(document)]
    main(argv)
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "last" not in text
    assert "| 15 | 1 |" in text
    main(argv)
    assert document.read_text() == text


@pytest.mark.parametrize("content", ["a,b\n1,2\n", ",".join(COLUMNS) + "\nidle,x\n"])
def test_a_damaged_pool_is_a_user_s_error(tmp_path, content):
    (tmp_path / "pool.csv").write_text(content)
    with pytest.raises(UserError, match="cannot read rounds"):
        read_pool(tmp_path / "pool.csv")
