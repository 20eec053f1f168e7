"""Pictures of a data set with what a model says of them beside what is true, for people to look at."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from minivlm.datasets.boxes import BoxExample, read_boxes
from minivlm.datasets.captions import read_captions
from minivlm.datasets.folder import DataFiles
from minivlm.datasets.pictures import PictureFolder
from minivlm.datasets.questions import QuestionExample, read_questions
from minivlm.errors import UserError, closest
from minivlm.evaluation.answers import accuracy
from minivlm.images.plot import Drawn
from minivlm.inference.pipeline import Pipeline

LEAST_SCORE = 0.4
"""Of a region that is shown."""
MOST_REGIONS = 12
QUESTIONS = 2
"""That a picture is asked."""

Judges = Mapping[str, Callable[[str], bool | None]]
"""Picture's file name -> whether a sentence is true of it; None where nobody can tell."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question and its answers.

    Attributes:
        question: As the data has it.
        said: The model's answer.
        people: The most frequent of the data's answers; None where it has none.
        right: What the answer is worth by VQA's rule is more than half; None where the data has no answers.
    """

    question: str
    said: str
    people: str | None
    right: bool | None


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One picture.

    Attributes:
        picture: Its file.
        regions: That the model found, best first.
        things: Names of the data's boxes, with how many there are.
        caption: The model's.
        true: Whether the caption is; None where nobody can tell.
        captions: The data's.
        asked: Questions.
    """

    picture: Path
    regions: tuple[Drawn, ...]
    things: tuple[tuple[str, int], ...]
    caption: str
    true: bool | None
    captions: tuple[str, ...]
    asked: tuple[Asked, ...]


@dataclass(frozen=True, kw_only=True)
class Known:
    """What data says of pictures.

    Attributes:
        pictures: Files, in the data's order.
        things: Picture -> names of its boxes.
        captions: Picture -> captions.
        questions: Picture -> questions.
    """

    pictures: tuple[Path, ...]
    things: Mapping[Path, tuple[str, ...]]
    captions: Mapping[Path, tuple[str, ...]]
    questions: Mapping[Path, tuple[QuestionExample, ...]]


def read_known(files: DataFiles) -> Known:
    """Read what there is of boxes, captions and questions.

    Raises:
        UserError: A file is not what it should be, or there is no picture.
    """
    folder = PictureFolder(files.images or Path())
    boxes: Sequence[BoxExample] = ()
    things: dict[Path, tuple[str, ...]] = {}
    if files.boxes is not None:
        data = read_boxes(files.boxes, folder)
        boxes = data.examples
        things = {one.picture: tuple(data.classes[box.label] for box in one.boxes) for one in boxes}
    told = () if files.captions is None else read_captions(files.captions, folder).examples
    asked: dict[Path, tuple[QuestionExample, ...]] = {}
    if files.questions is not None:
        for one in read_questions(files.questions, files.annotations, folder).examples:
            asked[one.picture] = (*asked.get(one.picture, ()), one)
    captions = {one.picture: one.captions for one in told}
    pictures = tuple(dict.fromkeys((*things, *captions, *asked))) or folder.files
    if not pictures:
        raise UserError(f"{folder.folder} holds no picture: give a folder with pictures and what is said of them")
    return Known(pictures=pictures, things=things, captions=captions, questions=asked)


def chosen_pictures(known: Known, names: Sequence[str], count: int) -> tuple[Path, ...]:
    """Return the pictures of these file names or, without any, the first `count`.

    Raises:
        UserError: There is no such picture.
    """
    if not names:
        return known.pictures[:count]
    by_name = {picture.name: picture for picture in known.pictures}
    for name in names:
        if name not in by_name:
            raise UserError(f"the data has no picture {name!r:.80}: {closest(name, list(by_name)[:1000])}")
    return tuple(by_name[name] for name in names)


def exhibit(picture: Path, known: Known, pipeline: Pipeline, judges: Judges) -> Exhibit:
    """Let a model look at a picture.

    Args:
        picture: Of `known`.
        known: What the data says.
        pipeline: Of a vision-language model; questions are put to one with that head.
        judges: Of captions.

    Raises:
        UserError: The picture cannot be read, or the model is only a part of one.
    """
    regions = pipeline.regions(picture)
    said = pipeline.caption(regions).text
    best = regions.top(MOST_REGIONS)
    shown = zip(best.boxes.tolist(), pipeline.tag_names(best), best.scores.tolist(), strict=True)
    questions = _varied(known.questions.get(picture, ())) if "vqa" in pipeline.whole.config.heads else ()
    judge = judges.get(picture.name)
    return Exhibit(
        picture=picture,
        regions=tuple(Drawn(box, tag, score) for box, tag, score in shown if score >= LEAST_SCORE),
        things=tuple(Counter(known.things.get(picture, ())).items()),
        caption=said,
        true=None if judge is None else judge(said),
        captions=known.captions.get(picture, ()),
        asked=tuple(
            _asked(one, pipeline.answer(regions, one.question, top=1).best[0].text) for one in questions[:QUESTIONS]
        ),
    )


def _varied(questions: Sequence[QuestionExample]) -> list[QuestionExample]:
    """Put the first question of each type of answer first, those of yes or no last among them."""
    firsts = {one.answer_type: one for one in reversed(questions)}
    ordered = sorted(firsts.values(), key=lambda one: (one.answer_type == "yes/no", questions.index(one)))
    return [*ordered, *(one for one in questions if one not in ordered)]


def _asked(one: QuestionExample, said: str) -> Asked:
    if not one.answers:
        return Asked(question=one.question, said=said, people=None, right=None)
    people = Counter(one.answers).most_common(1)[0][0]
    return Asked(question=one.question, said=said, people=people, right=accuracy(said, one.answers) > 0.5)
