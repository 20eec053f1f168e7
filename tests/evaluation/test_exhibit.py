"""Which pictures and questions are shown, and what is called right."""

from pathlib import Path

import pytest

from minivlm.datasets.folder import DataFiles, find_data
from minivlm.errors import UserError
from minivlm.evaluation.exhibit import MOST_REGIONS, chosen_pictures, exhibit, read_known
from minivlm.inference.pipeline import Pipeline
from tests.datasets.made import pictures, write
from tests.tiny import NAME


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load(NAME)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two pictures; of the first, four questions of three types."""
    pictures(tmp_path / "images", "a.png", "b.png")
    asked = [("is it red?", "yes/no"), ("is it big?", "yes/no"), ("how many?", "number"), ("what is it?", "other")]
    questions = [{"question_id": n, "image": "a.png", "question": text} for n, (text, _) in enumerate(asked)]
    given = [
        {"question_id": n, "answer_type": kind, "answers": [{"answer": "no"}] * 10} for n, (_, kind) in enumerate(asked)
    ]
    write(tmp_path / "questions.json", {"questions": questions})
    write(tmp_path / "annotations.json", {"annotations": given})
    write(tmp_path / "captions.json", [{"image": name, "caption": ["a cat"]} for name in ("b.png", "a.png")])
    return tmp_path


def known(folder: Path):  # type: ignore[no-untyped-def]
    return read_known(find_data(folder, DataFiles())[0])


def test_pictures_are_the_first_of_the_data_or_those_that_are_named(data: Path) -> None:
    there = known(data)
    assert [one.name for one in chosen_pictures(there, [], 1)] == ["b.png"]
    assert [one.name for one in chosen_pictures(there, ["a.png", "b.png"], 1)] == ["a.png", "b.png"]
    with pytest.raises(UserError, match=r"no picture 'c\.png': did you mean"):
        chosen_pictures(there, ["c.png"], 1)


def test_questions_of_different_types_are_asked_those_of_yes_or_no_last(data: Path, pipeline: Pipeline) -> None:
    there = known(data)
    shown = exhibit(data / "images" / "a.png", there, pipeline, {})
    assert [one.question for one in shown.asked] == ["how many?", "what is it?"]
    assert [one.people for one in shown.asked] == ["no", "no"]
    assert shown.captions == ("a cat",)
    assert len(shown.regions) <= MOST_REGIONS


def test_an_answer_is_right_where_people_say_it(data: Path, pipeline: Pipeline) -> None:
    there = known(data)
    said = exhibit(data / "images" / "a.png", there, pipeline, {}).asked[0].said
    questions = {"questions": [{"question_id": 0, "image": "a.png", "question": "how many?"}]}
    write(data / "questions.json", questions)
    answers = [{"question_id": 0, "answer_type": "number", "answers": [{"answer": said}] * 10}]
    write(data / "annotations.json", {"annotations": answers})
    assert exhibit(data / "images" / "a.png", known(data), pipeline, {}).asked[0].right
    (data / "annotations.json").unlink()
    assert exhibit(data / "images" / "a.png", known(data), pipeline, {}).asked[0].right is None


def test_captions_are_judged_by_what_is_given(data: Path, pipeline: Pipeline) -> None:
    picture = data / "images" / "a.png"
    heard: list[str] = []
    shown = exhibit(picture, known(data), pipeline, {"a.png": lambda text: bool(heard.append(text))})
    assert heard == [shown.caption]
    assert shown.true is False
    assert exhibit(picture, known(data), pipeline, {}).true is None


def test_pictures_alone_are_shown_too(tmp_path: Path, pipeline: Pipeline) -> None:
    pictures(tmp_path / "images", "a.png")
    (picture,) = chosen_pictures(known(tmp_path), [], 3)
    shown = exhibit(picture, known(tmp_path), pipeline, {})
    assert (shown.things, shown.captions, shown.asked) == ((), (), ())
