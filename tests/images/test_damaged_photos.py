"""Whatever happened to a file, `load_photo` returns an RGB image or raises one line, and prints nothing."""

import io
import logging
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minivlm.errors import UserError
from minivlm.images.photos import load_photo

FORMATS = ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"]
VARIANTS = 40  # a format and kind of damage


def photo_file(kind: str) -> bytes:
    """A photo with texture, orientation and, where the format has them, several frames."""
    pixels = np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    options: dict[str, object] = {} if kind in ("GIF", "BMP") else {"exif": exif}
    if kind in ("GIF", "TIFF"):
        options |= {"save_all": True, "append_images": [image.rotate(180)]}
    if kind == "TIFF":
        options["compression"] = "tiff_lzw"
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def flipped_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(data)
    for position in rng.integers(0, len(data), rng.integers(1, 20)):
        damaged[position] ^= int(rng.integers(1, 256))
    return bytes(damaged)


def flipped_bit_in_header(data: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(data)
    damaged[rng.integers(0, min(len(data), 200))] ^= 1 << int(rng.integers(0, 8))
    return bytes(damaged)


def truncated(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(1, len(data))]


def garbage_in_header(data: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(4, 64))  # the magic number stays: the format's own decoder must cope
    return data[:start] + rng.bytes(int(rng.integers(1, 64))) + data[start:]


def garbage_at_the_end(data: bytes, rng: np.random.Generator) -> bytes:
    keep = int(rng.integers(16, len(data)))
    return data[:keep] + rng.bytes(len(data) - keep)


@pytest.fixture
def silence(capfd, monkeypatch):
    """A block that must not warn, log or print (C libraries included), nor leave Pillow or Python changed."""

    def state() -> tuple[object, ...]:
        return Image.MAX_IMAGE_PIXELS, list(warnings.filters), list(logging.getLogger("PIL").handlers)

    @contextmanager
    def block() -> Iterator[None]:
        with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as caught:
            patch.setattr(logging.root, "handlers", [])  # as in a program without logging: errors go to stderr
            warnings.simplefilter("always")
            before = state()
            yield
            assert state() == before
        assert [str(warning.message) for warning in caught] == []
        assert capfd.readouterr() == ("", "")

    return block


def outcome(path: Path) -> str:
    try:
        photo = load_photo(path)
    except UserError as error:
        return "refused" if re.fullmatch(r"'.+' .+; .+", str(error)) else f"not one line with a way out: {error}"
    assert photo.mode == "RGB"
    assert min(photo.size) >= 1
    return "loaded"


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "damage", [flipped_bytes, flipped_bit_in_header, truncated, garbage_in_header, garbage_at_the_end]
)
def test_a_damaged_file_loads_or_is_refused(tmp_path, silence, kind, damage):
    data = photo_file(kind)
    path = tmp_path / "photo"
    outcomes = set()
    with silence():
        for seed in range(VARIANTS):
            path.write_bytes(damage(data, np.random.default_rng(seed)))
            outcomes.add(outcome(path))
    assert outcomes - {"loaded"} == {"refused"}, "all that is not loaded is refused, and the damage does harm"


@pytest.mark.parametrize("kind", FORMATS)
def test_the_first_quarter_of_a_file_is_refused(tmp_path, kind):
    data = photo_file(kind)
    (tmp_path / "photo").write_bytes(data[: len(data) // 4])
    with pytest.raises(UserError, match=r"is damaged|is no readable"):
        load_photo(tmp_path / "photo")


class TestSilence:
    def test_pillow_logs_too_many_samples_as_an_error(self, tmp_path, silence):
        data = bytearray(photo_file("TIFF"))
        (directory,) = struct.unpack_from("<I", data, 4)
        (entries,) = struct.unpack_from("<H", data, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            if struct.unpack_from("<H", data, entry) == (277,):  # SamplesPerPixel
                struct.pack_into("<H", data, entry + 8, 7)
        (tmp_path / "photo").write_bytes(data)
        with silence():
            assert outcome(tmp_path / "photo") == "refused"

    def test_pillow_warns_of_large_photos(self, tmp_path, silence):
        """Its limit is 89,478,485 pixels, ours 100,000,000."""
        Image.new("1", (9_500, 9_500)).save(tmp_path / "photo", "PNG")
        with silence():
            assert outcome(tmp_path / "photo") == "loaded"

    def test_a_program_that_turns_warnings_into_errors_reads_large_photos_too(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        Image.new("1", (15, 10)).save(tmp_path / "photo", "PNG")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert outcome(tmp_path / "photo") == "loaded"

    def test_a_program_that_lowers_pillows_limit_is_obeyed(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        Image.new("1", (15, 15)).save(tmp_path / "photo", "PNG")
        with pytest.raises(UserError, match="too many pixels"):
            load_photo(tmp_path / "photo")
