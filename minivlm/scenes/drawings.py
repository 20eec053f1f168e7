"""Reading a folder of drawings: which styles there are, which classes each has, and the drawings themselves."""

from dataclasses import dataclass, fields
from pathlib import Path

from PIL import Image

from minivlm.errors import UserError
from minivlm.scenes.palette import Tint, tint_of
from minivlm.scenes.things import Thing, all_things
from minivlm.storage.files import is_folder
from minivlm.storage.json_files import read_object

ABOUT = "about.json"
SIDE = 128
"""Pixels of a drawing's longer side as it is kept."""
WAY_OUT = "make a folder of drawings by minivlm data drawings DIR, and pass it as --drawings"
LOOK = "~"
"""Stands between a style and the number of another look of its drawings, which is a style of its own."""
FEWEST_ARTISTS = 2
"""Whose drawings of a class there must be to learn it from: from one, a model learns the drawing by heart."""


@dataclass(frozen=True)
class Style:
    """Where a style's drawings are from, as about.json says.

    Attributes:
        style: Its folder.
        artist: Who drew it.
        package: The npm package it is from.
        version: Of the package.
        licence: Of the drawings, by SPDX.
        source: Where the artist publishes them.
        held_out: It is kept from training.
        training_only: Only training is drawn with it; see `Drawings.more_styles`.
    """

    style: str
    artist: str
    package: str
    version: str
    licence: str
    source: str
    held_out: bool
    training_only: bool = False


STYLE_FIELDS = tuple(one.name for one in fields(Style))


class Drawings:
    """The drawings of a folder; each file is read once.

    Args:
        folder: With about.json, and STYLE/CODE.png for each style that it names.

    Attributes:
        styles: In the order of about.json.

    Raises:
        UserError: There is no such folder, or it is no folder of drawings.
    """

    def __init__(self, folder: Path) -> None:
        if not is_folder(folder):
            raise UserError(f"there is no folder of drawings {folder}: {WAY_OUT}")
        self.folder = folder
        self.styles = _styles(folder / ABOUT)
        self._there = {style.style: _codes(folder / style.style) for style in self.styles}
        self._images: dict[tuple[str, str], Image.Image] = {}
        self._premultiplied: dict[tuple[str, str], Image.Image] = {}
        self._tints: dict[tuple[str, str, int], Tint] = {}

    def choices(self, *, held_out: bool) -> list[tuple[Thing, tuple[str, ...]]]:
        """Return the classes in the order of their ids, each with the styles it is drawn in.

        Args:
            held_out: Of the style that is kept from training; else of the others, and then only classes that enough
                artists have drawn.

        Raises:
            UserError: There is none.
        """
        chosen = [style for style in self.styles if style.held_out == held_out and not style.training_only]
        fewest = 1 if held_out else FEWEST_ARTISTS
        found = []
        for thing in all_things():
            having = [style for style in chosen if thing.code in self._there[style.style]]
            if len({style.artist for style in having}) >= fewest:
                found.append((thing, tuple(style.style for style in having)))
        if not found:
            kind = "the style that is held out" if held_out else f"{FEWEST_ARTISTS} artists"
            raise UserError(f"{self.folder} has no class drawn by {kind}: {WAY_OUT}")
        return found

    def more_styles(self, thing: Thing) -> tuple[str, ...]:
        """Return the styles that a class is drawn in for training only; none in folders of an earlier version."""
        chosen = (style for style in self.styles if style.training_only)
        return tuple(style.style for style in chosen if thing.code in self._there[style.style])

    def image(self, style: str, thing: Thing) -> Image.Image:
        """Return a drawing, RGBA.

        Raises:
            UserError: Its file cannot be read.
        """
        key = (style, thing.code)
        if key not in self._images:
            self._images[key] = _opened(self.folder / style / f"{thing.code}.png")
        return self._images[key]

    def premultiplied(self, style: str, thing: Thing) -> Image.Image:
        """Return a drawing, RGBa: colours times alpha, which Pillow would work out anew for each scaling and turn."""
        key = (style, thing.code)
        if key not in self._premultiplied:
            self._premultiplied[key] = self.image(style, thing).convert("RGBa")
        return self._premultiplied[key]

    def tint(self, style: str, thing: Thing, shift: int) -> Tint:
        """Return the colour of a drawing whose hues are turned by `shift`; see `palette.turned`."""
        key = (style, thing.code, shift)
        if key not in self._tints:
            self._tints[key] = tint_of(self.image(style, thing), shift)
        return self._tints[key]


def _styles(path: Path) -> tuple[Style, ...]:
    content = read_object(path, "what drawings are from", WAY_OUT).get("styles")
    try:
        assert isinstance(content, dict)
        told = [{name: entry[name] for name in STYLE_FIELDS if name in entry} for entry in content.values()]
        found = tuple(Style(**one) for one in told)
        assert found
    except (AssertionError, TypeError, KeyError):
        raise UserError(f"{path} does not say of every style where it is from: {WAY_OUT}") from None
    return found


def _codes(folder: Path) -> frozenset[str]:
    if not is_folder(folder):
        raise UserError(f"{folder.parent / ABOUT} names a style without a folder {folder}: {WAY_OUT}")
    return frozenset(path.stem for path in folder.glob("*.png"))


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return image.convert("RGBA")
    except (OSError, ValueError, SyntaxError) as error:  # SyntaxError: what Pillow raises of broken PNG chunks
        raise UserError(f"{path} cannot be read ({error}): {WAY_OUT}") from None
