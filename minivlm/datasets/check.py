"""Reading all that a data set holds, for a look at it before hours are spent."""

from collections.abc import Callable
from pathlib import Path

from minivlm.datasets.boxes import read_boxes
from minivlm.datasets.captions import read_captions
from minivlm.datasets.folder import DataFiles
from minivlm.datasets.nlvr2 import read_statements
from minivlm.datasets.pictures import PictureFolder, check_pictures
from minivlm.datasets.questions import read_questions
from minivlm.datasets.report import Findings, Report
from minivlm.errors import UserError


def check_data(files: DataFiles, *, open_pictures: Callable[[int, int], None] | None) -> tuple[Report, ...]:
    """Read every file, and open the pictures that examples need; without any file, all of the folder.

    Args:
        files: As `find_data` returns them.
        open_pictures: Called with the number of each picture, from 1, and of all; None opens none.

    Raises:
        UserError: A file is not what it should be, or there are answers without questions.
    """
    if files.images is None:
        raise UserError("no folder with pictures: name it with --images DIR")
    if files.annotations is not None and files.questions is None:
        raise UserError(f"{files.annotations} has answers, and there are no questions: name them with --questions FILE")
    pictures = PictureFolder(files.images)
    reports, used, sizes = _read(files, pictures)
    needed = used if files.kinds else list(pictures.files)
    if open_pictures is None:
        held = Report(
            title="pictures", source=files.images, counts=_counts(pictures, needed), findings=pictures.findings
        )
    else:
        opened = check_pictures(files.images, needed, open_pictures, sizes)
        counts = (*_counts(pictures, needed), *opened.counts)
        held = Report(
            title="pictures", source=files.images, counts=counts, findings=(*pictures.findings, *opened.findings)
        )
    return (*reports, held)


def _counts(pictures: PictureFolder, needed: list[Path]) -> tuple[tuple[str, int], ...]:
    return (("in the folder", len(pictures.files)), ("needed", len(set(needed))))


def _read(files: DataFiles, pictures: PictureFolder) -> tuple[list[Report], list[Path], dict[Path, tuple[int, int]]]:
    """Return a report of each file, the pictures that examples need, and sizes that are said of them."""
    reports: list[Report] = []
    used: list[Path] = []
    sizes: dict[Path, tuple[int, int]] = {}
    if files.boxes is not None:
        boxes = read_boxes(files.boxes, pictures)
        reports.append(boxes.report)
        used += [example.picture for example in boxes.examples]
        sizes = {example.picture: example.size for example in boxes.examples if example.size is not None}
    if files.captions is not None:
        captions = read_captions(files.captions, pictures)
        reports.append(captions.report)
        used += [example.picture for example in captions.examples]
    if files.questions is not None:
        questions = read_questions(files.questions, files.annotations, pictures)
        reports.append(questions.report)
        used += [example.picture for example in questions.examples]
    if files.nlvr2 is not None:
        statements = read_statements(files.nlvr2, pictures)
        reports.append(statements.report)
        used += [file for example in statements.examples for file in (example.left, example.right)]
    return reports, used, sizes


def unknown_files(folder: Path, names: tuple[str, ...]) -> Report:
    """Return a report of the JSON files that are of no known kind."""
    findings = Findings()
    for name in names:
        findings.leave_out("files of no known kind", name)
    return Report(title="other files", source=folder, counts=(("JSON files", len(names)),), findings=findings.found)
