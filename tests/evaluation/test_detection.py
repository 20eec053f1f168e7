"""Average precision by hand and against pycocotools, recall, and what holds for any boxes."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minivlm.errors import UserError
from minivlm.evaluation import coco
from minivlm.evaluation.detection import (
    Found,
    Truth,
    average_precisions,
    mean_average_precision,
    recall,
    weighted_average_precision,
)

Row = tuple[float, float, float, float]


def truth(*rows: tuple[int, Row], crowd: Sequence[bool] | None = None) -> Truth:
    return Truth(
        corners=np.array([box for _, box in rows], dtype=np.float64).reshape(-1, 4),
        labels=np.array([label for label, _ in rows], dtype=np.int64),
        crowd=np.array(crowd or [False] * len(rows), dtype=np.bool_),
    )


def found(*rows: tuple[int, float, Row]) -> Found:
    return Found(
        corners=np.array([box for _, _, box in rows], dtype=np.float64).reshape(-1, 4),
        labels=np.array([label for label, _, _ in rows], dtype=np.int64),
        scores=np.array([score for _, score, _ in rows], dtype=np.float64),
    )


HERE, THERE, ELSEWHERE = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0), (50.0, 50.0, 60.0, 60.0)


def test_the_area_under_the_curve_by_hand() -> None:
    # By falling score: right, wrong, right, of 3 boxes. Precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3; interpolated,
    # 1 up to 1/3, then 2/3 up to 2/3, then nothing: 1/3 * 1 + 1/3 * 2/3 = 5/9.
    truths = [truth((0, HERE), (0, THERE)), truth((0, HERE))]
    said = [found((0, 0.9, HERE), (0, 0.8, ELSEWHERE)), found((0, 0.7, HERE))]
    scores = average_precisions(truths, said)
    assert scores[0].precision == pytest.approx(5 / 9, abs=1e-12)
    assert scores[0].boxes == 3


def test_means_over_classes_by_hand() -> None:
    # Class 0: 1 of 1. Class 1: 1 of 3 boxes, precision 1: 1/3. Class 2 has no box and is no part of the mean.
    truths = [truth((0, HERE), (1, HERE), (1, THERE), (1, ELSEWHERE))]
    said = [found((0, 0.9, HERE), (1, 0.9, HERE), (2, 0.9, HERE))]
    scores = average_precisions(truths, said)
    assert mean_average_precision(scores) == pytest.approx((1 + 1 / 3) / 2, abs=1e-12)
    assert weighted_average_precision(scores) == pytest.approx((1 * 1 + 3 * 1 / 3) / 4, abs=1e-12)
    assert (mean_average_precision({}), weighted_average_precision({})) == (0.0, 0.0)


def test_a_box_is_found_once_and_by_the_detection_of_best_score() -> None:
    said = [found((0, 0.5, HERE), (0, 0.9, (0.0, 0.0, 10.0, 8.0)))]
    # The second to come is wrong: precision 1 at recall 1, whatever follows.
    assert average_precisions([truth((0, HERE))], said)[0].precision == 1.0
    said = [found((0, 0.9, ELSEWHERE), (0, 0.5, HERE))]
    assert average_precisions([truth((0, HERE))], said)[0].precision == 0.5


def test_visual_genome_s_rule_goes_by_the_box_that_is_overlapped_most() -> None:
    # Both detections overlap the first box most, so the second of them is wrong, though it overlaps the other box by
    # more than half, too. COCO's rule would give it that box.
    truths = [truth((0, (0.0, 0.0, 10.0, 10.0)), (0, (0.0, 0.0, 10.0, 7.0)))]
    said = [found((0, 0.9, (0.0, 0.0, 10.0, 10.0)), (0, 0.8, (0.0, 0.0, 10.0, 9.0)))]
    assert average_precisions(truths, said)[0].precision == 0.5


@pytest.mark.parametrize(("height", "right"), [(5.0, 0.0), (5.001, 1.0)])
def test_half_is_not_enough(height: float, right: float) -> None:
    said = [found((0, 0.9, (0.0, 0.0, 10.0, height)))]
    assert average_precisions([truth((0, HERE))], said)[0].precision == right


def test_a_crowd_is_neither_asked_for_nor_held_against_anybody() -> None:
    truths = [truth((0, HERE), (0, THERE), crowd=[False, True])]
    said = [found((0, 0.9, THERE), (0, 0.8, HERE))]
    scores = average_precisions(truths, said)
    assert (scores[0].precision, scores[0].boxes) == (1.0, 1)
    assert average_precisions([truth((0, THERE), crowd=[True])], [found()]) == {}


def test_recall_counts_boxes_that_something_overlaps() -> None:
    picture = truth((0, HERE), (1, THERE), (1, ELSEWHERE), crowd=[False, False, True])
    said = found((0, 0.1, (0.0, 0.0, 10.0, 5.0)), (0, 0.9, THERE))
    assert recall(picture, said) == 1.0
    assert recall(picture, said, threshold=0.6) == 0.5
    assert recall(picture, said, named=True) == 0.5
    assert recall(picture, found()) == 0.0
    assert recall(truth(), said) is None


def scattered(seed: int, pictures: int = 12) -> tuple[list[Truth], list[Found]]:
    """Return boxes on a grid, so that none overlaps another, and detections around some of them."""
    generator = np.random.default_rng(seed)
    truths, said = [], []
    for _ in range(pictures):
        cells = [(x * 100.0, y * 100.0) for x in range(4) for y in range(3)]
        chosen = [cells[place] for place in generator.permutation(12)[: generator.integers(1, 9)]]
        rows = [(int(generator.integers(4)), (x, y, x + 60.0, y + 50.0)) for x, y in chosen]
        truths.append(truth(*rows))
        near = []
        for label, box in rows * 2:
            moved = np.array(box) + generator.normal(0.0, 9.0, 4)
            named = label if generator.random() < 0.8 else int(generator.integers(4))
            near.append((named, float(generator.random()), tuple(moved.tolist())))
        said.append(found(*near))
    return truths, said


def by_pycocotools(truths: list[Truth], said: list[Found], steps: int) -> float:
    """Return the mean over classes of COCO's average precision at .5, with a curve read at many recalls."""
    pycocotools = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    with contextlib.redirect_stdout(io.StringIO()):
        data, results = pycocotools.COCO(), pycocotools.COCO()
        data.dataset = coco._dataset(truths)
        data.createIndex()
        results.dataset = {**data.dataset, "annotations": coco._results(said)}
        results.createIndex()
        evaluation: Any = cocoeval.COCOeval(data, results, "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.params.recThrs = np.linspace(0.0, 1.0, steps)
        evaluation.params.maxDets = [1, 10, 1000]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][0, :, :, 0, -1]
    return float(precision.mean(axis=0).mean())


