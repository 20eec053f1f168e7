"""A photo file becomes upright 8-bit RGB: formats, pixel modes, orientation, size limits, users' mistakes."""

import io
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from minivlm.errors import UserError
from minivlm.images import photos
from minivlm.images.photos import default_photo, load_photo

FORMATS = ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"]


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def load(folder: Path, data: bytes) -> Image.Image:
    path = folder / "photo"
    path.write_bytes(data)
    return load_photo(path)


def levels(folder: Path, image: Image.Image, kind: str = "PNG", **options) -> np.ndarray:
    """(h, w, 3) levels of an image that went through a file."""
    photo = load(folder, encoded(image, kind, **options))
    assert photo.mode == "RGB"
    return np.asarray(photo).astype(int)


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(UserError) as caught:
        load(folder, data)
    return one_line(caught)


def one_line(caught: pytest.ExceptionInfo[UserError]) -> str:
    message = str(caught.value)
    assert "\n" not in message
    assert "; " in message, "a way out follows a semicolon"
    return message


def pattern(height: int = 12, width: int = 18, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, channels), dtype=np.uint8)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG put together by hand from ISO/IEC 15948, section 11."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


class TestPixelModes:
    @pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
    def test_rgb_is_kept_bit_for_bit(self, tmp_path, kind):
        assert np.array_equal(levels(tmp_path, Image.fromarray(pattern()), kind), pattern())

    @pytest.mark.parametrize("kind", FORMATS)
    def test_every_format_reads(self, tmp_path, kind):
        """A flat colour survives each format's compression to within 4 levels (chroma rounding of lossy codecs)."""
        read = levels(tmp_path, Image.new("RGB", (32, 16), (200, 100, 50)), kind)
        assert read.shape == (16, 32, 3)
        assert np.abs(read - [200, 100, 50]).max() <= 4

    def test_grey_fills_three_channels(self, tmp_path):
        grey = pattern()[..., 0]
        assert np.array_equal(levels(tmp_path, Image.fromarray(grey)), np.stack([grey] * 3, axis=2))

    def test_one_bit_is_black_and_white(self, tmp_path):
        bits = pattern()[..., 0] > 127
        assert np.array_equal(levels(tmp_path, Image.fromarray(bits))[..., 1], np.where(bits, 255, 0))

    def test_palette_is_looked_up(self, tmp_path):
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        assert levels(tmp_path, image).tolist() == [[[10, 20, 30], [40, 50, 60]]]

    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_sixteen_bit_grey_is_divided_by_257(self, tmp_path, kind):
        grey = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
        expected = np.floor(grey / 257.0 + 0.5)  # 257 = 65535 / 255; no level falls on a half, 257 is odd
        assert np.array_equal(levels(tmp_path, Image.fromarray(grey), kind)[..., 0], expected)

    def test_wide_integers_are_read_while_they_stay_within_16_bits(self, tmp_path):
        grey = np.array([[0, 257, 65_535]], dtype=np.int32)
        assert levels(tmp_path, Image.fromarray(grey), "TIFF")[0, :, 0].tolist() == [0, 1, 255]
        for beyond in (-1, 65_536):
            data = encoded(Image.fromarray(np.array([[beyond]], dtype=np.int32)), "TIFF")
            assert "0..65535" in refusal(tmp_path, data)

    def test_floating_point_is_refused(self, tmp_path):
        assert "floating-point" in refusal(tmp_path, encoded(Image.new("F", (2, 2)), "TIFF"))

    @pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
    @pytest.mark.parametrize(
        ("ink", "colour"),
        [((0, 0, 0, 0), 3 * [255]), ((255, 0, 0, 0), [0, 255, 255]), ((0, 0, 0, 255), 3 * [0])],
        ids=["paper", "cyan", "black"],
    )
    def test_cmyk_inks_become_light(self, tmp_path, kind, ink, colour):
        """Tolerance 4 levels: JPEG is lossy. Pillow writes Adobe's inverted CMYK, which cameras' software does too."""
        read = levels(tmp_path, Image.new("CMYK", (16, 16), ink), kind)
        assert np.abs(read - colour).max() <= 4


