"""TIFF files put together by hand from TIFF 6.0, so that the expected levels owe nothing to any reader."""

import struct
from collections.abc import Mapping, Sequence

LAYOUT = {3: "H", 4: "I", 5: "II"}
"""Type of a field -> its values, for `struct`."""

Field = tuple[int, Sequence[int]]


def tiff(
    width: int,
    bits: Sequence[int],
    photometric: int | None,
    *planes: bytes,
    order: str = "<",
    fields: Mapping[int, Field] | None = None,
) -> bytes:
    """Return an uncompressed TIFF of one row.

    Args:
        width: Pixels.
        bits: Of each sample of a pixel.
        photometric: PhotometricInterpretation; None leaves the field out.
        planes: Data of one plane, or of one for each sample.
        order: "<" or ">".
        fields: More of them, by tag: type and values, of a rational two each.
    """
    offsets = [8 + sum(len(plane) for plane in planes[:place]) for place in range(len(planes))]
    entries: dict[int, Field] = {
        256: (3, [width]),
        257: (3, [1]),
        258: (3, bits),
        259: (3, [1]),
        273: (4, offsets),
        277: (3, [len(bits)]),
        278: (3, [1]),
        279: (4, [len(plane) for plane in planes]),
        284: (3, [1 if len(planes) == 1 else 2]),
        **({} if photometric is None else {262: (3, [photometric])}),
        **(fields or {}),
    }
    pixels = b"".join(planes)
    start = 8 + len(pixels)
    directory, values = struct.pack(f"{order}H", len(entries)), b""
    for tag, (kind, numbers) in sorted(entries.items()):
        data = struct.pack(f"{order}{len(numbers)}{LAYOUT[kind][0]}", *numbers)
        count = len(numbers) // len(LAYOUT[kind])
        directory += struct.pack(f"{order}HHI", tag, kind, count)
        if len(data) > 4:
            directory += struct.pack(f"{order}I", start + 2 + 12 * len(entries) + 4 + len(values))
            values += data
        else:
            directory += data.ljust(4, b"\0")
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(f"{order}HI", 42, start) + pixels + directory + bytes(4) + values


def packed(levels: Sequence[int], bits: int) -> bytes:
    """Return numbers of any width as bytes, the first in the highest bits."""
    digits = "".join(f"{level:0{bits}b}" for level in levels)
    digits += "0" * (-len(digits) % 8)
    return bytes(int(digits[place : place + 8], 2) for place in range(0, len(digits), 8))
