"""easy-VQA, an outside yardstick: drawn shapes of 64 pixels, questions about them, and 13 answers.

By Victor Zhou, MIT licence, a PyPI package of 4,000 pictures to learn from and 1,000 to be judged by. It is written in
the shapes of VQA v2, so that everything that reads those takes it.
"""

import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from minivlm.console import Steps
from minivlm.datasets.packages import pip_downloaded
from minivlm.datasets.questions import agreed_annotation
from minivlm.errors import UserError
from minivlm.storage.files import write_text
from minivlm.storage.folders import check_new, new_folder
from minivlm.storage.json_text import json_text

PACKAGE, VERSION = "easy-vqa", "1.0"
SPLITS = ("train", "test")
YES_NO = ("yes", "no")
STEM: Mapping[str, str] = MappingProxyType({split: f"easy_vqa/data/{split}" for split in SPLITS})
DAMAGES = (zipfile.BadZipFile, zlib.error, OSError, EOFError, LookupError, ValueError, TypeError)
"""What reading a package raises that is cut off, or laid out otherwise."""


def write_easy_vqa(folder: Path, split: str) -> dict[str, int]:
    """Fetch the package and write one split.

    Args:
        folder: New or empty. Gets images/000000000000.png and so on, questions.json and annotations.json as VQA v2 has
            them, and answers.txt.
        split: One of `SPLITS`.

    Returns:
        What was written -> how many.

    Raises:
        UserError: The package cannot be had or is damaged, or the folder is in use or cannot be written.
    """
    check_new(folder, "easy-VQA")
    steps = Steps()
    with new_folder(folder, "easy-VQA") as made, tempfile.TemporaryDirectory() as downloads:
        with steps.step(f"fetch {PACKAGE} {VERSION}"):
            wheel = pip_downloaded(PACKAGE, VERSION, Path(downloads))
        with steps.step(f"write its {split} split"):
            try:
                with zipfile.ZipFile(wheel) as archive:
                    return _write(archive, split, made)
            except DAMAGES as error:
                raise UserError(f"{PACKAGE} {VERSION} is damaged ({error}): run pip cache purge, and again") from None


def _write(archive: zipfile.ZipFile, split: str, folder: Path) -> dict[str, int]:
    asked = json.loads(archive.read(f"{STEM[split]}/questions.json"))
    pictures = sorted({int(image) for _, _, image in asked})
    (folder / "images").mkdir()
    for image in pictures:
        with (
            archive.open(f"{STEM[split]}/images/{image}.png") as source,
            (folder / f"images/{image:012}.png").open("wb") as target,
        ):
            shutil.copyfileobj(source, target)
    info = {"description": f"easy-VQA {VERSION} by Victor Zhou, MIT licence", "split": split}
    entries = [_entry(number, *one) for number, one in enumerate(asked)]
    head = {"info": info, "task_type": "Open-Ended", "data_type": "easy-vqa", "data_subtype": split}
    files = {
        "questions.json": {**head, "questions": [question for question, _ in entries]},
        "annotations.json": {**head, "annotations": [answer for _, answer in entries]},
    }
    for name, content in files.items():
        write_text(folder / name, json_text(content, indent=None) + "\n")
    answers = sorted(archive.read("easy_vqa/data/answers.txt").decode().split())
    write_text(folder / "answers.txt", "".join(f"{answer}\n" for answer in answers))
    return {"pictures": len(pictures), "questions": len(entries), "answers": len(answers)}


def _entry(number: int, question: str, answer: str, image: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a question, and its answer ten times, as VQA v2 has them."""
    ids = {"image_id": image, "question_id": number}
    kind = "yes/no" if answer in YES_NO else "other"
    return ids | {"question": question}, ids | agreed_annotation(question, answer, kind)