class TestTransparency:
    def over_white(self, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        return (colour * (alpha / 255.0) + 255.0 * (1.0 - alpha / 255.0)).round()

    @pytest.mark.parametrize(("mode", "colours"), [("RGBA", 3), ("LA", 1)])
    def test_an_alpha_channel_is_laid_over_white(self, tmp_path, mode, colours):
        """Tolerance 1 level: Pillow blends with whole numbers."""
        pixels = pattern(channels=colours + 1)
        expected = self.over_white(pixels[..., :-1], pixels[..., -1:])
        assert np.abs(levels(tmp_path, Image.fromarray(pixels, mode)) - expected).max() <= 1

    def test_a_transparent_palette_entry_is_white(self, tmp_path):
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        for kind in ("PNG", "GIF"):
            read = levels(tmp_path, image, kind, transparency=0)
            assert read.tolist() == [[[255, 255, 255], [40, 50, 60]]]

    @pytest.mark.parametrize(
        ("depth", "colour", "row", "key", "kept"),
        [
            (8, 2, bytes([1, 2, 3, 4, 5, 6]), (1, 2, 3), [4, 5, 6]),
            (8, 0, bytes([7, 9]), (7,), [9, 9, 9]),
            (16, 0, struct.pack(">2H", 0x1234, 0x8080), (0x1234,), [128, 128, 128]),
        ],
        ids=["rgb", "grey", "16-bit grey"],
    )
    def test_a_colour_key_is_white(self, tmp_path, depth, colour, row, key, kept):
        data = png(2, 1, depth, colour, b"\0" + row, (b"tRNS", struct.pack(f">{len(key)}H", *key)))
        assert np.asarray(load(tmp_path, data)).tolist() == [[[255, 255, 255], kept]]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_read(tmp_path, kind):
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    options = {"lossless": True} if kind == "WEBP" else {}
    read = levels(tmp_path, red, kind, save_all=True, append_images=[blue], **options)
    assert (read == [255, 0, 0]).all()


# EXIF 2.32, section 4.6.4 A: on which side of the scene the file's row 0 and column 0 lie.
STORED = {
    1: lambda scene: scene,  # top, left
    2: lambda scene: np.flip(scene, 1),  # top, right
    3: lambda scene: np.rot90(scene, 2),  # bottom, right
    4: lambda scene: np.flip(scene, 0),  # bottom, left
    5: lambda scene: np.flip(np.rot90(scene), 0),  # left, top
    6: lambda scene: np.rot90(scene),  # right, top
    7: lambda scene: np.flip(np.rot90(scene), 1),  # right, bottom
    8: lambda scene: np.rot90(scene, -1),  # left, bottom
}


class TestOrientation:
    @pytest.mark.parametrize("orientation", STORED)
    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
    def test_the_scene_stands_upright(self, tmp_path, kind, orientation):
        """Exact but for JPEG: within 8 levels on flat 16-pixel blocks, its quantisation at quality 95."""
        scene = np.kron(pattern(2, 3), np.ones((16, 16, 1), dtype=np.uint8))
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}.get(kind, {})
        stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](scene)))
        read = levels(tmp_path, stored, kind, exif=exif, **options)
        assert read.shape == scene.shape
        assert np.abs(read - scene).max() <= (8 if kind == "JPEG" else 0)

    def test_it_cannot_be_applied_twice(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        photo = load(tmp_path, encoded(Image.fromarray(pattern()), "PNG", exif=exif))
        assert np.array_equal(ImageOps.exif_transpose(photo), photo)

    @pytest.mark.parametrize("exif", [b"garbage", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff"])
    def test_unreadable_metadata_counts_as_upright(self, tmp_path, exif):
        assert np.array_equal(levels(tmp_path, Image.fromarray(pattern()), exif=b"Exif\0\0" + exif), pattern())


class TestSize:
    def test_one_pixel(self, tmp_path):
        assert levels(tmp_path, Image.new("RGB", (1, 1), "red")).tolist() == [[[255, 0, 0]]]

    def test_10000_x_10000_is_accepted(self, tmp_path):
        rows = (b"\0" + b"\xff" * 1250) * 10_000
        photo = load(tmp_path, png(10_000, 10_000, 1, 0, rows))
        assert photo.size == (10_000, 10_000)
        assert photo.getpixel((9999, 9999)) == (255, 255, 255)

    @pytest.mark.parametrize("size", [(10_001, 10_000), (20_000, 20_000), (65_536, 1)])
    def test_more_is_refused_by_the_header_alone(self, tmp_path, size):
        """The pixel data is missing: whoever decoded it would call the file damaged."""
        assert "at most 100,000,000 and 65,535 a side" in refusal(tmp_path, png(*size, 1, 0, b""))

    def test_a_long_strip_is_accepted(self, tmp_path):
        assert levels(tmp_path, Image.new("L", (65_535, 1))).shape == (1, 65_535, 3)


class TestUserMistakes:
    def refused(self, path: str | Path) -> str:
        with pytest.raises(UserError) as caught:
            load_photo(path)
        return one_line(caught)

    def test_missing_directory_and_empty(self, tmp_path):
        assert "does not exist" in self.refused(tmp_path / "nothing.jpg")
        assert "is a directory" in self.refused(tmp_path)
        (tmp_path / "empty.jpg").touch()
        assert "is empty" in self.refused(tmp_path / "empty.jpg")

    def test_a_line_break_in_the_name_stays_on_one_line(self, tmp_path):
        assert "two\\nlines.jpg" in self.refused(tmp_path / "two\nlines.jpg")

    def test_a_pipe_is_refused_instead_of_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        assert "not a regular file" in self.refused(tmp_path / "pipe")

    def test_a_name_that_the_system_refuses(self, tmp_path):
        assert "cannot be read (File name too long)" in self.refused(tmp_path / ("long" * 100))

    def test_no_permission(self, tmp_path, monkeypatch):
        def denied(*_, **__):
            raise PermissionError(13, "Permission denied")

        (tmp_path / "photo.png").write_bytes(encoded(Image.new("L", (1, 1)), "PNG"))
        monkeypatch.setattr(Path, "open", denied)  # file modes do not bind a test run as root
        assert "cannot be read (Permission denied)" in self.refused(tmp_path / "photo.png")

    def test_a_disk_error_is_not_called_damage(self, tmp_path, monkeypatch):
        def failing(*_, **__):
            raise OSError(5, "Input/output error")

        (tmp_path / "photo.png").write_bytes(encoded(Image.new("L", (1, 1)), "PNG"))
        monkeypatch.setattr(Image, "open", failing)
        assert "cannot be read (Input/output error)" in self.refused(tmp_path / "photo.png")

    def test_too_little_memory_is_not_called_damage(self, tmp_path, monkeypatch):
        def exhausted(_):
            raise MemoryError

        monkeypatch.setattr(ImageFile.ImageFile, "load", exhausted)
        assert "does not fit into this machine's memory" in refusal(tmp_path, png(1, 1, 8, 0, b"\0\0"))

    @pytest.mark.parametrize(
        "data",
        [
            b"plain text",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            b"\0",
        ],
        ids=["text", "HEIC", "EPS", "one byte"],
    )
    def test_files_of_other_kinds(self, tmp_path, data):
        assert "convert it to JPEG or PNG" in refusal(tmp_path, data)

    def test_a_wrong_extension_does_not_matter(self, tmp_path):
        (tmp_path / "photo.jpg").write_bytes(encoded(Image.fromarray(pattern()), "PNG"))
        assert np.array_equal(load_photo(str(tmp_path / "photo.jpg")), pattern())


class TestDefaultPhoto:
    def test_it_is_a_photo_of_640_x_427(self):
        """The size that scikit-learn documents for its sample images."""
        assert load_photo(default_photo()).size == (640, 427)

    def test_scikit_learn_is_found_but_not_imported(self, monkeypatch):
        monkeypatch.delitem(sys.modules, "sklearn", raising=False)
        default_photo()
        assert "sklearn" not in sys.modules

    def test_without_scikit_learn_it_says_so(self, monkeypatch):
        monkeypatch.setattr(photos, "find_spec", lambda _: None)
        with pytest.raises(UserError, match="scikit-learn, which is not installed; install it or name a photo"):
            default_photo()
