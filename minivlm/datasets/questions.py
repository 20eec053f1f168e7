"""VQA v2: questions in one file (questions: question_id, image_id, question), answers in another.

`annotations` have question_id, question_type, answer_type and answers, a list of objects with `answer`; ten of them in
VQA v2. A question may name its picture in a field `image`, an extension for data of one's own; VQA v2 has numbers only,
of which a picture's file name is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minivlm.datasets.json_data import entries_of, identifier, objects_of, read_json_object, words
from minivlm.datasets.pictures import NOT_THERE, PictureFolder
from minivlm.datasets.report import Findings, Report

QUESTIONS = "questions as VQA v2 has them"
QUESTIONS_WAY_OUT = 'give an object with a list "questions" of question_id, image_id and question'
ANNOTATIONS = "answers as VQA v2 has them"
ANNOTATIONS_WAY_OUT = 'give an object with a list "annotations" of question_id and answers'

USUAL_ANSWERS = 10
"""Of a question in VQA v2; the accuracy's rule is made for as many."""


@dataclass(frozen=True, kw_only=True)
class QuestionExample:
    """A question about a picture.

    Attributes:
        id: Of the question.
        picture: Its file.
        question: As it is written.
        answers: As people gave them; none where the data has no answers, as the test split.
        question_type: As the data says it, such as "how many"; None where it does not.
        answer_type: Likewise, such as "number".
    """

    id: str
    picture: Path
    question: str
    answers: tuple[str, ...]
    question_type: str | None
    answer_type: str | None


@dataclass(frozen=True, kw_only=True)
class QuestionData:
    """All of the files: examples in their order, and what there is and what was left out."""

    examples: tuple[QuestionExample, ...]
    report: Report


@dataclass(frozen=True)
class _Answered:
    answers: tuple[str, ...]
    question_type: str | None
    answer_type: str | None


def read_questions(questions: Path, annotations: Path | None, pictures: PictureFolder) -> QuestionData:
    """Read both files; see the module.

    Args:
        questions: File.
        annotations: File; None reads questions without answers.
        pictures: Where they are.

    Raises:
        UserError: A file is no such JSON.
    """
    findings = Findings()
    answered = None if annotations is None else _read_answers(annotations, findings)
    content = read_json_object(questions, QUESTIONS, QUESTIONS_WAY_OUT)
    examples: dict[str, QuestionExample] = {}
    for entry in entries_of(content, "questions", questions, QUESTIONS, QUESTIONS_WAY_OUT, findings):
        example = _read_question(entry, answered, pictures, findings)
        if example is not None and example.id in examples:
            findings.leave_out("questions whose id is there twice", example.id)
        elif example is not None:
            examples[example.id] = example
    asked = {identifier(entry.get("question_id")) for entry in content["questions"] if isinstance(entry, dict)}
    for key in answered or ():
        if key not in asked:
            findings.leave_out("answers to questions that are not listed", key)
    held = tuple(examples.values())
    counts = (
        ("questions", len(held)),
        ("pictures", len({example.picture for example in held})),
        ("answers", sum(len(example.answers) for example in held)),
    )
    report = Report(title="questions", source=questions, counts=counts, findings=findings.found)
    return QuestionData(examples=held, report=report)


def agreed_annotation(question: str, answer: str, answer_type: str) -> dict[str, Any]:
    """Return what VQA v2 says of a question to which all people gave one answer; ids are left to the caller.

    Args:
        question: Its first two words are its type.
        answer: The answer.
        answer_type: "yes/no", "number" or "other".
    """
    given = {"answer": answer, "answer_confidence": "yes"}
    return {
        "question_type": " ".join(question.rstrip("?").split()[:2]),
        "answer_type": answer_type,
        "multiple_choice_answer": answer,
        "answers": [given | {"answer_id": number} for number in range(1, USUAL_ANSWERS + 1)],
    }


def _read_question(
    entry: dict[str, Any], answered: Mapping[str, _Answered] | None, pictures: PictureFolder, findings: Findings
) -> QuestionExample | None:
    key, question = identifier(entry.get("question_id")), words(entry.get("question"))
    image, named = identifier(entry.get("image_id")), words(entry.get("image"))
    if key is None:
        findings.leave_out("questions without id", question or "?")
        return None
    if question is None:
        findings.leave_out("questions without words", key)
        return None
    picture = pictures.named(named) if named is not None else pictures.numbered(image or "")
    if picture is None:
        findings.leave_out(NOT_THERE, f"{key}: {named or image or '?'}")
        return None
    known = _Answered((), None, None) if answered is None else answered.get(key)
    if known is None or (answered is not None and not known.answers):
        findings.leave_out("questions without answers", key)
        return None
    if known.answers and len(known.answers) != USUAL_ANSWERS:
        findings.note(f"questions with another number of answers than {USUAL_ANSWERS}", f"{key}: {len(known.answers)}")
    return QuestionExample(
        id=key,
        picture=picture,
        question=question,
        answers=known.answers,
        question_type=known.question_type,
        answer_type=known.answer_type,
    )


def _read_answers(path: Path, findings: Findings) -> dict[str, _Answered]:
    content = read_json_object(path, ANNOTATIONS, ANNOTATIONS_WAY_OUT)
    found: dict[str, _Answered] = {}
    for entry in entries_of(content, "annotations", path, ANNOTATIONS, ANNOTATIONS_WAY_OUT, findings):
        key = identifier(entry.get("question_id"))
        if key is None:
            findings.leave_out("answers without question_id", "?")
            continue
        if key in found:
            findings.leave_out("answers whose question_id is there twice", key)
            continue
        given = entry.get("answers")
        answers = []
        for one in objects_of(given if isinstance(given, list) else [], f"answers to {key}", findings):
            text = _answer(one.get("answer"))
            if text is None:
                findings.leave_out("answers that are no text", key)
            else:
                answers.append(text)
        found[key] = _Answered(tuple(answers), words(entry.get("question_type")), words(entry.get("answer_type")))
    return found


def _answer(value: Any) -> str | None:
    """Return an answer, which may be a sign such as "?" in VQA v2 and have no letter."""
    if not isinstance(value, str) or not value.strip():
        return None
    return words(f"a{value}") and value
