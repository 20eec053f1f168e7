"""The command that writes a set of scenes: its files, their shapes, and its refusals."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from minivlm.cli.main import main
from minivlm.datasets.check import check_data
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.errors import UserError
from minivlm.scenes.composing import Composer
from minivlm.scenes.drawings import Drawings
from minivlm.scenes.things import all_things, answers
from minivlm.scenes.truth import read_scenes
from minivlm.storage.text_files import read_lines

FILES = {
    "images",
    "boxes.json",
    "captions.json",
    "questions.json",
    "annotations.json",
    "nlvr2.jsonl",
    "classes.txt",
    "attributes.txt",
    "answers.txt",
    "about.json",
}


def run(*arguments: object) -> int:
    try:
        main(["data", *(str(argument) for argument in arguments)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def make(out: Path, folder: Path, count: int = 5, split: str = "test", *more: object) -> int:
    return run("scenes", out, "--split", split, "--count", count, "--seed", 4, "--drawings", folder, *more)


def load(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    out = tmp_path_factory.mktemp("made") / "scenes"
    assert make(out, folder, 5, "test", "--size", 144) == 0
    return out


def test_all_files_are_there_and_nothing_else(made: Path) -> None:
    assert {path.name for path in made.iterdir()} == FILES
    assert {path.name for path in made.parent.iterdir()} == {"scenes"}
    assert len(list((made / "images").iterdir())) == 5


def test_boxes_are_of_cocos_shape(made: Path) -> None:
    content = load(made / "boxes.json")
    images = {image["id"]: image for image in content["images"]}
    names = {category["id"]: category["name"] for category in content["categories"]}
    assert list(images) == [1, 2, 3, 4, 5]
    assert list(names.values()) == read_lines(made / "classes.txt", "", "") == [thing.noun for thing in all_things()]
    assert [entry["id"] for entry in content["annotations"]] == list(range(1, len(content["annotations"]) + 1))
    attributes = set(read_lines(made / "attributes.txt", "", ""))
    assert set(content["attributes"]) == attributes
    for entry in content["annotations"]:
        assert entry["image_id"] in images
        assert entry["category_id"] in names
        assert entry["iscrowd"] == 0
        assert set(entry["attributes"]) <= attributes
        assert 0 < entry["area"] <= entry["bbox"][2] * entry["bbox"][3]
    for image in images.values():
        with Image.open(made / "images" / image["file_name"]) as shown:
            assert shown.size == (image["width"], image["height"]) == (144, 144)


def test_scenes_are_read_back_as_they_were_composed(made: Path, folder: Path) -> None:
    composer = Composer(Drawings(folder), split="test", seed=4, side=144)
    assert read_scenes(made / "boxes.json") == {index + 1: composer.compose(index)[1] for index in range(5)}


def test_questions_and_answers_are_of_vqas_shape(made: Path) -> None:
    asked, answered = load(made / "questions.json")["questions"], load(made / "annotations.json")["annotations"]
    assert [one["question_id"] for one in asked] == [one["question_id"] for one in answered]
    assert len({one["question_id"] for one in asked}) == len(asked)
    listed = set(read_lines(made / "answers.txt", "", ""))
    assert listed == set(answers())
    for one in answered:
        assert len(one["answers"]) == 10
        assert {given["answer"] for given in one["answers"]} == {one["multiple_choice_answer"]} <= listed
        assert one["answer_type"] in ("yes/no", "number", "other")


def test_more_rounds_ask_more_and_change_nothing_else(tmp_path: Path, made: Path, folder: Path) -> None:
    assert make(tmp_path / "more", folder, 5, "test", "--size", 144, "--rounds", 3) == 0
    few, many = (load(path / "questions.json")["questions"] for path in (made, tmp_path / "more"))
    assert len({one["question_id"] for one in many}) == len(many)
    for picture in range(1, 6):
        first, all_of_it = ([one["question"] for one in each if one["image_id"] == picture] for each in (few, many))
        assert all_of_it[: len(first)] == first
        assert len(first) < len(all_of_it) <= 18
        assert len(set(all_of_it)) == len(all_of_it)
    for name in FILES - {"images", "questions.json", "annotations.json"}:
        assert (tmp_path / "more" / name).read_bytes() == (made / name).read_bytes()


def test_statements_are_of_nlvr2s_shape_and_name_pictures(made: Path) -> None:
    lines = [json.loads(line) for line in (made / "nlvr2.jsonl").read_text().splitlines()]
    assert len(lines) == 8  # four for each of two pairs; the fifth picture has none to go with
    assert len({line["identifier"] for line in lines}) == 8
    assert sorted(line["label"] for line in lines) == ["False"] * 4 + ["True"] * 4
    for line in lines:
        assert (made / "images" / line["left"]).is_file()
        assert (made / "images" / line["right"]).is_file()
        assert line["left"] != line["right"]


def test_captions_are_five_a_picture(made: Path) -> None:
    found = [entry["image_id"] for entry in load(made / "captions.json")["annotations"]]
    assert found == [image for image in range(1, 6) for _ in range(5)]


def test_about_says_what_it_was_made_with(made: Path) -> None:
    about = load(made / "about.json")
    assert (about["split"], about["seed"], about["count"], about["size"]) == ("test", 4, 5, 144)
    assert [(one["style"], one["licence"], one["version"]) for one in about["drawings"]] == [
        ("round", "Apache-2.0", "1.0.0"),
        ("edged", "Apache-2.0", "1.0.0"),
    ]


def test_a_smaller_set_is_the_beginning_of_a_larger_one(tmp_path: Path, made: Path, folder: Path) -> None:
    assert make(tmp_path / "few", folder, 2, "test", "--size", 144) == 0
    for image in (tmp_path / "few" / "images").iterdir():
        assert image.read_bytes() == (made / "images" / image.name).read_bytes()
    few, many = (load(path / "captions.json")["annotations"] for path in (tmp_path / "few", made))
    assert few == many[: len(few)]
    few, many = (load(path / "annotations.json")["annotations"] for path in (tmp_path / "few", made))
    assert few == many[: len(few)]
    lines = (tmp_path / "few" / "nlvr2.jsonl").read_text()
    assert lines
    assert (made / "nlvr2.jsonl").read_text().startswith(lines)


def test_several_processes_make_the_same_set(tmp_path: Path, made: Path, folder: Path) -> None:
    assert make(tmp_path / "again", folder, 5, "test", "--size", 144, "--workers", 2) == 0
    for path in sorted(made.rglob("*.*")):
        assert (tmp_path / "again" / path.relative_to(made)).read_bytes() == path.read_bytes(), path.name


def refused(capfd: pytest.CaptureFixture[str], code: int) -> str:
    err = capfd.readouterr().err
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_a_folder_in_use_is_refused_and_an_empty_one_is_not(
    tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "used").mkdir()
    assert make(tmp_path / "used", folder, 1) == 0
    capfd.readouterr()
    before = {path: path.read_bytes() for path in (tmp_path / "used").rglob("*") if path.is_file()}
    assert "is not empty" in refused(capfd, make(tmp_path / "used", folder, 2))
    assert {path: path.read_bytes() for path in (tmp_path / "used").rglob("*") if path.is_file()} == before
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(capfd, make(tmp_path / "file", folder, 1))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--split", "dev", "--count", 3], "unseen-style"),
        (["--split", "val", "--count", 0], "--count"),
        (["--split", "val", "--count", 3, "--size", 20], "--size"),
        (["--count", 3], "--split"),
        (["--split", "val", "--count", 3, "--seed", -1], "--seed"),
    ],
)
def test_a_wrong_flag_is_one_line(
    tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str], flags: list[object], said: str
) -> None:
    assert said in refused(capfd, run("scenes", tmp_path / "out", "--drawings", folder, *flags))
    assert list(tmp_path.iterdir()) == []


def test_missing_drawings_are_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "minivlm data drawings" in refused(capfd, make(tmp_path / "out", tmp_path / "nothing"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["no json", "no styles", "a style without a folder", "one artist", "a broken file"])
def test_damaged_drawings_are_one_line(
    tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str], damage: str
) -> None:
    copied = tmp_path / "drawings"
    copied.mkdir()
    styles = load(folder / "about.json")["styles"]
    for path in folder.rglob("*.png"):
        (copied / path.parent.name).mkdir(exist_ok=True)
        (copied / path.parent.name / path.name).write_bytes(
            b"\x89PNG" if damage == "a broken file" else path.read_bytes()
        )
    match damage:
        case "no styles":
            styles = {"round": {"style": "round"}}
        case "a style without a folder":
            styles["missing"] = styles["round"] | {"style": "missing"}
        case "one artist":
            styles["edged"]["artist"] = styles["round"]["artist"]
    (copied / "about.json").write_text("{" if damage == "no json" else json.dumps({"styles": styles}))
    assert "minivlm data drawings" in refused_at_last(capfd, make(tmp_path / "out", copied))
    assert {path.name for path in tmp_path.iterdir()} == {"drawings"}


def refused_at_last(capfd: pytest.CaptureFixture[str], code: int) -> str:
    """Return the last line on stderr; those before it say which steps were begun."""
    assert code == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    return last


@pytest.mark.parametrize(
    "content", ["{}", '{"categories": [], "images": [], "annotations": [{}]}', '{"categories": 3}']
)
def test_boxes_that_are_none_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "boxes.json").write_text(content)
    with pytest.raises(UserError, match=r"boxes\.json does not describe scenes"):
        read_scenes(tmp_path / "boxes.json")


def test_the_whole_set_is_data_that_nothing_is_left_out_of(made: Path) -> None:
    """`minivlm data check` reads the same files for training and evaluation."""
    files, unknown = find_data(made, DataFiles())
    reports = {report.title: report for report in check_data(files, open_pictures=lambda number, of: None)}
    assert unknown == ()
    assert {title: report.findings for title, report in reports.items()} == dict.fromkeys(reports, ())
    assert set(reports) == {"boxes", "captions", "questions", "nlvr2", "pictures"}
    assert dict(reports["nlvr2"].counts)["statements"] == 8
    assert dict(reports["boxes"].counts)["attributes"] == len(read_lines(made / "attributes.txt", "", ""))
