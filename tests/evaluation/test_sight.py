"""How pictures are looked at: kept regions say what the detector says, and who never looks guesses what is usual."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from minivlm.cli.main import main
from minivlm.datasets.boxes import Box, BoxData, BoxExample
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.datasets.report import Report
from minivlm.errors import UserError
from minivlm.evaluation.building import Settings, TaskData
from minivlm.evaluation.guessing import guessing, usual_attributes, usual_boxes
from minivlm.evaluation.sight import NO_PICTURE, Sight, blind, sight_notes
from minivlm.evaluation.sitting import begin_sitting
from minivlm.inference.pipeline import Pipeline
from minivlm.training.features import RegionFolder, holds_regions, kept_sight
from minivlm.weights.making import make_random
from tests.evaluation.made import data_folder
from tests.tiny import NAME, save_photo

LANGUAGE = ("caption", "vqa", "nlvr2", "retrieval")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "model"
    make_random(folder, NAME, seed=0)
    return folder


@pytest.fixture(scope="module")
def pipeline(checkpoint: Path) -> Pipeline:
    return Pipeline.load(checkpoint=checkpoint)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, data: Path, checkpoint: Path) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "regions"
    main(["train", "features", str(folder), "--data", str(data), "--checkpoint", str(checkpoint)])
    return folder


def records(name: str, data: Path, pipeline: Pipeline, sight: Sight | None = None) -> dict[str, dict[str, Any]]:
    sitting = begin_sitting(name, TaskData(find_data(data, DataFiles())[0]), pipeline, Settings(), sight=sight)
    sitting.finish()
    return sitting.records.records


class Unsighted(Pipeline):
    """Has a detector that must not run."""

    def regions(self, path: Path | str) -> Any:
        raise AssertionError(f"the detector looked at {path}")


@pytest.mark.parametrize("name", LANGUAGE)
def test_kept_regions_give_what_the_detector_gives(name: str, data: Path, kept: Path, pipeline: Pipeline) -> None:
    """Words, answers and verdicts alike; numbers to 0.01, as features were kept in float16 (11 bits)."""
    assert holds_regions(kept)
    sight = kept_sight(RegionFolder(kept, pipeline.backend.detector_hash), Unsighted(pipeline.backend))
    expected, found = records(name, data, pipeline), records(name, data, pipeline, sight)
    assert expected.keys() == found.keys()
    for key, record in expected.items():
        for field, value in record.items():
            if field in ("score", "probability", "scores"):
                assert found[key][field] == pytest.approx(value, abs=0.01)
            else:
                assert found[key][field] == value


def test_a_picture_without_kept_regions_is_looked_at(kept: Path, pipeline: Pipeline, tmp_path: Path) -> None:
    photo = save_photo(tmp_path / "new.png", seed=7)
    sight = kept_sight(RegionFolder(kept, pipeline.backend.detector_hash), pipeline)
    assert torch.equal(sight.look(photo).features, pipeline.regions(photo).features)


def test_a_folder_of_single_photos_is_none_of_kept_regions(data: Path, pipeline: Pipeline, tmp_path: Path) -> None:
    Pipeline(pipeline.backend, features=tmp_path).regions(data / "images" / "a.png")
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    assert not holds_regions(tmp_path)
    assert not holds_regions(tmp_path / "nothing")


@pytest.mark.parametrize("name", LANGUAGE)
def test_who_sees_no_picture_says_the_same_of_all(name: str, data: Path, pipeline: Pipeline) -> None:
    unsighted = Unsighted(pipeline.backend)
    sight = blind(unsighted)
    assert sight.name == NO_PICTURE
    found = records(name, data, unsighted, sight)
    assert not any("error" in record for record in found.values())
    for field in {"caption": ["caption", "score"], "retrieval": ["scores"]}.get(name, []):
        assert len({str(record[field]) for record in found.values()}) == 1


def test_a_model_of_random_weights_was_not_trained_blind(pipeline: Pipeline) -> None:
    assert len(sight_notes(pipeline, blind(pipeline))) == 1
    assert sight_notes(pipeline, Sight(name="detector", look=pipeline.regions)) == ()


def boxes(*pictures: Sequence[tuple[str, tuple[float, float, float, float]]], crowd: str = "") -> BoxData:
    """Data of pictures of 100 by 200 pixels (height, width)."""
    classes = tuple(dict.fromkeys(name for picture in pictures for name, _ in picture))
    examples = [
        BoxExample(
            id=str(number),
            picture=Path(f"{number}.png"),
            size=(100, 200),
            boxes=tuple(Box(corners=at, label=classes.index(name), crowd=name == crowd) for name, at in picture),
        )
        for number, picture in enumerate(pictures)
    ]
    report = Report(title="boxes", source=Path("boxes.json"), counts=(), findings=())
    return BoxData(classes=classes, examples=tuple(examples), report=report)


class TestGuessing:
    def test_a_class_has_the_mean_of_its_boxes_and_the_share_of_its_pictures(self, tmp_path: Path) -> None:
        """By hand: cats in 2 of 4 pictures, three boxes of x1 0, 0 and 60 of 200 pixels: 0.1; dogs in one."""
        data = boxes(
            [("Cat", (0, 0, 100, 50)), ("Cat", (0, 0, 40, 50))],
            [("Cat", (60, 0, 160, 50)), ("dog", (100, 50, 200, 100))],
            [("ghost", (0, 0, 10, 10))],
            [],
        )
        usual = usual_boxes(data, ("dog", "cat"), feature_dim=3)
        assert usual.tags.tolist() == [1, 0]
        assert usual.scores.tolist() == [0.5, 0.25]
        torch.testing.assert_close(usual.corners, torch.tensor([[0.1, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]]))
        found = usual.look(save_photo(tmp_path / "a.png", size=(50, 30)))
        torch.testing.assert_close(found.boxes, torch.tensor([[5.0, 0.0, 25.0, 15.0], [25.0, 15.0, 50.0, 30.0]]))
        assert (found.photo_size, found.features.shape) == ((30, 50), (2, 3))

    def test_the_usual_attribute_of_a_class_is_guessed_of_all_its_boxes(self) -> None:
        """By hand: cats are red twice and blue once; of three boxes with attributes one is a red cat."""

        def one(*named: tuple[str, tuple[str, ...]]) -> BoxData:
            data = boxes([(name, (0, 0, 10, 10)) for name, _ in named])
            (example,) = data.examples
            described = [replace(box, attributes=said) for box, (_, said) in zip(example.boxes, named, strict=True)]
            return replace(data, examples=(replace(example, boxes=tuple(described)),))

        learnt = one(("Cat", ("red", "small")), ("Cat", ("red",)), ("Cat", ("blue",)), ("dog", ()))
        asked = one(("cat", ("red", "large")), ("cat", ("blue",)), ("dog", ("red",)), ("cat", ()))
        assert usual_attributes(learnt, asked.examples, asked.classes) == [1.0, 0.0, 0.0]

    def test_crowds_are_no_objects(self) -> None:
        with pytest.raises(UserError, match="no box of a class"):
            usual_boxes(boxes([("cat", (0, 0, 10, 10))], crowd="cat"), ("cat",), feature_dim=3)

    def test_no_more_than_a_pipeline_s_regions(self) -> None:
        names = [f"class {number}" for number in range(60)]
        usual = usual_boxes(boxes([(name, (0, 0, 10, 10)) for name in names]), names, feature_dim=3)
        assert usual.tags.tolist() == list(range(50))

    def test_it_is_scored_as_a_detector_is(self, data: Path, pipeline: Pipeline) -> None:
        from minivlm.datasets.boxes import read_boxes
        from minivlm.datasets.pictures import PictureFolder

        sight = guessing(pipeline, read_boxes(data / "boxes.json", PictureFolder(data / "images")))
        found = records("detection", data, Unsighted(pipeline.backend), sight)
        assert all(len(record["found"]) == 1 for record in found.values())
