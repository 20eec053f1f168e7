"""`minivlm data check`: what is there by the files' contents, and what is broken."""

import json
from pathlib import Path

import pytest

from minivlm.cli.main import main
from minivlm.datasets.folder import DataFiles, find_data, kind_of
from minivlm.datasets.pictures import PictureFolder
from minivlm.errors import UserError
from tests.datasets import test_captions, test_questions
from tests.datasets.made import box_data, pictures, write, write_lines
from tests.datasets.test_nlvr2 import LINES


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with something of each kind, under names of its own."""
    folder = tmp_path / "data"
    pictures(folder / "images", "a.png", "b.png", "x.png", "dev/y.png", "COCO_val2014_000000000042.png")
    write(folder / "instances.json", box_data())
    write(folder / "karpathy.json", test_captions.KARPATHY)
    write(folder / "v2_questions.json", {"questions": test_questions.QUESTIONS})
    write(folder / "v2_annotations.json", {"annotations": test_questions.ANNOTATIONS})
    write_lines(folder / "dev.jsonl", LINES[2:])
    write(folder / "notes.json", {"by": "me"})
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = 0
    try:
        main(["data", "check", *(str(argument) for argument in arguments)])
    except SystemExit as end:
        code = int(end.code or 0)
    return (code, *capsys.readouterr())


def test_files_are_told_by_what_they_hold(data: Path) -> None:
    files, unknown = find_data(data, DataFiles())
    assert files == DataFiles(
        boxes=data / "instances.json",
        captions=data / "karpathy.json",
        questions=data / "v2_questions.json",
        annotations=data / "v2_annotations.json",
        nlvr2=data / "dev.jsonl",
        images=data / "images",
    )
    assert unknown == ("notes.json",)


def test_captions_of_all_forms_are_told(tmp_path: Path) -> None:
    for content in (test_captions.KARPATHY, test_captions.COCO, test_captions.PLAIN):
        assert kind_of(write(tmp_path / "some.json", content)) == "captions"


def test_a_usual_name_and_a_flag_count_more_than_contents(data: Path) -> None:
    usual = write(data / "boxes.json", box_data())
    assert find_data(data, DataFiles())[0].boxes == usual
    given = DataFiles(boxes=data / "instances.json")
    assert find_data(data, given)[0].boxes == data / "instances.json"


def test_two_files_of_a_kind_are_refused_with_the_flag_to_use(data: Path) -> None:
    write(data / "more.json", box_data())
    with pytest.raises(UserError, match=r"boxes in instances.json and more.json: say which with --boxes FILE"):
        find_data(data, DataFiles())


def test_the_command_says_what_is_there_and_what_is_broken(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "images" / "b.png").write_bytes(b"no picture")
    code, out, err = run(capsys, data)
    assert (code, err) == (0, "")
    assert "boxes: " in out
    assert "2 pictures, 3 boxes, 2 classes" in out
    assert "left out: 1 pictures that cannot be read (b.png is no readable JPEG," in out
    assert "left out: 1 files of no known kind (notes.json)" in out
    assert out.endswith("left out: 2\n")


def test_without_pictures_nothing_is_opened(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "images" / "b.png").write_bytes(b"no picture")
    code, out, _ = run(capsys, data, "--no-pictures", "--json")
    reports = {report["title"]: report for report in json.loads(out)["reports"]}
    assert (code, reports["pictures"]["counts"]) == (0, {"in the folder": 5, "needed": 5})
    assert json.loads(out)["left_out"] == 1


def test_a_picture_of_another_size_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(tmp_path, "a.png", "b.png")
    content = box_data()
    content["images"][0] |= {"width": 81, "height": 60}
    write(tmp_path / "boxes.json", content)
    _, out, _ = run(capsys, tmp_path)
    assert "noted: 1 pictures of another size than the data says (a.png: 80x60, not 81x60)" in out


def test_a_folder_of_pictures_alone_is_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pictures(tmp_path / "some", "a.png", "b/c.png")
    for arguments in ([folder], ["--images", folder]):
        code, out, _ = run(capsys, *arguments)
        assert code == 0
        assert "2 in the folder, 2 needed, 2 readable" in out


@pytest.mark.parametrize("given", ["", "no-such", "boxes.json", "answers"])
def test_what_is_no_data_is_one_line(tmp_path: Path, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    if given == "boxes.json":
        (tmp_path / given).write_text("{")
        given = ""
    if given == "answers":
        write(pictures(tmp_path / given, "a.png") / "annotations.json", {"annotations": test_questions.ANNOTATIONS})
    code, out, err = run(capsys, tmp_path / given)
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_name_that_several_pictures_have_needs_its_path(tmp_path: Path) -> None:
    folder = PictureFolder(pictures(tmp_path, "a/1.png", "b/1.png"))
    assert folder.named("1.png") is None
    assert folder.named("b/1.png") == tmp_path / "b" / "1.png"
    assert folder.numbered("1") is None
