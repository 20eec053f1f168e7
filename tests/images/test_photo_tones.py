"""A photo's tones are what its file says: TIFF, PNG and BMP of kinds that cameras do not write, but scanners and tools.

Expected levels are arithmetic on the numbers in files that are put together by hand.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from minivlm.errors import UserError
from minivlm.images.photos import load_photo
from tests.images.test_photos import encoded, png
from tests.images.tiff import packed, tiff

ORDERS = pytest.mark.parametrize("order", ["<", ">"])


def row(folder: Path, data: bytes) -> list[list[int]]:
    """Levels of the first row of a file."""
    (folder / "photo").write_bytes(data)
    return np.asarray(load_photo(folder / "photo"))[0].tolist()


def greys(folder: Path, data: bytes) -> list[int]:
    pixels = row(folder, data)
    assert all(len(set(pixel)) == 1 for pixel in pixels)
    return [pixel[0] for pixel in pixels]


def refusal(folder: Path, data: bytes) -> str:
    (folder / "photo").write_bytes(data)
    with pytest.raises(UserError) as caught:
        load_photo(folder / "photo")
    assert "damaged" not in str(caught.value)
    assert "; " in str(caught.value), "a way out follows a semicolon"
    return str(caught.value)


NOT_OF_PILLOW = [("<", 0, 12), ("<", 0, 32), (">", 0, 12), (">", 0, 16), (">", 0, 32), (">", 1, 12), (">", 1, 32)]
"""Byte order, photometric interpretation and bits of grey that are refused."""


class TestGreyTIFF:
    @ORDERS
    @pytest.mark.parametrize("photometric", [0, 1])
    @pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16, 32])
    @settings(max_examples=25)
    @given(shares=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=9))
    def test_black_and_white_are_where_the_file_says_or_it_is_refused(
        self, tmp_path_factory, order, photometric, bits, shares
    ):
        """TIFF 6.0, section 3: 0 is white or black, and 2^bits - 1 the other."""
        white = 2**bits - 1
        levels = [round(share * white) for share in shares]
        width = {16: "H", 32: "I"}.get(bits)
        data = struct.pack(f"{order}{len(levels)}{width}", *levels) if width else packed(levels, bits)
        expected = [(2 * 255 * level + white) // (2 * white) for level in levels]  # to the nearest
        folder = tmp_path_factory.mktemp("tones")
        (folder / "photo").write_bytes(tiff(len(levels), [bits], photometric, data, order=order))
        if (order, photometric, bits) in NOT_OF_PILLOW:
            with pytest.raises(UserError, match="TIFF that is not read"):
                load_photo(folder / "photo")
            return
        found = np.asarray(load_photo(folder / "photo"))[0, :, 0].tolist()
        assert found == ([255 - level for level in expected] if photometric == 0 else expected)

    def test_white_is_zero_with_16_bits_is_no_negative(self, tmp_path):
        assert greys(tmp_path, tiff(3, [16], 0, struct.pack("<3H", 0, 257, 65_535))) == [255, 254, 0]

    def test_twelve_bits_are_as_bright_as_they_say(self, tmp_path):
        assert greys(tmp_path, tiff(2, [12], 1, packed([4095, 0], 12))) == [255, 0]

    @pytest.mark.parametrize("bits", [8, 16])
    def test_signed_numbers_have_no_black(self, tmp_path, bits):
        data = tiff(2, [bits], 1, bytes(4), fields={339: (3, [2])})
        assert "signed" in refusal(tmp_path, data)

    @pytest.mark.parametrize("bits", [16, 32, 64])
    def test_floating_point_is_refused(self, tmp_path, bits):
        assert "floating-point" in refusal(tmp_path, tiff(1, [bits], 1, bytes(8), fields={339: (3, [3])}))

    def test_which_end_is_white_must_be_said(self, tmp_path):
        assert "photometric" in refusal(tmp_path, tiff(2, [8], None, b"\0\xff"))

    @pytest.mark.parametrize(("meaning", "expected"), [(0, 100), (2, 178), (1, 228)])
    def test_a_second_sample_is_what_the_file_says(self, tmp_path, meaning, expected):
        """Unspecified, unassociated, premultiplied: over white, 100 with alpha 127/255 is 178, and 100 + 128."""
        data = tiff(1, [8, 8], 1, bytes([100, 127]), fields={338: (3, [meaning])})
        (level,) = greys(tmp_path, data)
        assert abs(level - expected) <= 1  # Pillow blends with whole numbers


class TestColourTIFF:
    def test_a_fourth_sample_without_a_meaning_or_a_value_hides_nothing(self, tmp_path):
        assert row(tmp_path, tiff(1, [8] * 4, 2, bytes([1, 2, 3, 0]))) == [[1, 2, 3]]
        assert row(tmp_path, tiff(1, [8] * 4, 2, bytes([1, 2, 3, 0]), fields={338: (3, [2])})) == [[255] * 3]

    @ORDERS
    @pytest.mark.parametrize("bits", [1, 2, 4, 8])
    @pytest.mark.parametrize("largest", [255, 65_535])
    def test_colour_maps_of_8_and_of_16_bits(self, tmp_path, order, bits, largest):
        """Section 5: reds, greens, blues, up to 65535; writers that put bytes there are common."""
        count = 2**bits
        ramp = [level * largest // (count - 1) for level in range(count)]
        fields = {320: (3, [*ramp, *[0] * count, *reversed(ramp)])}
        data = tiff(2, [bits], 3, packed([0, count - 1], bits), order=order, fields=fields)
        assert row(tmp_path, data) == [[0, 0, 255], [255, 0, 0]]

    @ORDERS
    def test_sixteen_bits_lose_their_low_byte(self, tmp_path, order):
        data = struct.pack(f"{order}3H", 0x12FF, 0x3400, 0xFFFF)
        assert row(tmp_path, tiff(1, [16] * 3, 2, data, order=order)) == [[0x12, 0x34, 0xFF]]

    def test_planes(self, tmp_path):
        assert row(tmp_path, tiff(2, [8] * 3, 2, b"\1\2", b"\3\4", b"\5\6")) == [[1, 3, 5], [2, 4, 6]]

    @pytest.mark.parametrize(
        ("bits", "photometric", "planes", "fields"),
        [
            ([16] * 3, 2, [bytes(4)] * 3, {}),
            ([8] * 3, 8, [bytes(2)] * 3, {}),
            ([8] * 4, 2, [bytes(2)] * 4, {338: (3, [1])}),
            ([8] * 4, 5, [bytes(8)], {332: (3, [2])}),
            ([8] * 3, 6, [bytes(8)], {}),
            ([8] * 3, 6, [bytes(8)], {530: (3, [1, 1]), 532: (5, [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1])}),
            ([4] * 3, 2, [bytes(3)], {}),
            ([16] * 3, 8, [bytes(12)], {}),
            ([8] * 5, 5, [bytes(10)], {338: (3, [2])}),
            ([8], 32803, [bytes(2)], {}),
        ],
        ids=[
            "16-bit planes", "Lab planes", "premultiplied planes", "other inks", "subsampled YCbCr", "studio YCbCr",
            "4-bit colours", "16-bit Lab", "CMYK with alpha", "raw sensor",
        ],
    )  # fmt: skip
    def test_what_would_be_misread_is_refused(self, tmp_path, bits, photometric, planes, fields):
        assert "TIFF" in refusal(tmp_path, tiff(2, bits, photometric, *planes, fields=fields))

    def test_plain_ycbcr_and_cmyk(self, tmp_path):
        """JFIF's formulas: Y 76, Cb 85, Cr 255 is red within 2 levels; ink takes light away."""
        read = row(tmp_path, tiff(1, [8] * 3, 6, bytes([76, 85, 255]), fields={530: (3, [1, 1])}))
        assert np.abs(np.subtract(read, [[255, 0, 0]])).max() <= 2
        assert row(tmp_path, tiff(1, [8] * 4, 5, bytes([255, 0, 0, 0]))) == [[0, 255, 255]]


