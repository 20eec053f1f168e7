"""Fetching drawings, with a npm of our own that has no network: it copies a package that the test packed."""

import io
import json
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from minivlm.cli.main import main
from minivlm.errors import UserError
from minivlm.scenes.drawings import SIDE, Drawings
from minivlm.scenes.fetching import drawn, fetch_drawings, icon_name, ink, svg, trimmed
from minivlm.scenes.sets import ICONS, SETS, DrawingSet
from minivlm.scenes.things import all_things, thing_of

PICTURES = DrawingSet(
    style="made-up",
    artist="Ann",
    package="@made/up",
    version="1.2.3",
    licence="MIT",
    source="tests",
    path="package/assets/{code}.webp",
)
CODES = ("1f415", "2708-fe0f")
"""A dog, and an airplane, whose plain form is no emoji."""


def drawing() -> Image.Image:
    image = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(image).rectangle((16, 8, 31, 55), fill="red")  # 16 x 48
    return image


def pack(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def webp() -> bytes:
    stream = io.BytesIO()
    drawing().save(stream, "WEBP", lossless=True)
    return stream.getvalue()


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    files = {f"package/assets/{code}.webp": webp() for code in (*CODES, "1f600")}
    return pack(tmp_path / "made-up-1.2.3.tgz", files | {"package/package.json": b"{}"})


@pytest.fixture
def npm(tmp_path: Path, packed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a npm first on PATH; it notes what it is asked for."""
    script = tmp_path / "bin" / "npm"
    script.parent.mkdir()
    script.write_text(
        f"#!{sys.executable}\nimport pathlib, shutil, sys\n"
        f"pathlib.Path({str(tmp_path / 'asked')!r}).write_text(' '.join(sys.argv[1:4]))\n"
        f"shutil.copy({str(packed)!r}, sys.argv[5])\nprint({packed.name!r})\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent))
    return script


def test_drawings_are_cut_scaled_named_by_code_and_said_to_be_whose(tmp_path: Path, npm: Path) -> None:
    assert fetch_drawings(tmp_path / "out", (PICTURES,)) == {"made-up": 2}
    assert (tmp_path / "asked").read_text() == "pack @made/up@1.2.3 --silent"
    assert {path.name for path in (tmp_path / "out" / "made-up").iterdir()} == {"1F415.png", "2708.png"}
    drawings = Drawings(tmp_path / "out")
    assert (drawings.styles[0].artist, drawings.styles[0].licence) == ("Ann", "MIT")
    image = drawings.image("made-up", thing_of()["dog"])
    assert (image.mode, image.size) == ("RGBA", (SIDE * 16 // 48 + 1, SIDE))  # 42.67 is rounded
    assert image.getpixel((20, 64)) == (255, 0, 0, 255)


def test_without_npm_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as end:
        main(["data", "drawings", str(tmp_path / "out")])
    assert end.value.code == 2
    assert capfd.readouterr().err.startswith("error: npm is not installed")
    assert list(tmp_path.iterdir()) == []


def test_what_npm_says_is_passed_on_in_one_line(tmp_path: Path, npm: Path) -> None:
    npm.write_text("#!/bin/sh\necho 'npm error code E404' >&2\necho 'npm error more' >&2\nexit 1\n")
    with pytest.raises(UserError, match=r"could not fetch @made/up@1\.2\.3 \(npm error code E404\)") as caught:
        fetch_drawings(tmp_path / "out", (PICTURES,))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"no tarball", b"\x1f\x8b\x08\x00"])
def test_a_damaged_package_is_one_line_and_nothing_is_left(
    tmp_path: Path, npm: Path, packed: Path, content: bytes
) -> None:
    packed.write_bytes(content)
    with pytest.raises(UserError, match=r"@made/up 1\.2\.3 is damaged"):
        fetch_drawings(tmp_path / "out", (PICTURES,))
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_refused_before_anything_is_fetched(tmp_path: Path, npm: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    with pytest.raises(UserError, match="is not empty"):
        fetch_drawings(tmp_path / "out", (PICTURES,))
    assert not (tmp_path / "asked").exists()


def test_icons_are_found_by_name_or_alias_and_drawn(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    body = '<rect x="4" y="2" width="4" height="12" fill="#ff0000"/>'
    icons = {
        "icons": {"dog": {"body": body}, "plane": {"body": body, "width": 32, "height": 32}},
        "aliases": {"airplane": {"parent": "plane"}},
        "width": 16,
        "height": 16,
    }
    package = pack(tmp_path / "icons.tgz", {"package/icons.json": json.dumps(icons).encode()})
    found = {thing.noun: image for thing, image in drawn(package, SETS[1])}
    assert sorted(found) == ["airplane", "dog"]
    assert found["dog"].getpixel((72, 96)) == (255, 0, 0, 255)  # 6, 8 of 16 is 72, 96 of 192
    assert trimmed(found["dog"]).size == (SIDE // 3 + 1, SIDE)


@pytest.mark.parametrize("content", [b"[]", b"{", b'{"icons": 3}', b'{"icons": {"dog": []}}'])
def test_icons_that_are_none_are_one_line(tmp_path: Path, content: bytes) -> None:
    package = pack(tmp_path / "icons.tgz", {"package/icons.json": content})
    with pytest.raises(UserError, match="is damaged"):
        list(drawn(package, SETS[1]))


def test_an_icon_keeps_its_own_frame() -> None:
    text = svg({"width": 16, "height": 16}, {"body": "<g/>", "left": 2, "top": -1, "width": 20})
    assert 'viewBox="2 -1 20 16"' in text
    assert text.endswith("<g/></svg>")


def test_names_of_icons_are_cldrs_with_hyphens() -> None:
    by_noun = {thing.noun: icon_name(thing) for thing in all_things()}
    assert by_noun["t-shirt"] == "t-shirt"
    assert by_noun["clover"] == "four-leaf-clover"
    assert by_noun["apple"] == "red-apple"


def test_icons_have_nouns_for_names_an_ending_and_a_colour_of_their_own(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    body = '<rect x="4" y="2" width="4" height="12" fill="currentColor"/>'
    names = ("dog-filled", "dog", "apple-filled", "red-apple", "mouse-filled", "school-filled")
    icons = {"icons": {name: {"body": body} for name in names}, "width": 16, "height": 16}
    package = pack(tmp_path / "icons.tgz", {"package/icons.json": json.dumps(icons).encode()})
    tabler = next(one for one in ICONS if one.style == "tabler")
    found = {thing.noun: image for thing, image in drawn(package, tabler)}
    # Not a computer's mouse, nor a graduate's cap for a school; of a red apple, the name that it has here.
    assert sorted(found) == ["apple", "dog"]
    colours = {noun: image.getpixel((72, 96)) for noun, image in found.items()}
    assert colours["dog"] != colours["apple"]
    for noun, colour in colours.items():
        assert isinstance(colour, tuple)
        assert "#" + "".join(f"{part:02x}" for part in colour[:3]) == ink("tabler", thing_of()[noun])


def test_other_looks_are_styles_for_training_and_the_artist_s(tmp_path: Path, npm: Path) -> None:
    assert fetch_drawings(tmp_path / "out", (PICTURES,), looks=2) == {"made-up": 2}
    drawings = Drawings(tmp_path / "out")
    assert [style.style for style in drawings.styles] == ["made-up", "made-up~1", "made-up~2"]
    assert [style.training_only for style in drawings.styles] == [False, True, True]
    assert {style.artist for style in drawings.styles} == {"Ann"}
    dog = thing_of()["dog"]
    assert drawings.more_styles(dog) == ("made-up~1", "made-up~2")
    assert max(drawings.image("made-up~1", dog).size) == SIDE


def test_two_styles_of_one_package_fetch_it_once(tmp_path: Path, npm: Path) -> None:
    npm.write_text(npm.read_text() + f"open({str(tmp_path / 'count')!r}, 'a').write('.')\n")
    fetch_drawings(tmp_path / "out", (PICTURES, replace(PICTURES, style="again")))
    assert (tmp_path / "count").read_text() == "."
    assert (tmp_path / "out" / "again" / "1F415.png").exists()


def test_every_set_says_whose_it_is_and_may_be_used_and_changed() -> None:
    assert {one.licence for one in SETS + ICONS} <= {"MIT", "Apache-2.0"}
    assert len({one.style for one in SETS + ICONS}) == len(SETS + ICONS)
    assert all(one.training_only and one.version and one.package for one in ICONS)
    assert not {one.artist for one in ICONS} & {one.artist for one in SETS if one.held_out}
    trained = {one.artist for one in SETS if not one.held_out}
    held_out = {one.artist for one in SETS if one.held_out}
    assert len(trained) >= 2
    assert len(held_out) == 1
    assert not trained & held_out
    assert all(one.version and one.package for one in SETS)
