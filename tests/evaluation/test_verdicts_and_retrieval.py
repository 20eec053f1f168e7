"""NLVR2's accuracy and consistency, and recall at a rank, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minivlm.evaluation.retrieval import ranks, recall_at
from minivlm.evaluation.verdicts import accuracy, consistency

# Two sentences, of 4 and 2 pairs: one mistake spoils the first.
RIGHT = [True, True, False, True, True, True]
GROUPS = ["a", "a", "a", "a", "b", "b"]


def test_accuracy_counts_examples_and_consistency_sentences() -> None:
    assert accuracy(RIGHT) == pytest.approx(5 / 6)
    assert consistency(RIGHT, GROUPS) == pytest.approx(1 / 2)
    assert (accuracy([]), consistency([], [])) == (0.0, 0.0)


@given(rows=st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), min_size=1), data=st.data())
def test_consistency_does_not_depend_on_order_and_is_1_of_a_perfect_run(
    rows: list[tuple[bool, str]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows))
    value = consistency([right for right, _ in rows], [group for _, group in rows])
    assert value == consistency([right for right, _ in shuffled], [group for _, group in shuffled])
    assert 0.0 <= value <= 1.0
    assert consistency([True] * len(rows), [group for _, group in rows]) == 1.0


def test_the_rank_is_of_the_best_right_candidate_by_hand() -> None:
    scores = np.array([[0.9, 0.5, 0.7, 0.1], [0.2, 0.8, 0.3, 0.4], [0.5, 0.5, 0.5, 0.5]])
    right = np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 0]], dtype=bool)
    found = ranks(scores, right)
    assert found.tolist() == [3, 2, 4]  # of equal scores the right one is last
    assert recall_at(found, (1, 2, 3, 4)) == pytest.approx({1: 0.0, 2: 1 / 3, 3: 2 / 3, 4: 1.0})


def test_many_captions_of_a_picture_do_not_push_each_other_down() -> None:
    scores, right = np.array([[0.9, 0.8, 0.7, 0.95]]), np.array([[True, True, True, False]])
    assert ranks(scores, right).tolist() == [2]


@given(scores=st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=4), data=st.data())
def test_the_order_of_candidates_does_not_matter(scores: list[list[float]], data: st.DataObject) -> None:
    matrix = np.array(scores)
    right = np.zeros(matrix.shape, dtype=bool)
    right[:, 0] = True
    order = data.draw(st.permutations(range(4)))
    assert ranks(matrix[:, order], right[:, order]).tolist() == ranks(matrix, right).tolist()
    best = matrix.copy()
    best[:, 0] = 2.0
    assert recall_at(ranks(best, right)) == {1: 1.0, 5: 1.0, 10: 1.0}
