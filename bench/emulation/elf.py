"""Shared libraries of 64-bit little-endian systems: what they ask for and offer, and ones that do nothing."""

import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = b"\x7fELF\x02\x01\x01"
"""Of 64 bits, the lowest byte first, in the one version of the format."""
HEADER = struct.Struct("<7s9xHHIQQQIHHHHHH")
"""Magic, kind, processor, version, entry, places of segments and sections, flags, and their sizes and numbers."""
SEGMENT = struct.Struct("<IIQQQQQQ")
"""Kind, flags, place in the file, address, physical address, bytes in the file, bytes in memory, alignment."""
SECTION = struct.Struct("<IIQQQQIIQQ")
"""Name, kind, flags, address, place in the file, bytes, another section, facts, alignment, bytes of an entry."""
ENTRY = struct.Struct("<QQ")
"""Of the table for the loader: kind, and a number or an address."""
SYMBOL = struct.Struct("<IBBHQQ")
"""Place of its name, binding and kind, visibility, section, address, bytes."""
LOADED, FOR_LOADER, STACK = 1, 2, 0x6474E551
"""Kinds of segments; the last one says that nothing on the stack is a program."""
SYMBOLS_OF_LOADER, TABLE_OF_LOADER = 11, 6
"""Kinds of sections."""
END, NEEDED, BUCKETS, NAMES, SYMBOLS, SIZE_OF_NAMES, SIZE_OF_SYMBOL = 0, 1, 4, 5, 6, 10, 11
"""Kinds of entries."""
UNDEFINED, STRONG, STRONG_FUNCTION = 0, 1, 0x12
LIBRARY, AARCH64 = 3, 183
RETURN_ZERO = bytes.fromhex("000080d2 c0035fd6")
"""mov x0, 0; ret."""
PAGE = 0x10000
"""The largest that such a processor may have."""


@dataclass(frozen=True)
class Links:
    """What a library has to do with others.

    Attributes:
        needed: Names of libraries that have to be there before it is.
        wanted: Names that it takes from others and cannot do without.
        offered: Names that others may take from it.
    """

    needed: Sequence[str] = ()
    wanted: Collection[str] = ()
    offered: Collection[str] = ()


def links_of(library: Path) -> Links:
    """Read a library or program; what is neither has none."""
    with library.open("rb") as file:
        start = file.read(HEADER.size)
        if len(start) < HEADER.size or not start.startswith(MAGIC):
            return Links()
        sections = list(_sections(file, start))
        needed: list[str] = []
        wanted, offered = set(), set()
        for kind, place, size, names in sections:
            if kind == TABLE_OF_LOADER:
                entries = ENTRY.iter_unpack(_read(file, place, size))
                needed = [_name(names, where) for entry, where in entries if entry == NEEDED]
            elif kind == SYMBOLS_OF_LOADER:
                for where, binding, _, section, _, _ in SYMBOL.iter_unpack(_read(file, place, size)):
                    if section != UNDEFINED:
                        offered.add(_name(names, where))
                    elif binding >> 4 == STRONG:
                        wanted.add(_name(names, where))
    return Links(needed, wanted, offered)


def _sections(file: BinaryIO, header: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield kind, place, bytes and names of the sections for the loader."""
    *_, start, _, _, _, _, size, count, _ = HEADER.unpack(header)
    told = [SECTION.unpack(_read(file, start + number * size, SECTION.size)) for number in range(count)]
    for _, kind, _, _, place, length, other, *_ in told:
        if kind in (SYMBOLS_OF_LOADER, TABLE_OF_LOADER):
            yield kind, place, length, _read(file, told[other][4], told[other][5])


def _read(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _name(names: bytes, where: int) -> str:
    return names[where : names.index(0, where)].decode()


def idle_library(
    functions: Sequence[str] = (), needed: str = "", processor: int = AARCH64, code: bytes = RETURN_ZERO
) -> bytes:
    """Return a library whose functions do nothing and return 0.

    Args:
        functions: Their names.
        needed: Name of another library that is loaded with it; "" for none.
        processor: ELF's number of it.
        code: What each function is, in its instructions.
    """
    names = b"\0".join([b"", *(name.encode() for name in (needed, *functions)), b""])
    places = dict(_places((needed, *functions)))
    entries = 6 + bool(needed)
    at_code = HEADER.size + 3 * SEGMENT.size + entries * ENTRY.size
    at_symbols = at_code + len(code)
    symbols = [bytes(SYMBOL.size)]
    symbols += [SYMBOL.pack(places[name], STRONG_FUNCTION, 0, 1, at_code, len(code)) for name in functions]
    buckets = _buckets(functions)
    at_buckets = at_symbols + len(symbols) * SYMBOL.size
    at_names = at_buckets + len(buckets)
    size = at_names + len(names)
    table = [(BUCKETS, at_buckets), (NAMES, at_names), (SYMBOLS, at_symbols)]
    table += [(SIZE_OF_NAMES, len(names)), (SIZE_OF_SYMBOL, SYMBOL.size)]
    table = [*([(NEEDED, places[needed])] if needed else []), *table, (END, 0)]
    at_table, length = at_code - entries * ENTRY.size, entries * ENTRY.size
    return b"".join(
        [
            HEADER.pack(MAGIC, LIBRARY, processor, 1, 0, HEADER.size, 0, 0, HEADER.size, SEGMENT.size, 3, 0, 0, 0),
            SEGMENT.pack(LOADED, 7, 0, 0, 0, size, size, PAGE),  # readable, writable and run
            SEGMENT.pack(FOR_LOADER, 6, at_table, at_table, at_table, length, length, 8),
            SEGMENT.pack(STACK, 6, 0, 0, 0, 0, 0, 16),
            *(ENTRY.pack(*entry) for entry in table),
            code,
            *symbols,
            buckets,
            names,
        ]
    )


def _places(names: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield each name with where it begins, behind one zero and with one after it."""
    place = 1
    for name in names:
        yield name, place
        place += len(name.encode()) + 1


def _buckets(functions: Sequence[str]) -> bytes:
    """Return the table in which the loader looks names up: lists of those of one hash, as numbers of symbols."""
    count = max(len(functions), 1)
    first, following = [0] * count, [0] * (len(functions) + 1)
    for number, name in enumerate(functions, start=1):
        bucket = _hash(name) % count
        first[bucket], following[number] = number, first[bucket]
    return struct.pack(f"<{2 + count + len(following)}I", count, len(following), *first, *following)


def _hash(name: str) -> int:
    """Return the format's hash of a name."""
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        value = (value ^ (value >> 24 & 0xF0)) & 0x0FFFFFFF
    return value
