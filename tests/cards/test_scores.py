"""Scores and their intervals, from the folders of `minivlm evaluate`."""

from pathlib import Path

import pytest

from minivlm.cards.scores import read_scores
from minivlm.errors import UserError
from tests.cards.made import change, scenes, scores


def test_numbers_are_those_of_the_json_files_and_means_have_intervals(tmp_path: Path) -> None:
    found = read_scores(scores(tmp_path / "test", "abc", right=30, of=40), None)
    accuracy = found.scores["nlvr2", "accuracy"]
    assert (accuracy.value, accuracy.examples) == (0.75, 40)
    assert accuracy.interval is not None
    # The standard error of 30 of 40 is sqrt(.75 * .25 / 40) = .068; a step of the resampled share is .025.
    assert accuracy.interval[0] == pytest.approx(0.75 - 1.96 * 0.068, abs=0.03)
    assert accuracy.interval[1] == pytest.approx(0.75 + 1.96 * 0.068, abs=0.03)
    assert found.scores["caption", "BLEU-4"].interval is None
    assert found.weights == {"abc"}
    assert list(found.scores) == [("caption", "CIDEr"), ("caption", "BLEU-4"), ("nlvr2", "accuracy")]


def test_captions_are_held_against_the_scenes(tmp_path: Path) -> None:
    """Of four captions about one red cat each, one is true, two are false, and one is no sentence of the grammar."""
    data = scenes(tmp_path / "scenes", "test")
    found = read_scores(scores(tmp_path / "test", "abc"), data)
    assert found.scores["caption", "true captions"].value == 0.25


def test_scenes_of_another_set_are_refused(tmp_path: Path) -> None:
    data = scenes(tmp_path / "scenes", "test", count=2)
    with pytest.raises(UserError, match="are not the scenes that were scored"):
        read_scores(scores(tmp_path / "test", "abc"), data)


def test_without_results_example_by_example_there_is_no_interval_but_the_score_s_own(tmp_path: Path) -> None:
    folder = scores(tmp_path / "test", "abc")
    (folder / "nlvr2.jsonl").unlink()
    assert read_scores(folder, None).scores["nlvr2", "accuracy"].interval is None
    change(folder / "nlvr2.json", intervals={"accuracy": [0.25, 1.0]})
    assert read_scores(folder, None).scores["nlvr2", "accuracy"].shown == "75.0 (25.0 to 100.0)"


def test_what_is_no_score_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no detection\.json"):
        read_scores(tmp_path, None)
    folder = scores(tmp_path / "test", "abc")
    change(folder / "nlvr2.json", task="vqa")
    with pytest.raises(UserError, match="is no score of nlvr2"):
        read_scores(folder, None)
