"""easy-VQA in the shapes of VQA v2, by a pip of our own that has no network: it copies a wheel that the test made."""

import io
import json
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from minivlm.cli.main import main
from minivlm.datasets import easy_vqa, packages
from minivlm.datasets.check import check_data
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.datasets.pictures import PictureFolder
from minivlm.datasets.questions import QuestionExample, read_questions
from minivlm.datasets.report import left_out
from minivlm.errors import UserError

QUESTIONS = [
    ["what is the blue shape?", "rectangle", 0],
    ["is there a triangle in the image?", "no", 0],
    ["what color is the shape?", "red", 11],
]
"""Of the shape of the package's own questions.json: question, answer, picture."""


def png(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "easy_vqa-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("easy_vqa/data/answers.txt", "rectangle\nno\nred\n")
        archive.writestr("easy_vqa/data/test/questions.json", json.dumps(QUESTIONS))
        for image, colour in ((0, "blue"), (11, "red"), (12, "green")):
            archive.writestr(f"easy_vqa/data/test/images/{image}.png", png(colour))
    return path


@pytest.fixture
def pip(tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let a script stand for Python, whose pip copies the wheel to where pip is told to."""
    script = tmp_path / "python"
    script.write_text(
        f"#!{sys.executable}\nimport shutil, sys\nassert sys.argv[1:5] == ['-m', 'pip', 'download', 'easy-vqa==1.0']\n"
        f"shutil.copy({str(wheel)!r}, sys.argv[-1])\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(packages.sys, "executable", str(script))
    return script


def test_every_question_is_there_with_its_picture_and_ten_times_its_answer(tmp_path: Path, pip: Path) -> None:
    assert easy_vqa.write_easy_vqa(tmp_path / "out", "test") == {"pictures": 2, "questions": 3, "answers": 3}
    files, unknown = find_data(tmp_path / "out", DataFiles())
    reports = check_data(files, open_pictures=lambda number, of: None)
    assert unknown == ()
    assert sum(left_out(report.findings) for report in reports) == 0
    read = examples_of(files)
    assert [(one.question, set(one.answers), len(one.answers), one.answer_type) for one in read] == [
        ("what is the blue shape?", {"rectangle"}, 10, "other"),
        ("is there a triangle in the image?", {"no"}, 10, "yes/no"),
        ("what color is the shape?", {"red"}, 10, "other"),
    ]
    with Image.open(read[2].picture) as picture:
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 0, 0)
    assert (tmp_path / "out/answers.txt").read_text().split() == ["no", "rectangle", "red"]


def examples_of(files: DataFiles) -> tuple[QuestionExample, ...]:
    assert files.questions is not None
    assert files.images is not None
    return read_questions(files.questions, files.annotations, PictureFolder(files.images)).examples


def test_what_pip_says_is_passed_on_in_one_line(tmp_path: Path, pip: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The shape of what pip 24 to 26 print: warnings first."""
    pip.write_text("#!/bin/sh\necho 'WARNING: slow' >&2\necho 'ERROR: No matching distribution' >&2\nexit 1\n")
    with pytest.raises(SystemExit) as end:
        main(["data", "easy-vqa", str(tmp_path / "out"), "--split", "test"])
    assert end.value.code == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("error: pip could not fetch easy-vqa==1.0 (ERROR: No matching distribution): check")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"no wheel", None])
def test_a_damaged_package_is_one_line_and_nothing_is_left(
    tmp_path: Path, pip: Path, wheel: Path, content: bytes | None
) -> None:
    """None: a wheel as it should be, which lacks the split."""
    if content is not None:
        wheel.write_bytes(content)
    with pytest.raises(UserError, match=r"easy-vqa 1\.0 is damaged"):
        easy_vqa.write_easy_vqa(tmp_path / "out", "train")
    assert not (tmp_path / "out").exists()
