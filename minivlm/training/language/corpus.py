"""What is said about pictures, read from one or several folders of data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from minivlm.datasets.boxes import read_boxes
from minivlm.datasets.captions import CaptionExample, read_captions
from minivlm.datasets.folder import DataFiles
from minivlm.datasets.nlvr2 import StatementExample, read_statements
from minivlm.datasets.pictures import PictureFolder
from minivlm.datasets.questions import QuestionExample, read_questions
from minivlm.datasets.report import Report
from minivlm.errors import UserError

LEARNT_SPLITS = (None, "train", "restval")
"""Of captions that say theirs: Karpathy's "restval" is for training, too."""


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """All that a training reads.

    Attributes:
        captions: Pictures with their captions.
        questions: With at least one answer each.
        statements: With a label each.
        names: Picture -> classes of its boxes, in the file's order; whoever found them.
        classes: Names of all classes.
        attributes: Names of all attributes that boxes can have.
        reports: What there is and what was left out.
    """

    captions: tuple[CaptionExample, ...] = ()
    questions: tuple[QuestionExample, ...] = ()
    statements: tuple[StatementExample, ...] = ()
    names: Mapping[Path, tuple[str, ...]]
    classes: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    reports: tuple[Report, ...] = ()

    @property
    def pictures(self) -> tuple[Path, ...]:
        """Every picture of which something is said, once."""
        found = [one.picture for one in self.captions]
        found += [one.picture for one in self.questions]
        found += [picture for one in self.statements for picture in (one.left, one.right)]
        return tuple(dict.fromkeys((*found, *self.names)))

    @property
    def texts(self) -> tuple[str, ...]:
        """All captions, questions and statements."""
        captions = (text for one in self.captions for text in one.captions)
        return (*captions, *(one.question for one in self.questions), *(one.sentence for one in self.statements))


def read_corpus(each: Sequence[DataFiles], kinds: Sequence[str]) -> Corpus:
    """Read data of some kinds; what a folder does not have of them is no mistake.

    Args:
        each: The files of every folder, as `find_data` returns them.
        kinds: Of "boxes", "captions", "questions" and "nlvr2".

    Raises:
        UserError: A file is not what it should be, or there is nothing of any of these kinds.
    """
    parts: list[Corpus] = []
    for files in each:
        here = [kind for kind in kinds if getattr(files, kind) is not None]
        if here:
            pictures = PictureFolder(files.images or Path())
            parts += [Corpus(names={}, reports=pictures.reports), *(_READERS[kind](files, pictures) for kind in here)]
    if not parts:
        raise UserError(f"the data holds none of {', '.join(kinds)}: minivlm data check DIR says what it holds")
    return Corpus(
        captions=tuple(one for part in parts for one in part.captions),
        questions=tuple(one for part in parts for one in part.questions),
        statements=tuple(one for part in parts for one in part.statements),
        names=MappingProxyType({picture: found for part in parts for picture, found in part.names.items()}),
        classes=tuple(dict.fromkeys(name for part in parts for name in part.classes)),
        attributes=tuple(dict.fromkeys(name for part in parts for name in part.attributes)),
        reports=tuple(report for part in parts for report in part.reports),
    )


def _captions(files: DataFiles, pictures: PictureFolder) -> Corpus:
    data = read_captions(_there(files.captions), pictures)
    learnt = tuple(one for one in data.examples if one.split in LEARNT_SPLITS)
    return Corpus(captions=learnt, names={}, reports=(data.report,))


def _questions(files: DataFiles, pictures: PictureFolder) -> Corpus:
    data = read_questions(_there(files.questions), files.annotations, pictures)
    return Corpus(questions=tuple(one for one in data.examples if one.answers), names={}, reports=(data.report,))


def _statements(files: DataFiles, pictures: PictureFolder) -> Corpus:
    data = read_statements(_there(files.nlvr2), pictures)
    labelled = tuple(one for one in data.examples if one.label is not None)
    return Corpus(statements=labelled, names={}, reports=(data.report,))


def _boxes(files: DataFiles, pictures: PictureFolder) -> Corpus:
    data = read_boxes(_there(files.boxes), pictures)
    names = {one.picture: tuple(data.classes[box.label] for box in one.boxes) for one in data.examples}
    return Corpus(names=names, classes=data.classes, attributes=data.attributes, reports=(data.report,))


def _there(path: Path | None) -> Path:
    assert path is not None  # `read_corpus` asks for what is there only
    return path


_READERS: Mapping[str, Callable[[DataFiles, PictureFolder], Corpus]] = MappingProxyType(
    {"captions": _captions, "questions": _questions, "nlvr2": _statements, "boxes": _boxes}
)
