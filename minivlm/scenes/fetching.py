"""Fetching the drawings: packages by npm, their SVG made into pixels, one PNG a drawing."""

import colorsys
import gzip
import hashlib
import importlib
import io
import json
import re
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from minivlm.console import Steps
from minivlm.datasets.packages import find_npm, npm_packed
from minivlm.errors import UserError
from minivlm.scenes.drawings import ABOUT, LOOK, SIDE, STYLE_FIELDS
from minivlm.scenes.restyling import in_another_look
from minivlm.scenes.sets import SETS, DrawingSet
from minivlm.scenes.things import Thing, all_things
from minivlm.storage.files import write_text
from minivlm.storage.folders import check_new, new_folder
from minivlm.storage.json_text import json_text

RASTER = 192
"""Pixels a side at which SVG is drawn, before its margins are cut off."""
LOOKS = 4
"""Other looks of each drawing, for training only; see `minivlm.scenes.restyling`."""
DAMAGES = (tarfile.TarError, OSError, EOFError, zlib.error, LookupError, ValueError, TypeError, AttributeError)
"""What reading a file raises that is cut off, or holds something else than its name says."""


def fetch_drawings(folder: Path, sets: tuple[DrawingSet, ...] = SETS, looks: int = 0) -> dict[str, int]:
    """Fetch all sets of drawings by `npm pack`, and write those of the world's classes.

    Args:
        folder: New or empty. Gets STYLE/CODE.png, RGBA, cut to the drawing, its longer side `SIDE` pixels; and
            about.json with artist, package, version and licence of each style.
        sets: What to fetch.
        looks: Other looks of each drawing that training may show, see `minivlm.scenes.restyling`: styles of their own.

    Returns:
        Style -> number of drawings.

    Raises:
        UserError: npm, the rasteriser or a package cannot be had, or the folder is in use or cannot be written.
    """
    check_new(folder, "the drawings")
    find_npm()
    if any("{code}" not in one.path for one in sets):
        rasteriser()
    steps, counts = Steps(), {}
    packages: dict[str, Path] = {}
    with new_folder(folder, "the drawings") as made, tempfile.TemporaryDirectory() as downloads:
        for one in sets:
            with steps.step(f"{one.style} ({one.package})"):
                if one.package not in packages:  # two styles can share one
                    packages[one.package] = npm_packed(one.package, one.version, Path(downloads))
                package = packages[one.package]
                counts[one.style] = _write_style(made / one.style, drawn(package, one))
        styles = {one.style: {name: getattr(one, name) for name in STYLE_FIELDS} for one in sets}
        for one in [one for one in sets if looks and not (one.held_out or one.training_only)]:
            with steps.counting(f"{one.style} in {looks} other looks", every=200) as told:
                styles |= _write_looks(made, one.style, looks, styles[one.style], told)
        write_text(made / ABOUT, json_text({"styles": styles}) + "\n")
    return counts


def _write_looks(
    folder: Path, style: str, count: int, about: dict[str, Any], told: Callable[[int, int], None]
) -> dict[str, Any]:
    """Write a style's drawings in other looks; returns what about.json says of each look."""
    drawings = sorted((folder / style).iterdir())
    looks = [f"{style}{LOOK}{number}" for number in range(1, count + 1)]
    for look in looks:
        (folder / look).mkdir()
    for number, path in enumerate(drawings, start=1):
        told(number, len(drawings))
        with Image.open(path, formats=("PNG",)) as opened:
            drawing = opened.convert("RGBA")
        for look in looks:
            trimmed(in_another_look(drawing, f"{look}/{path.stem}")).save(folder / look / path.name)
    return {look: {**about, "style": look, "training_only": True} for look in looks}


def rasteriser() -> Any:
    """Return the module that makes pixels of SVG.

    Raises:
        UserError: It is not installed.
    """
    try:
        return importlib.import_module("resvg_py")
    except ImportError:
        raise UserError("resvg-py is not installed, which draws SVG: pip install 'minivlm-edge[scenes]'") from None


