"""Pictures into batches: what is annotated stays true however a picture is shown."""

import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from minivlm.datasets.boxes import Box, BoxData, BoxExample
from minivlm.datasets.report import Report
from minivlm.errors import UserError
from minivlm.images.photos import load_photo
from minivlm.images.preprocess import resize_short_side
from minivlm.training import pictures
from minivlm.training.pictures import DetectorPictures, Example
from minivlm.training.recipes import SMALL_WORLD, DetectorRecipe, Phase
from minivlm.vision.pixels import CAFFE_BGR, IMAGENET_RGB, PixelFormat
from tests.training.made import seeded

RED, BLUE = (220, 20, 20), (20, 20, 220)
RED_BOX, BLUE_BOX = (10, 5, 30, 35), (40, 30, 80, 60)
NAMES = ("red", "blue", "large")
RECIPE = replace(SMALL_WORLD, sides=(Phase(until=1.0, sides=(120,)),), longest=400)


def painted(path: Path) -> Path:
    """Save an 80x60 picture: grey, with a red and a blue block."""
    pixels = np.full((60, 80, 3), 110, np.uint8)
    for (x1, y1, x2, y2), colour in ((RED_BOX, RED), (BLUE_BOX, BLUE)):
        pixels[y1:y2, x1:x2] = colour
    Image.fromarray(pixels).save(path)
    return path


def boxed(corners: tuple[float, float, float, float], label: int = 0, *names: str, crowd: bool = False) -> Box:
    return Box(corners=corners, label=label, attributes=names, crowd=crowd)


BOXES = (boxed(RED_BOX, 0, "red"), boxed(BLUE_BOX, 1, "blue", "large"))


def one(path: Path, boxes: tuple[Box, ...] = BOXES, size: tuple[int, int] | None = (60, 80)) -> BoxExample:
    return BoxExample(id=path.stem, picture=path, size=size, boxes=boxes)


def of(*examples: BoxExample, recipe: DetectorRecipe = RECIPE, pixels: PixelFormat = IMAGENET_RGB) -> DetectorPictures:
    report = Report(title="boxes", source=Path("boxes.json"), counts=(), findings=())
    return DetectorPictures(
        BoxData(classes=("cat", "dog"), examples=examples, report=report), NAMES, recipe, pixels, 32
    )


def image_of(data: DetectorPictures, example: Example) -> torch.Tensor:
    """Return (3, h, w) as a network gets it."""
    height, width = example.photo.shape[1:]
    return data.collate([example]).to(torch.device("cpu")).images[0, :, :height, :width]


def shown(image: torch.Tensor, pixels: PixelFormat) -> np.ndarray:  # type: ignore[type-arg]
    """Return (h, w, 3) RGB, 0 to 255."""
    values = image * torch.tensor(pixels.std)[:, None, None] + torch.tensor(pixels.mean)[:, None, None]
    return (values if pixels.channels == "rgb" else values.flip(0)).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("pixels", [IMAGENET_RGB, CAFFE_BGR])
def test_boxes_go_with_what_they_are_around(tmp_path: Path, pixels: PixelFormat) -> None:
    """The red block's edges are found in the picture itself, to a pixel: bilinear edges are as wide."""
    data = of(one(painted(tmp_path / "a.png")), pixels=pixels)
    left = set()
    for seed in range(20):
        example = data.example(0, seeded(seed), 0.0)
        rgb = shown(image_of(data, example), pixels)
        for channel, row in ((0, 0), (2, 1)):
            rows, columns = np.nonzero(rgb[..., channel] - rgb[..., 1] > 100)
            edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(edges, example.truth.boxes[row], atol=1.0)
        left.add(bool(example.truth.boxes[0, 0] < 60))
        assert example.photo.shape == (3, 120, 160)
        assert example.truth.classes.tolist() == [1, 2]
        assert example.truth.attributes.tolist() == [[True, False, False], [False, True, True]]
    assert left == {False, True}


