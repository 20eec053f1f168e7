"""Regions drawn over a photo: where lines and labels are, and what happens at odd sizes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minivlm.errors import UserError, printable
from minivlm.images.plot import Drawn, draw_regions, save_plot


def changed(picture: Image.Image, level: int) -> np.ndarray:
    """Return which pixels are no longer the grey that the photo was."""
    return (np.asarray(picture) != level).any(axis=2)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_the_line_runs_along_the_box_and_stands_out_on_any_brightness(level: int) -> None:
    photo = Image.new("RGB", (800, 600), (level, level, level))
    picture = np.asarray(draw_regions(photo, [Drawn((200, 300, 500, 550), "cat", 0.5)])).astype(int)
    for x, y in ((203, 450), (498, 450), (350, 548)):  # left, right, bottom edge; the label may hide the top
        around = picture[y - 5 : y + 5, x - 5 : x + 5].reshape(-1, 3)
        contrast = np.abs(around.mean(axis=1) - level).max()
        assert contrast > 60
    assert (picture[400:500, 250:450] == level).all()  # nothing inside the box
    assert (picture[:250] == level).all()  # and nothing away from it


def test_the_photo_itself_is_left_alone() -> None:
    photo = Image.new("RGB", (700, 500))
    draw_regions(photo, [Drawn((10, 10, 200, 200), "cat", 0.5)])
    assert photo.getcolors() == [(700 * 500, (0, 0, 0))]


def test_one_tag_has_one_colour_and_others_have_others() -> None:
    photo = Image.new("RGB", (900, 640))
    boxes = [Drawn((100.0 + 200 * i, 300, 200.0 + 200 * i, 500), tag, 0.5) for i, tag in enumerate(("a", "b", "a"))]
    picture = draw_regions(photo, boxes)
    colours = [picture.getpixel((round(box.box[0]) + 2, 400)) for box in boxes]
    assert colours[0] == colours[2] != colours[1]


def test_labels_of_equal_boxes_do_not_hide_each_other() -> None:
    """Each label is a filled patch: three of them cover three times the pixels of one."""
    photo = Image.new("RGB", (800, 600))
    box = (100.0, 200.0, 600.0, 500.0)
    one = changed(draw_regions(photo, [Drawn(box, "cat", 0.5)]), 0).sum()
    line = changed(draw_regions(photo, []), 0).sum()
    three = changed(draw_regions(photo, [Drawn(box, tag, 0.5) for tag in ("cat", "cat", "cat")]), 0).sum()
    frame = 2 * (500 + 300) * 4
    label = one - frame
    assert line == 0
    assert three - one == pytest.approx(2 * label, rel=0.35)


def test_the_line_grows_with_the_photo() -> None:
    def thickness(scale: int) -> int:
        photo = Image.new("RGB", (800 * scale, 600 * scale))
        box = tuple(float(scale * side) for side in (200, 200, 600, 500))
        picture = draw_regions(photo, [Drawn(box, "cat", 0.5)])  # type: ignore[arg-type]
        return int(changed(picture, 0)[450 * scale, : 400 * scale].sum())

    assert thickness(4) == pytest.approx(4 * thickness(1), rel=0.5)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 5000), (5000, 1), (31, 640)])
@pytest.mark.parametrize("box", [(0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 1.0), (-5.0, -5.0, 9999.0, 9999.0)])
def test_any_size_and_box_can_be_drawn(size: tuple[int, int], box: tuple[float, float, float, float]) -> None:
    picture = draw_regions(Image.new("RGB", size), [Drawn(box, "tag", 1.0), Drawn(box, "日本 🎉 é\n\x1b", 0.0)])
    assert max(picture.size) >= 640


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.jpeg", "JPEG"), ("a.webp", "WEBP")]
)
def test_the_name_decides_the_format(tmp_path: Path, name: str, kind: str) -> None:
    save_plot(tmp_path / name, Image.new("RGB", (700, 500)), [Drawn((1, 1, 50, 50), "cat", 0.5)])
    with Image.open(tmp_path / name) as picture:
        assert (picture.format, picture.size) == (kind, (700, 500))


@pytest.mark.parametrize("name", ["plot", "plot.gif", "plot.txt", ".png"])
def test_a_name_without_a_known_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="must end in"):
        save_plot(tmp_path / name, Image.new("RGB", (7, 5)), [])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_or_an_unwritable_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "folder.png", tmp_path / "file" / "plot.png"):
        with pytest.raises(UserError, match=r"plot|folder"):
            save_plot(path, Image.new("RGB", (7, 5)), [])


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert printable("cat\x1b[2J\n\udc80 é 日") == "cat\\x1b[2J\\n\\udc80 é 日"
