"""VQA v2's two files joined, and what does not join is named."""

from pathlib import Path
from typing import Any

import pytest

from minivlm.datasets.pictures import PictureFolder
from minivlm.datasets.questions import QuestionData, read_questions
from minivlm.errors import UserError
from tests.datasets.made import found, pictures, write

QUESTIONS = [
    {"question_id": 420, "image_id": 42, "question": "How many cats?"},
    {"question_id": 421, "image_id": 42, "question": "What is it?"},
]


def annotation(key: int, *answers: Any, **changed: Any) -> dict[str, Any]:
    listed = [{"answer": answer, "answer_id": place} for place, answer in enumerate(answers, start=1)]
    return {"question_id": key, "question_type": "how many", "answer_type": "number", "answers": listed, **changed}


ANNOTATIONS = [annotation(420, *["2"] * 9, "two"), annotation(421, *["?"] * 10)]


def read(folder: Path, questions: Any = QUESTIONS, annotations: Any = ANNOTATIONS) -> QuestionData:
    pictures(folder, "COCO_val2014_000000000042.png", "own.png")
    answers = None if annotations is None else write(folder / "annotations.json", {"annotations": annotations})
    return read_questions(write(folder / "questions.json", {"questions": questions}), answers, PictureFolder(folder))


def test_questions_have_their_ten_answers_and_coco_s_picture(tmp_path: Path) -> None:
    data = read(tmp_path)
    first, second = data.examples
    assert (first.id, first.question, first.picture.name) == ("420", "How many cats?", "COCO_val2014_000000000042.png")
    assert first.answers == ("2",) * 9 + ("two",)
    assert (first.question_type, first.answer_type) == ("how many", "number")
    assert second.answers == ("?",) * 10
    assert dict(data.report.counts) == {"questions": 2, "pictures": 1, "answers": 20}
    assert data.report.findings == ()


def test_a_picture_may_be_named(tmp_path: Path) -> None:
    data = read(tmp_path, [{"question_id": 420, "image": "own.png", "question": "How many cats?"}], ANNOTATIONS[:1])
    assert data.examples[0].picture.name == "own.png"


def test_questions_are_read_without_answers_where_there_is_no_such_file(tmp_path: Path) -> None:
    assert [example.answers for example in read(tmp_path, annotations=None).examples] == [(), ()]


@pytest.mark.parametrize(
    ("question", "answers", "what"),
    [
        ({"question_id": 422, "image_id": 42, "question": "Why?"}, [], "questions without answers"),
        (
            {"question_id": 422, "image_id": 42, "question": "Why?"},
            [annotation(422)],
            "questions without answers",
        ),
        ({"question_id": 420, "image_id": 42, "question": "Why?"}, [], "questions whose id is there twice"),
        ({"question_id": 422, "image_id": 42, "question": "?"}, [annotation(422, "a")], "questions without words"),
        ({"image_id": 42, "question": "Why?"}, [], "questions without id"),
        (
            {"question_id": 422, "image_id": 43, "question": "Why?"},
            [annotation(422, "a")],
            "examples whose picture is not in the folder",
        ),
        (3, [], "entries that are no JSON object"),
        (None, [annotation(500, "a")], "answers to questions that are not listed"),
        (None, [annotation(421, "a")], "answers whose question_id is there twice"),
        (None, [{"answers": []}], "answers without question_id"),
    ],
)
def test_what_is_broken_is_left_out_by_name(tmp_path: Path, question: Any, answers: list[Any], what: str) -> None:
    data = read(tmp_path, [*QUESTIONS, *([] if question is None else [question])], [*ANNOTATIONS, *answers])
    assert found(data.report) == {what: (1, True)}
    assert data.examples == read(tmp_path).examples


def test_other_numbers_of_answers_are_noted_and_answers_that_are_no_text_left_out(tmp_path: Path) -> None:
    data = read(tmp_path, QUESTIONS[:1], [annotation(420, "2", None, "", 3)])
    assert data.examples[0].answers == ("2",)
    assert found(data.report) == {
        "answers that are no text": (3, True),
        "questions with another number of answers than 10": (1, False),
    }


def test_a_file_without_its_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'questions.json is not questions .*no list "questions"'):
        read(tmp_path, None)
    with pytest.raises(UserError, match=r'annotations.json is not answers .*no list "annotations"'):
        read(tmp_path, annotations={})