def test_scaling_is_that_of_the_detector_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "LIGHT", 0.0)
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (61, 83, 3), np.uint8)).save(path)
    photo, data = load_photo(path), of(one(path, (), None))
    either = [
        resize_short_side(way, 120, 400, IMAGENET_RGB).image
        for way in (photo, photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    ]
    found = set()
    for seed in range(10):
        image = image_of(data, data.example(0, seeded(seed), 0.0))
        found |= {way for way, wanted in enumerate(either) if torch.equal(image, wanted[0])}
    assert found == {0, 1}


@settings(deadline=None)
@given(
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    brightness=st.floats(0.9, 1.1),
    contrast=st.floats(0.9, 1.1),
)
def test_light_is_a_line_that_all_channels_share(
    colour: tuple[int, int, int], brightness: float, contrast: float
) -> None:
    """So differences of channels keep their ratios, and with them the hue; by arithmetic on 0 to 255."""
    photo = torch.tensor(colour, dtype=torch.float32)[None, :, None, None]
    values = pictures.relit(photo, torch.tensor(brightness), torch.tensor(contrast)).flatten()
    wanted = [(one * brightness - 127.5) * contrast + 127.5 for one in colour]
    torch.testing.assert_close(values, torch.tensor(wanted), atol=1e-3, rtol=0)


def test_sides_follow_the_phases_and_the_long_side_has_a_bound(tmp_path: Path) -> None:
    phases = (Phase(until=0.5, sides=(32, 64)), Phase(until=1.0, sides=(96,)))
    data = of(one(painted(tmp_path / "a.png")), recipe=replace(RECIPE, sides=phases, longest=100))

    def heights(progress: float) -> set[int]:
        return {data.example(0, seeded(seed), progress).photo.shape[1] for seed in range(10)}

    assert heights(0.0) == heights(0.49) == {32, 64}
    assert heights(0.5) == heights(1.0) == {75}  # 96 high it would be 128 wide; 100 wide it is 75 high


def test_the_same_chance_shows_the_same_picture(tmp_path: Path) -> None:
    data = of(one(painted(tmp_path / "a.png")))
    first, again = (data.example(0, seeded(5), 0.3) for _ in range(2))
    assert torch.equal(first.photo, again.photo)
    assert first.light == again.light
    assert torch.equal(first.truth.boxes, again.truth.boxes)


def test_crowds_are_no_objects_and_what_is_outside_is_left_out(tmp_path: Path) -> None:
    """Without a size in the data, boxes may reach over the picture's edge: 80 wide it is 160 in 120."""
    boxes = (boxed((60, 10, 200, 20)), boxed((90, 0, 99, 10)), boxed((0, 0, 40, 30), crowd=True))
    example = of(one(painted(tmp_path / "a.png"), boxes, None)).example(0, seeded(), 0.0)
    boxes_of = example.truth.boxes.tolist()
    assert boxes_of in ([[120.0, 20.0, 160.0, 40.0]], [[0.0, 20.0, 40.0, 40.0]])
    assert example.truth.crowds.tolist() in ([[0.0, 0.0, 80.0, 60.0]], [[80.0, 0.0, 160.0, 60.0]])
    assert (len(example.truth.classes), len(example.truth.attributes)) == (1, 1)


@pytest.fixture
def broken(tmp_path: Path) -> Mapping[str, BoxExample]:
    (tmp_path / "torn.png").write_bytes(painted(tmp_path / "a.png").read_bytes()[:60])
    return {
        "good": one(tmp_path / "a.png"),
        "torn": one(tmp_path / "torn.png"),
        "gone": one(tmp_path / "gone.png"),
        "other": BoxExample(id="o", picture=tmp_path / "a.png", size=(80, 60), boxes=()),
    }


def test_broken_pictures_are_named_and_the_next_one_is_shown(broken: Mapping[str, BoxExample]) -> None:
    data = of(broken["torn"], broken["gone"], broken["other"], broken["good"])
    example, good = data.example(0, seeded(1), 0.0), data.example(3, seeded(1), 0.0)
    assert torch.equal(example.photo, good.photo)
    assert [fault.split()[0] for fault in example.faults] == ["torn.png", "gone.png", "a.png"]
    assert "80x60" in example.faults[2]
    assert good.faults == ()
    assert data.collate([example, good]).faults == example.faults


def test_the_last_picture_is_followed_by_the_first(broken: Mapping[str, BoxExample]) -> None:
    data = of(broken["good"], broken["torn"])
    assert len(data.example(1, seeded(), 0.0).faults) == 1


def test_without_any_picture_training_ends_in_one_line(broken: Mapping[str, BoxExample]) -> None:
    with pytest.raises(UserError, match=r"none of 2 pictures can be used, the first as torn\.png"):
        of(broken["torn"], broken["gone"]).example(0, seeded(), 0.0)
    with pytest.raises(UserError, match=r"boxes\.json has no pictures"):
        of()


def test_attributes_must_be_the_detectors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="attribute 'blu': did you mean blue"):
        of(one(tmp_path / "a.png", (boxed(RED_BOX, 0, "blu"),)))


def test_a_batch_is_padded_with_the_mean_colour(tmp_path: Path) -> None:
    tall = tmp_path / "tall.png"
    Image.new("RGB", (50, 90)).save(tall)
    data = of(one(painted(tmp_path / "a.png")), one(tall, (), None))
    examples = [data.example(index, seeded(), 0.0) for index in (0, 1)]
    batch = data.collate(examples).to(torch.device("cpu"))
    # 80x60 becomes 160x120, and 50x90 becomes 120x216; padded to multiples of 32
    assert batch.images.shape == (2, 3, 224, 160)
    assert batch.extents.tolist() == [[120.0, 160.0], [216.0, 120.0]]
    assert torch.equal(batch.images[0, :, :120], image_of(data, examples[0]))
    assert not batch.images[0, :, 120:].any()
    assert not batch.images[1, :, :, 120:].any()
    assert (batch.truths.classes > 0).tolist() == [[True, True], [False, False]]
    assert batch.truths.attributes.shape == (2, 2, 3)
    assert not batch.truths.boxes[1].any()


def test_pictures_go_to_worker_processes(tmp_path: Path) -> None:
    data = of(one(painted(tmp_path / "a.png")))
    there = pickle.loads(pickle.dumps(data))
    assert torch.equal(there.example(0, seeded(), 0.0).photo, data.example(0, seeded(), 0.0).photo)