def bmp(masks: tuple[int, int, int, int] | None, bits: int, *pixels: int) -> bytes:
    """A BMP of one row with BITMAPV4HEADER and masks, or with BITMAPINFOHEADER and none."""
    data = b"".join(pixel.to_bytes(bits // 8, "little") for pixel in pixels)
    size, compression = (40, 0) if masks is None else (108, 3)
    header = struct.pack("<IiiHHIIiiII", size, len(pixels), 1, 1, bits, compression, len(data), 0, 0, 0, 0)
    if masks is not None:
        header += struct.pack("<4I", *masks) + bytes(108 - 56)
    return struct.pack("<2sIHHI", b"BM", 14 + size + len(data), 0, 0, 14 + size) + header + data


BGRA = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)


class TestBMP:
    @pytest.mark.parametrize("masks", [BGRA, (0xFF0000, 0xFF00, 0xFF, 0), None, (0, 0, 0, 0)])
    def test_alpha_that_is_0_everywhere_was_never_meant(self, tmp_path, masks):
        assert row(tmp_path, bmp(masks, 32, 0x00112233, 0x00445566)) == [[0x11, 0x22, 0x33], [0x44, 0x55, 0x66]]

    def test_alpha_that_is_used_is_laid_over_white(self, tmp_path):
        assert row(tmp_path, bmp(BGRA, 32, 0x00112233, 0xFF445566)) == [[255] * 3, [0x44, 0x55, 0x66]]

    def test_the_sixteenth_bit_is_no_alpha(self, tmp_path):
        masks = (0x7C00, 0x3E0, 0x1F, 0x8000)
        assert row(tmp_path, bmp(masks, 16, 0x7C00, 0x801F)) == [[255, 0, 0], [0, 0, 255]]

    def test_other_masks_are_refused(self, tmp_path):
        assert "not read" in refusal(tmp_path, bmp((0xF00, 0xF0, 0xF, 0xF000), 16, 0))


class TestPNG:
    @pytest.mark.parametrize(("bits", "step"), [(1, 255), (2, 85), (4, 17), (8, 1)])
    def test_a_transparent_grey_of_few_bits(self, tmp_path, bits, step):
        data = png(2, 1, bits, 0, b"\0" + packed([1, 0], bits), (b"tRNS", struct.pack(">H", 1)))
        assert greys(tmp_path, data) == [255, 0]
        data = png(2, 1, bits, 0, b"\0" + packed([1, 0], bits), (b"tRNS", struct.pack(">H", 0)))
        assert greys(tmp_path, data) == [step, 255]

    def test_a_transparent_16_bit_colour_is_refused(self, tmp_path):
        data = png(1, 1, 16, 2, bytes(7), (b"tRNS", bytes(6)))
        assert "transparent 16-bit colour" in refusal(tmp_path, data)

    def test_sixteen_bit_grey_with_alpha(self, tmp_path):
        data = png(2, 1, 16, 4, b"\0" + struct.pack(">4H", 0x1234, 0xFFFF, 0x1234, 0))
        assert greys(tmp_path, data) == [0x12, 255]

    @pytest.mark.parametrize("kind", [b"zTXt", b"tEXt", b"iTXt", b"iCCP"])
    def test_metadata_of_any_size_is_dropped(self, tmp_path, kind):
        large = bytes(80_000_000)
        text = {
            b"zTXt": lambda: b"Comment\0\0" + zlib.compress(large),
            b"tEXt": lambda: b"Comment\0" + large[:3_000_000].replace(b"\0", b"a"),
            b"iTXt": lambda: b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(large),
            b"iCCP": lambda: b"profile\0\0" + zlib.compress(large),
        }[kind]()
        assert greys(tmp_path, png(2, 1, 8, 0, b"\0\1\2", (kind, text))) == [1, 2]

    def test_and_of_any_number(self, tmp_path):
        texts = [(b"tEXt", b"Comment\0" + bytes([65 + number % 26]) * 900) for number in range(9_000)]
        assert greys(tmp_path, png(2, 1, 8, 0, b"\0\1\2", *texts)) == [1, 2]

    @pytest.mark.parametrize("compressed", [False, True])
    def test_a_text_that_says_which_way_is_up_is_heeded(self, tmp_path, compressed):
        """XMP's tiff:Orientation 3 is upside down."""
        texts = PngImagePlugin.PngInfo()
        xmp = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf tiff:Orientation=\"3\"/></x:xmpmeta>"
        texts.add_itxt("XML:com.adobe.xmp", xmp, zip=compressed)
        texts.add_text("Comment", "a" * 3_000_000, zip=True)
        pixels = Image.fromarray(np.array([[1, 2]], dtype=np.uint8))
        assert greys(tmp_path, encoded(pixels, "PNG", pnginfo=texts)) == [2, 1]

    def test_pillow_s_limits_are_left_as_they_are(self, tmp_path):
        before = (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)
        greys(tmp_path, png(1, 1, 8, 0, b"\0\1", (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(9_000_000)))))
        assert before == (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)


class TestOffsets:
    @pytest.mark.parametrize("offset", [2**31, 2**32 - 1, 10_000])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_pixels_outside_the_file_are_damage(self, tmp_path, offset, order):
        data = tiff(2, [8], 1, b"\0\xff", order=order, fields={273: (4, [offset])})
        (tmp_path / "photo").write_bytes(data)
        with pytest.raises(UserError, match="is damaged"):
            load_photo(tmp_path / "photo")