def drawn(package: Path, one: DrawingSet) -> Iterator[tuple[Thing, Image.Image]]:
    """Give the classes that a package has drawings of, each with its drawing, RGBA, as cut and scaled by `trimmed`.

    Args:
        package: A tarball of npm's.
        one: The set it is.

    Raises:
        UserError: The package is damaged or laid out otherwise.
    """
    try:
        # Unpacked whole: files are taken in the order of classes, and gzip cannot go back.
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(package.read_bytes()))) as archive:
            if "{code}" in one.path:
                yield from _from_files(archive, one.path)
            else:
                yield from _from_icons(archive, one)
    except DAMAGES as error:
        raise UserError(f"{one.package} {one.version} is damaged ({error}): run npm cache verify, and again") from None


def trimmed(drawing: Image.Image) -> Image.Image:
    """Return a drawing without its transparent margins, its longer side `SIDE` pixels."""
    cut = drawing.convert("RGBA")
    cut = cut.crop(cut.getchannel("A").point([255 * (level >= 8) for level in range(256)]).getbbox())
    longer = max(cut.size)
    size = tuple(max(1, (side * SIDE + longer // 2) // longer) for side in cut.size)
    return cut.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def _write_style(folder: Path, drawings: Iterator[tuple[Thing, Image.Image]]) -> int:
    folder.mkdir()
    count = 0
    for thing, drawing in drawings:
        trimmed(drawing).save(folder / f"{thing.code}.png")
        count += 1
    return count


def _from_files(archive: tarfile.TarFile, path: str) -> Iterator[tuple[Thing, Image.Image]]:
    names = set(archive.getnames())
    for thing in all_things():
        code = thing.code.lower()
        # U+FE0F asks for the coloured form of a character that has a plain one, too.
        for name in (path.format(code=code), path.format(code=f"{code}-fe0f")):
            if name in names:
                with Image.open(io.BytesIO(_content(archive, name)), formats=("WEBP", "PNG")) as image:
                    yield thing, image.convert("RGBA")
                break


def _from_icons(archive: tarfile.TarFile, one: DrawingSet) -> Iterator[tuple[Thing, Image.Image]]:
    icons = json.loads(_content(archive, one.path))
    for thing in all_things():
        for name in _names(thing, one):
            icon = icons["icons"].get(icons.get("aliases", {}).get(name, {}).get("parent", name))
            if icon is not None:
                yield thing, _rasterised(svg(icons, icon).replace("currentColor", ink(one.style, thing)))
                break


def _names(thing: Thing, one: DrawingSet) -> list[str]:
    """Return the names that a set may have for its drawing of a class."""
    if thing.noun in one.other_things:
        return []
    if one.training_only:
        nouns = dict.fromkeys((re.sub(r"[^a-z0-9]+", "-", thing.noun.lower()), icon_name(thing)))
        return [f"{noun}{ending}" for noun in nouns for ending in one.endings]
    return [thing.mozilla if one.own_names else icon_name(thing)]


def ink(style: str, thing: Thing) -> str:
    """Return the colour, #rrggbb, of an icon that is drawn in any: by chance, and always the same one."""
    chance = hashlib.sha256(f"{style}/{thing.code}".encode()).digest()
    hue, saturation, value = chance[0] / 256, 0.55 + 0.4 * chance[1] / 256, 0.35 + 0.55 * chance[2] / 256
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hsv_to_rgb(hue, saturation, value))


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(f"no file {name}")
    return file.read()


def icon_name(thing: Thing) -> str:
    """Return the name that Iconify gives the drawing of a class: CLDR's, in small letters with hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", thing.cldr.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", ""))


def svg(icons: Mapping[str, Any], icon: Mapping[str, Any]) -> str:
    """Return an icon of Iconify's JSON as an SVG file (https://iconify.design/docs/types/iconify-json.html)."""
    left, top = icon.get("left", 0), icon.get("top", 0)
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}" width="{width}" height="{height}">{icon["body"]}</svg>'
    )


def _rasterised(text: str) -> Image.Image:
    png = rasteriser().svg_to_bytes(svg_string=text, width=RASTER, skip_system_fonts=True)
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        return image.convert("RGBA")
