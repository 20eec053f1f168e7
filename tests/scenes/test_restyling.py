"""Other looks of a drawing: what changes, what stays, and who gets to see them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from minivlm.scenes.composing import MORE_STYLES, SPLITS, Composer
from minivlm.scenes.drawings import Drawings
from minivlm.scenes.restyling import BENT, CELLS, WIDTHS, in_another_look
from minivlm.scenes.things import all_things
from tests.scenes.made_up import EVERY, make_drawings

ICON = "icon"
"""A style of the folder that only training may show."""


def drawing() -> Image.Image:
    image = Image.new("RGBA", (96, 128))
    draw = ImageDraw.Draw(image)
    draw.ellipse((0, 0, 95, 95), fill="#d02020")
    draw.rectangle((40, 60, 60, 127), fill="#2040c0")
    return image


LOOKS = [in_another_look(drawing(), f"look-{number}") for number in range(40)]


def test_a_name_gives_one_look() -> None:
    assert in_another_look(drawing(), "look-3").tobytes() == LOOKS[3].tobytes()
    assert len({look.tobytes() for look in LOOKS}) == len(LOOKS)


def test_proportions_change_within_their_bounds() -> None:
    """By alpha: a share of the width, and three standard deviations of a knot either side, and a line's two pixels."""
    for look in LOOKS:
        box = look.getchannel("A").point(lambda level: 255 * (level >= 128)).getbbox()
        assert box is not None
        slack = 2 * (3 * BENT * 128 + 2)
        assert WIDTHS[0] * 96 - slack <= box[2] - box[0] <= WIDTHS[1] * 96 + slack
        assert 128 - slack <= box[3] - box[1] <= 128 + slack


def test_some_looks_have_other_hues_and_some_have_lines() -> None:
    def share_of(look: Image.Image, alike: str) -> float:
        solid = np.asarray(look)[np.asarray(look.getchannel("A")) > 200].astype(int)
        red, green, blue = solid[:, 0], solid[:, 1], solid[:, 2]
        if alike == "red":
            return float(((red > green + 60) & (red > blue + 60)).mean())
        return float((solid[:, :3].max(axis=1) < 70).mean())

    reds = [share_of(look, "red") for look in LOOKS]
    assert sum(share > 0.4 for share in reds) >= 10  # hues are kept in half of the flat ones and in all others
    assert sum(share < 0.1 for share in reds) >= 5
    assert 5 <= sum(share_of(look, "dark") > 0.02 for look in LOOKS) <= 30  # a third has lines


def test_a_net_has_cells_on_small_drawings_too() -> None:
    small = drawing().resize((CELLS, 2 * CELLS))
    assert in_another_look(small, "small").getchannel("A").getbbox() is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return drawings of which half of the classes have an icon, too."""
    made = make_drawings(tmp_path_factory.mktemp("drawings") / "made")
    about = json.loads((made / "about.json").read_text())
    about["styles"][ICON] = {**about["styles"]["round"], "style": ICON, "training_only": True}
    (made / "about.json").write_text(json.dumps(about))
    (made / ICON).mkdir()
    for thing in all_things()[:: 2 * EVERY]:
        Image.new("RGBA", (64, 64), "#20a0a0").save(made / ICON / f"{thing.code}.png")
    return made


def test_only_training_shows_icons_in_half_of_the_objects_that_have_one(folder: Path) -> None:
    drawn = {thing.noun for thing in all_things()[:: 2 * EVERY]}
    for split in SPLITS:
        composer = Composer(Drawings(folder), split=split, seed=0, side=128)
        shown = [one for index in range(60) for one in composer.compose(index)[1].objects if one.noun in drawn]
        share = sum(one.style == ICON for one in shown) / len(shown)
        # Objects of a class often share a style, so that fewer are drawn independently than are counted.
        assert share == (pytest.approx(MORE_STYLES, abs=0.15) if split == "train" else 0.0)


def test_what_is_judged_does_not_depend_on_icons(folder: Path, tmp_path: Path) -> None:
    plain = make_drawings(tmp_path / "plain")
    for split in ("val", "test", "unseen-style"):
        one, other = (Composer(Drawings(each), split=split, seed=3, side=128) for each in (folder, plain))
        assert [one.compose(index)[1] for index in range(4)] == [other.compose(index)[1] for index in range(4)]


def test_a_folder_of_an_earlier_version_has_no_such_styles(tmp_path: Path) -> None:
    drawings = Drawings(make_drawings(tmp_path / "plain"))
    assert all(style == replace(style, training_only=False) for style in drawings.styles)
    assert {drawings.more_styles(thing) for thing in all_things()} == {()}
