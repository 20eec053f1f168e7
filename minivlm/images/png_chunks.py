"""A PNG without what is not pixels: metadata may be larger than a reader should unpack, and is no reason to refuse it.

ISO/IEC 15948, section 5: a signature, then chunks of length, type, data and checksum.
"""

import io
import struct
import zlib
from typing import Any, BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEPT = (b"tRNS", b"eXIf")
TEXT = (b"tEXt", b"zTXt", b"iTXt")
ORIENTED = (b"Raw profile type exif\0", b"Raw profile type APP1\0", b"XML:com.adobe.xmp\0")
"""Keywords of texts that may say which way is up."""
LARGEST_TEXT = 500_000
"""Bytes, unpacked, of a text that is still looked at."""


def pixels_only(file: BinaryIO) -> BinaryIO:
    """Return a PNG's pixels, transparency and orientation, read from the file as they are asked for.

    Args:
        file: At its start; of another format it is returned as it is.
    """
    if file.read(len(SIGNATURE)) != SIGNATURE:
        file.seek(0)
        return file
    parts = [(0, len(SIGNATURE))]
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        start = file.tell() - 8
        if _is_needed(file, length, kind):
            first, size = parts[-1]
            if first + size == start:
                parts[-1] = (first, size + 12 + length)
            else:
                parts.append((start, 12 + length))
        file.seek(start + 12 + length)
        if kind == b"IEND":
            break
    return io.BufferedReader(_Parts(file, parts))


def _is_needed(file: BinaryIO, length: int, kind: bytes) -> bool:
    if kind in TEXT:
        return length <= LARGEST_TEXT and _is_small_and_oriented(kind, file.read(length))
    is_critical = kind[:1].isupper()
    return is_critical or kind in KEPT


def _is_small_and_oriented(kind: bytes, text: bytes) -> bool:
    if not text.startswith(ORIENTED):
        return False
    packed = text.split(b"\0", 1)[1][1:]
    if kind == b"iTXt":  # flag, method, language, translated keyword
        packed = text.split(b"\0", 1)[1]
        if packed[:1] == b"\0":
            return True
        packed = packed[2:].split(b"\0", 2)[-1]
    elif kind == b"tEXt":
        return True
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed, LARGEST_TEXT)
    except zlib.error:
        return False
    return not unpacker.unconsumed_tail


class _Parts(io.RawIOBase):
    """Parts of a file as one."""

    def __init__(self, file: BinaryIO, parts: list[tuple[int, int]]) -> None:
        self._file = file
        self._parts = parts
        self._at = 0
        self._length = sum(length for _, length in parts)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        before = 0
        for start, length in self._parts:
            within = self._at - before
            if within < length:
                self._file.seek(start + within)
                data = self._file.read(min(len(buffer), length - within))
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
            before += length
        return 0
