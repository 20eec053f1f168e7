"""The share of right attributes, counted by hand, and its interval against the normal approximation."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minivlm.datasets.boxes import Box, BoxData, BoxExample
from minivlm.datasets.report import Report
from minivlm.errors import UserError
from minivlm.evaluation.attributes import judge
from minivlm.evaluation.bootstrap import share_interval
from minivlm.evaluation.compare import compare
from minivlm.evaluation.detection import matches
from minivlm.evaluation.records import open_records
from minivlm.evaluation.scoring import ATTRIBUTES, scoring_of
from minivlm.evaluation.tasks import DetectionTask
from minivlm.inference.pipeline import Pipeline
from tests.evaluation.test_detection import ELSEWHERE, HERE, THERE, found, truth
from tests.tiny import NAME, made_up_regions


class TestMatches:
    def test_a_box_goes_to_the_detection_of_its_class_of_best_score(self) -> None:
        said = found((0, 0.5, HERE), (0, 0.9, HERE), (1, 0.99, HERE), (1, 0.3, THERE))
        assert matches(truth((0, HERE), (1, THERE)), said) == {0: 1, 1: 3}

    def test_what_nothing_overlaps_by_more_than_half_has_none(self) -> None:
        assert matches(truth((0, HERE), (0, THERE)), found((0, 0.9, (0.0, 0.0, 10.0, 5.0)), (0, 0.8, ELSEWHERE))) == {}

    def test_crowds_have_none(self) -> None:
        assert matches(truth((0, HERE), crowd=[True]), found((0, 0.9, HERE))) == {}


class TestJudgement:
    def test_of_found_objects_with_attributes(self) -> None:
        # Found and right; found and wrong; found and nothing said; found, not annotated; annotated, not found.
        cells = [(20.0 * cell, 0.0, 20.0 * cell + 9.0, 9.0) for cell in range(5)]
        truths = truth(*((0, cell) for cell in cells))
        said = found(*((0, 0.9, cell) for cell in cells[:4]))
        annotated = [("red", "old"), ("red",), ("red",), (), ("red",)]
        assert judge(truths, said, annotated, ["old", "old", None, "red"]) == {0: True, 1: False, 2: False}

    def test_the_wrong_class_is_no_find(self) -> None:
        assert judge(truth((0, HERE)), found((1, 0.9, HERE)), [("red",)], ["red"]) == {}


class TestInterval:
    def test_is_that_of_the_normal_distribution_for_many_pictures(self) -> None:
        # Linearised ratio of sums: the variance of right - share * counted over pictures (Cochran 1977, chapter 6).
        generator = np.random.default_rng(2)
        counted = generator.integers(1, 6, 1500)
        right = generator.binomial(counted, 0.85)
        share = right.sum() / counted.sum()
        error = (right - share * counted).std(ddof=1) / counted.mean() / math.sqrt(len(counted))
        low, high = share_interval(right.tolist(), counted.tolist())
        # A 2.5 % quantile of 10,000 resamples scatters by some 2.7 % of the standard error: 0.1 is far above that.
        assert (low - share) / error == pytest.approx(-1.96, abs=0.1)
        assert (high - share) / error == pytest.approx(1.96, abs=0.1)

    def test_is_wider_where_the_objects_of_a_picture_go_together(self) -> None:
        together = share_interval([10, 0] * 20, [10] * 40)
        apart = share_interval([5] * 40, [10] * 40)
        assert apart == (0.5, 0.5)
        assert together[1] - together[0] > 0.2

    @settings(deadline=None)
    @given(pictures=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8))
    def test_lies_between_0_and_1_around_nothing_else(self, pictures: list[tuple[int, int]]) -> None:
        right, counted = [one for one, _ in pictures], [one + wrong + 1 for one, wrong in pictures]
        low, high = share_interval(right, counted, resamples=100)
        assert 0.0 <= low <= high <= 1.0


def row(name: str, box: Sequence[float], **more: Any) -> dict[str, Any]:
    return {"name": name, "box": list(box), **more}


def record(key: str, *said: str | None, annotated: Sequence[str] = ("red",)) -> dict[str, Any]:
    """A picture with as many dogs as things are said, all found."""
    boxes = [(20.0 * cell, 0.0, 20.0 * cell + 9.0, 9.0) for cell in range(len(said))]
    wanted = {"attributes": list(annotated)} if annotated else {}
    return {
        "id": key,
        "truth": [row("dog", box, crowd=False, known=True, **wanted) for box in boxes],
        "found": [row("dog", box, score=0.9, attribute=one) for box, one in zip(boxes, said, strict=True)],
    }


class TestMetric:
    def test_is_the_share_over_all_objects_with_an_interval(self) -> None:
        metrics = scoring_of("detection").metrics([record("1", "red", "blue", None), record("2", "red")])
        assert metrics.values[ATTRIBUTES] == 2 / 4
        # Pictures drawn anew: the second alone gives 1, the first alone 1/3, each with 1 chance of 4.
        assert metrics.intervals == {ATTRIBUTES: (pytest.approx(1 / 3), 1.0)}
        assert any("of 4 objects" in note for note in metrics.notes)

    def test_is_not_there_where_no_object_has_attributes(self) -> None:
        metrics = scoring_of("detection").metrics([record("1", "red", annotated=())])
        assert ATTRIBUTES not in metrics.values
        assert not any("attribute" in note for note in metrics.notes)

    def test_is_not_there_where_the_model_names_none(self) -> None:
        one = record("1", "red")
        del one["found"][0]["attribute"]
        metrics = scoring_of("detection").metrics([one])
        assert ATTRIBUTES not in metrics.values
        assert any("names no attributes" in note for note in metrics.notes)

    def test_is_not_there_where_none_was_found(self) -> None:
        one = record("1", "red")
        one["found"][0]["name"] = "cat"
        metrics = scoring_of("detection").metrics([one])
        assert (metrics.values.get(ATTRIBUTES), metrics.intervals) == (None, {})
        assert any("no object with attributes was found" in note for note in metrics.notes)


class TestComparison:
    def results(self, path: Path, *records: dict[str, Any]) -> Path:
        kept = open_records(path, {"task": "detection"}, resume=False)
        for one in records:
            kept.add(one)
        return path

    def test_is_of_the_objects_that_both_found(self, tmp_path: Path) -> None:
        first = self.results(tmp_path / "a.jsonl", record("1", "red", "blue"), record("2", "blue"))
        other = record("2", "red")
        lost = record("1", "red", "red")
        lost["found"] = lost["found"][1:]  # the first dog is not found
        second = self.results(tmp_path / "b.jsonl", lost, other)
        compared = compare(first, second, measure="attributes")
        assert (compared.score, compared.difference.examples) == ("right attribute of a found object", 2)
        assert (compared.difference.first, compared.difference.second) == (0.0, 1.0)
        assert compare(first, second).score == "share of a picture's boxes found and named"

    def test_by_a_measure_that_the_task_does_not_have_is_refused(self, tmp_path: Path) -> None:
        path = self.results(tmp_path / "a.jsonl", record("1", "red"))
        with pytest.raises(UserError, match="no measure 'attribute': did you mean attributes"):
            compare(path, path, measure="attribute")


class TestRecords:
    """What the task keeps, whatever the case of names."""

    def task(self, *attributes: str) -> DetectionTask:
        pipeline = Pipeline.load(NAME)
        box = Box(corners=(0.0, 0.0, 9.0, 9.0), label=0, attributes=attributes)
        example = BoxExample(id="1", picture=Path("1.png"), size=(60, 80), boxes=(box,))
        report = Report(title="boxes", source=Path("boxes.json"), counts=(), findings=())
        data = BoxData(classes=(pipeline.backend.tags[0],), examples=(example,), report=report)
        return DetectionTask(data=data, tags=pipeline.backend.tags)

    def test_have_the_attributes_that_are_annotated(self) -> None:
        task = self.task("Red", "old")
        assert task.truth(task.examples[0])["truth"][0]["attributes"] == ["red", "old"]
        plain = self.task()
        assert "attributes" not in plain.truth(plain.examples[0])["truth"][0]

    def test_have_the_one_that_is_said_of_each_region(self) -> None:
        pipeline, task, regions = Pipeline.load(NAME), self.task("red"), made_up_regions()
        said = task.predict(pipeline, lambda picture: regions, task.examples[0])["found"]
        names = (None, *pipeline.backend.attributes)
        assert [one["attribute"] for one in said] == [names[one] for one in regions.attributes[:7].tolist()]
        plain = replace(regions, attributes=None, attribute_scores=None)
        said = task.predict(pipeline, lambda picture: plain, task.examples[0])["found"]
        assert all("attribute" not in one for one in said)
