"""Ways to damage bytes, texts and JSON, at random but repeatable."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

STRANGE_TEXTS = (
    "",
    " ",
    "\n",
    "-",
    "--",
    "\x00",
    "\x1b[31m",
    "\u202eabc",
    "\ufeffperson",
    "\udcff",
    "[bold]x[/bold]",
    "a" * 5000,
    "../../..",
    "/dev/null",
    "/dev/full",
    "~",
    "%s{0}",
    "=1+1",
    "NaN",
    "٣",
)
STRANGE_NUMBERS = (0, -1, 1, 2**31, 2**63, 10**30, -(10**30), 0.5, 1e308, float("nan"), float("inf"), True)
STRANGE_VALUES: tuple[Any, ...] = (None, [], {}, "x", *STRANGE_TEXTS[:8], *STRANGE_NUMBERS, [[[[]]]], {"a": {"b": 1}})


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip, cut, insert, repeat or replace some bytes."""
    changed = bytearray(data)
    place = rng.randrange(len(changed) + 1)
    match rng.randrange(6):
        case 0:
            for _ in range(rng.randint(1, 20)):
                if changed:
                    changed[rng.randrange(len(changed))] ^= rng.randint(1, 255)
        case 1:
            del changed[place:]
        case 2:
            changed[place:place] = rng.randbytes(rng.randint(1, 64))
        case 3:
            changed += changed[place:] or b"\0"
        case 4:
            changed[:] = rng.randbytes(rng.randrange(200))
        case 5:
            head = min(len(changed), rng.randint(1, 64))
            changed[:head] = rng.randbytes(head)
    return bytes(changed)


def damaged_text(text: str, rng: random.Random) -> bytes:
    """Change lines of a text, its line ends or its encoding."""
    lines = text.split("\n")
    place = rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            lines[place] = rng.choice(STRANGE_TEXTS)
        case 1:
            lines.insert(place, rng.choice(STRANGE_TEXTS))
        case 2:
            del lines[place]
        case 3:
            lines[place] = lines[rng.randrange(len(lines))]
        case 4:
            return "\r\n".join(lines).encode(errors="surrogatepass")
        case 5:
            return "\n".join(lines).encode(rng.choice(["utf-16", "utf-8-sig", "utf-32", "utf-7"]), errors="replace")
    return "\n".join(lines).encode(errors="surrogatepass")


def damaged_json(content: Any, rng: random.Random) -> bytes:
    """Replace, remove, rename or add a value somewhere in what JSON holds, or break the text itself."""
    changed = json.loads(json.dumps(content))
    if rng.random() < 0.1:
        depth = rng.choice([50, 5000, 200_000])
        return b"[" * depth + b"]" * depth if rng.random() < 0.5 else b'{"a":' * depth + b"1" + b"}" * depth
    places = _places(changed)
    holder, key = rng.choice(places)
    match rng.randrange(5):
        case 0 | 1:
            holder[key] = rng.choice(STRANGE_VALUES)
        case 2:
            del holder[key]
        case 3:
            if isinstance(holder, dict):
                holder[f"{key}x"] = holder.pop(key)
            else:
                holder.append(rng.choice(STRANGE_VALUES))
        case 4:
            other, other_key = rng.choice(places)
            holder[key] = json.loads(json.dumps(other[other_key])) if _has(other, other_key) else None
    text = json.dumps(changed)
    return text.encode() if rng.random() < 0.9 else damaged_text(text, rng)


def _has(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else isinstance(key, int) and key < len(holder)


def _places(content: Any) -> list[tuple[Any, Any]]:
    """Return every (holder, key or index) in nested objects and lists."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    found = []
    for key, value in items:
        found.append((content, key))
        found += _places(value)
    return found


def damage_file(path: Path, rng: random.Random) -> str:
    """Damage a file by its kind, or put something else in its place; returns what was done."""
    original = path.read_bytes()
    if rng.random() < 0.25:
        return _replace(path, rng)
    if path.suffix == ".json" and rng.random() < 0.8:
        path.write_bytes(damaged_json(json.loads(original), rng))
        return "damaged JSON"
    if path.suffix == ".jsonl" and rng.random() < 0.8:
        lines = original.decode().splitlines()
        place = rng.randrange(len(lines))
        lines[place] = damaged_json(json.loads(lines[place]), rng).decode(errors="surrogateescape")
        path.write_bytes("\n".join(lines).encode(errors="surrogateescape") + b"\n")
        return "a damaged record"
    if path.suffix == ".txt" and rng.random() < 0.8:
        path.write_bytes(damaged_text(original.decode(), rng))
        return "damaged text"
    path.write_bytes(damaged_bytes(original, rng))
    return "damaged bytes"


def _replace(path: Path, rng: random.Random) -> str:
    """Put something in a file's place that is not that file."""
    ways: dict[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "a folder": path.mkdir,
        "an empty file": lambda: path.write_bytes(b""),
        "a link to itself": lambda: path.symlink_to(path.name),
        "a link to nowhere": lambda: path.symlink_to("nowhere"),
        "a device": lambda: path.symlink_to("/dev/null"),
        "a file without permissions": lambda: (path.write_bytes(b"x"), path.chmod(0)),
    }
    name = rng.choice(sorted(ways))
    path.unlink()
    ways[name]()
    return name
