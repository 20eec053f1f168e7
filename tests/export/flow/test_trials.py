"""Which trials nothing beats, how they are shown, and the file that keeps them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from export.flow.trials import TABLE, Findings, Scoring, Speed, Trial, front, rows
from minivlm.errors import UserError


def trial(name: str, decibels: float, times: float | None = 1.0, size: int = 100, **shares: float) -> Trial:
    speed = None if times is None else Speed(median=times, low=times, high=times)
    return Trial(name=name, blocks=(), decibels=decibels, bytes=size, speed=speed, shares=shares)


FOUND = Findings(
    command="python export/sensitivity.py --format onnx",
    model="tee-tiny",
    weights="random (seed 0)",
    runtime="onnx",
    precision="int8",
    threads=2,
    turns=10,
    rules=("rpn: float",),
    calibration_photos=3,
    scoring=Scoring(data="val", examples={"detection": 50}, floor=0.97),
    versions={"python": "3.11"},
    trials=(trial("float", 100.0, size=400, vqa=1.0), trial(TABLE, 20.0, 2.0, vqa=0.98), trial("rpn", 19.0, vqa=0.9)),
)


class TestKnownTo:
    PATH = Path("found.json")

    def test_all_is_known_to_the_same_study(self) -> None:
        assert FOUND.known_to(FOUND, self.PATH) == {trial.name: trial for trial in FOUND.trials}

    def test_of_a_table_that_leaves_other_modules_in_float_all_but_its_own_trial_is(self) -> None:
        later = replace(FOUND, rules=("rpn, stem: float",), command="another", trials=())
        assert list(FOUND.known_to(later, self.PATH)) == ["float", "rpn"]

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"threads": 1}, "other threads"),
            ({"weights": "trained"}, "other weights"),
            ({"rules": ("*: dynamic, 8 bits",)}, "other rules"),
            ({"rules": ("gates (arithmetic): float",)}, "other rules"),
        ],
    )
    def test_of_another_study_nothing_is(self, change: dict[str, Any], said: str) -> None:
        with pytest.raises(UserError, match=said):
            FOUND.known_to(replace(FOUND, **change), self.PATH)


class TestFront:
    def test_what_is_worse_in_quality_and_time_is_not_on_it(self) -> None:
        exact, fast, both = trial("exact", 100.0, 1.0), trial("fast", 20.0, 2.0), trial("bad", 19.0, 1.9)
        assert front([exact, fast, both]) == [exact, fast]

    def test_what_is_smaller_at_the_same_speed_is_on_it(self) -> None:
        exact, small = trial("exact", 100.0), trial("small", 90.0, size=50)
        assert front([exact, small]) == [exact, small]

    def test_what_is_hardly_better_beats_nothing(self) -> None:
        slow = Speed(median=1.50, low=1.48, high=1.53)
        first = replace(trial("first", 30.0, size=1000, vqa=0.99), speed=slow)
        second = replace(first, name="second", bytes=995, shares={"vqa": 0.992})
        third = replace(first, name="third", speed=Speed(median=1.54, low=1.52, high=1.56))
        assert front([first, second, third]) == [first, second, third]

    def test_what_is_clearly_faster_beats_what_is_hardly_better(self) -> None:
        slow, fast = trial("slow", 30.0, 1.5, vqa=0.992), trial("fast", 30.0, 1.6, vqa=0.99)
        assert front([slow, fast]) == [fast]

    def test_what_is_no_better_in_any_is_not_on_it(self) -> None:
        small, large = trial("small", 30.0, size=50), trial("large", 30.0)
        assert front([small, large]) == [small]

    def test_what_equals_in_all_stays(self) -> None:
        first = trial("first", 30.0)
        second = replace(first, name="second")
        assert front([first, second]) == [first, second]

    def test_the_worst_task_decides(self) -> None:
        even = trial("even", 10.0, vqa=0.99, caption=0.99)
        uneven = trial("uneven", 10.0, vqa=1.0, caption=0.9)
        assert front([even, uneven]) == [even]

    def test_what_scores_do_not_tell_apart_decibels_do(self) -> None:
        exact, noisy = trial("exact", 18.0, 1.8, vqa=0.995), trial("noisy", 12.0, 1.9, vqa=0.993)
        assert front([exact, noisy]) == [exact, noisy]
        assert front([exact, replace(exact, name="slow", decibels=17.0)]) == [exact]

    def test_without_times_quality_and_bytes_decide(self) -> None:
        small, large, exact = trial("small", 30.0, None, 50), trial("large", 30.0, None), trial("exact", 40.0, None)
        assert front([small, large, exact]) == [small, exact]


def test_rows_have_a_star_on_the_front_and_quartiles() -> None:
    slow = replace(FOUND.trials[2], speed=Speed(median=0.5, low=0.25, high=0.75))
    lines = rows([FOUND.trials[0], FOUND.table, slow, trial("untimed", 1.0, None, 2_340_000)])
    assert [line[""] for line in lines] == [
        "*",
        "*",
        "",
        "",
    ]  # the last, by its decibel, is as good as float and larger
    assert list(lines[2].values()) == ["", "rpn", "19.0", "90.0%", "0.50 (0.25 to 0.75)", "0.00"]
    assert list(lines[3].values()) == ["", "untimed", "1.0", "", "not measured", "2.34"]


class TestFile:
    def test_what_is_written_is_read_and_people_see_the_front(self, tmp_path: Path) -> None:
        path = tmp_path / "found.json"
        FOUND.write(path)
        assert Findings.read(path) == replace(FOUND, rules=list(FOUND.rules), trials=list(FOUND.trials))
        content = json.loads(path.read_text())
        assert content["kind"] == "sensitivity"
        assert [one["front"] for one in content["trials"]] == [True, True, False]

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"kind": "model"}, "is not a file of export/sensitivity.py: run that again"),
            ({"turns": "ten"}, "(turns: "),
            ({"trials": []}, f"has no trial of {TABLE}"),
        ],
    )
    def test_anything_else_is_refused(self, change: dict[str, object], said: str, tmp_path: Path) -> None:
        path = tmp_path / "found.json"
        FOUND.write(path)
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        with pytest.raises(UserError) as told:
            Findings.read(path)
        assert said in str(told.value)
