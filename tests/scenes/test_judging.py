"""Sentences about the pictures of a set, each held against its own."""

import json
from pathlib import Path

import pytest

from minivlm.datasets.pictures import PictureFolder
from minivlm.errors import UserError
from minivlm.scenes.judging import describers_of, describes, judges_of
from minivlm.scenes.truth import Verdict, judge
from tests.scenes.made_up import scene, thing
from tests.tiny import save_photo


def boxes(*nouns: str) -> dict[str, object]:
    """Detection JSON of scenes with one medium thing in each picture."""
    more = {"bbox": [10, 10, 50, 50], "area": 2500, "attributes": ["medium"], "hints": [], "visible": 1.0, "style": "a"}
    return {
        "images": [{"id": n, "width": 256, "height": 256} for n in range(len(nouns))],
        "categories": [{"id": n, "name": noun} for n, noun in enumerate(nouns)],
        "annotations": [{"image_id": n, "category_id": n, **more} for n in range(len(nouns))],
    }


def test_a_sentence_is_true_of_one_picture_and_false_of_another(tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text(json.dumps(boxes("cat", "dog")))
    judges = judges_of(tmp_path / "boxes.json")
    assert [judges[n]("there is a cat") for n in (0, 1)] == [True, False]
    assert judges[0]("cat a is there") is None


def test_pictures_are_found_by_their_files(tmp_path: Path) -> None:
    content = boxes("cat", "dog", "cow")
    images = [{**image, "file_name": f"{n}.png"} for n, image in enumerate(content["images"])]  # type: ignore[arg-type, var-annotated]
    (tmp_path / "boxes.json").write_text(json.dumps(content | {"images": images}))
    (tmp_path / "images").mkdir()
    there = [save_photo(tmp_path / "images" / f"{n}.png", seed=n) for n in (0, 1)]
    judges = describers_of(tmp_path / "boxes.json", PictureFolder(tmp_path / "images"))
    assert list(judges) == there  # the third is not there
    assert [judges[picture]("there is a dog") for picture in there] == [False, True]


def test_what_is_not_there_describes_nothing() -> None:
    shown = scene(thing("dog", (0, 0, 50, 50)), thing("dog", (80, 80, 120, 120)), thing("cat", (150, 150, 190, 190)))
    assert describes("there are more dogs than cats", shown)
    assert not describes("there are more cats than dogs", shown)
    assert judge("there are more dogs than purple owls", shown) is Verdict.TRUE
    assert not describes("there are more dogs than purple owls", shown)
    assert not describes("there are no owls", shown)
    assert not describes("owls more", shown)


@pytest.mark.parametrize("more", [{}, {"attributes": ["shiny"]}])
def test_boxes_of_other_data_are_refused(tmp_path: Path, more: dict[str, object]) -> None:
    content = boxes("cat")
    content["annotations"] = [{"image_id": 0, "category_id": 0, "bbox": [0, 0, 9, 9], **more}]
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="does not describe scenes"):
        judges_of(tmp_path / "boxes.json")