@pytest.mark.parametrize("seed", range(3))
def test_mean_average_precision_is_pycocotools_where_boxes_do_not_overlap(seed: int) -> None:
    truths, said = scattered(seed)
    ours = mean_average_precision(average_precisions(truths, said))
    assert 0.2 < ours < 0.95
    # pycocotools reads the curve at points: 20,001 of them leave 1/20,000 at each of its steps, of which there are some
    # ten that count.
    assert ours == pytest.approx(by_pycocotools(truths, said, 20_001), abs=5e-4)


def test_coco_s_numbers_have_their_names() -> None:
    pytest.importorskip("pycocotools")
    truths, said = scattered(5)
    values = coco.coco_metrics(truths, said)
    assert 0.0 < values["AP75"] < values["AP50"] < 1.0
    assert values["AP75"] < 1.0
    assert "AP large" not in values  # 60 x 50 pixels are medium
    assert values["AP medium"] == pytest.approx(values["AP"])
    # 101 points in place of the whole area.
    assert values["AP50"] == pytest.approx(mean_average_precision(average_precisions(truths, said)), abs=0.02)
    perfect = [found(*((int(a), 0.5, tuple(b)) for a, b in zip(t.labels, t.corners, strict=True))) for t in truths]
    assert coco.coco_metrics(truths, perfect)["AP"] == pytest.approx(1.0)
    assert coco.coco_metrics([truth()], [found()]) == {}


def test_without_pycocotools_one_line_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pycocotools.coco", None)
    with pytest.raises(UserError, match=r"needs pycocotools.*pip install"):
        coco.coco_metrics(*scattered(0))


SIDES = st.floats(1, 50)
BOX = st.tuples(st.floats(0, 50), st.floats(0, 50), SIDES, SIDES).map(
    lambda one: (one[0], one[1], one[0] + one[2], one[1] + one[3])
)
LABEL = st.integers(0, 2)
TRUTHS = st.lists(st.tuples(LABEL, BOX), max_size=4)
FOUNDS = st.lists(st.tuples(LABEL, st.sampled_from([0.1, 0.5, 0.5, 0.9]), BOX), max_size=5)


@settings(deadline=None)
@given(pictures=st.lists(st.tuples(TRUTHS, FOUNDS), min_size=1, max_size=4), data=st.data())
def test_scores_are_in_range_and_the_order_of_pictures_does_not_matter(
    pictures: list[tuple[list[tuple[int, Row]], list[tuple[int, float, Row]]]], data: st.DataObject
) -> None:
    def score(places: Sequence[int]) -> float:
        chosen = [pictures[place] for place in places]
        return mean_average_precision(
            average_precisions([truth(*rows) for rows, _ in chosen], [found(*rows) for _, rows in chosen])
        )

    value = score(range(len(pictures)))
    assert 0.0 <= value <= 1.0
    assert score(data.draw(st.permutations(range(len(pictures))))) == pytest.approx(value, abs=1e-12)


@settings(deadline=None)
@given(boxes=st.sets(st.tuples(LABEL, st.integers(0, 20)), min_size=1, max_size=5))
def test_a_perfect_detector_scores_1(boxes: set[tuple[int, int]]) -> None:
    rows = [(label, (place * 20.0, 0.0, place * 20.0 + 9.0, 9.0)) for label, place in boxes]
    scores = average_precisions([truth(*rows)], [found(*((label, 0.5, box) for label, box in rows))])
    assert {one.precision for one in scores.values()} == {1.0}
