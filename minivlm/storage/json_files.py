"""Reading JSON files that a user brings: one object, every key once, every number finite."""

import json
import math
from pathlib import Path
from typing import Any

from minivlm.errors import UserError
from minivlm.storage.text_files import read_text

MOST_LEVELS = 64
"""Of objects and lists within each other; what is deeper could not even be shown in a message."""

MOST_DIGITS = 300
"""Of a whole number: it then still fits a float. Tokenizers' settings do write 1000000000000000019884624838656."""


def read_object(path: Path, what: str, way_out: str) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        path: Of the file, in UTF-8.
        what: What it should be, for messages, such as "a checkpoint's config".
        way_out: What the user can do, the end of every message.

    Raises:
        UserError: There is none, it cannot be read, or it is no JSON object. What JSON leaves open is refused, too: a
            key twice, NaN and infinities, half a surrogate pair, nesting without end.
    """
    return parse_object(read_text(path, what, way_out), str(path), what, way_out)


def parse_object(text: str, name: str, what: str, way_out: str) -> dict[str, Any]:
    """Parse a text that holds one JSON object; see `read_object`.

    Args:
        text: One JSON value.
        name: Where the text is from, for messages.
        what: What it should be, for messages.
        way_out: What the user can do, the end of every message.

    Raises:
        UserError: It is no JSON object.
    """
    try:
        content = json.loads(
            text, object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite, parse_int=_whole
        )
        _check_levels(content)
        json.dumps(content, ensure_ascii=False).encode("utf-8")  # fails at half a surrogate pair
    except UnicodeEncodeError:
        raise UserError(f"{name} is not {what}, as it holds half a surrogate pair: {way_out}") from None
    except RecursionError:
        raise UserError(f"{name} is not {what}, as it is nested too deep: {way_out}") from None
    except ValueError as error:
        raise UserError(f"{name} is not {what}, as it is not JSON ({error}): {way_out}") from None
    if not isinstance(content, dict):
        raise UserError(f"{name} is not {what}, as it is no JSON object: {way_out}")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key[:80]!r} is there twice")
        content[key] = value
    return content


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON's")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:20]} is too large a number")
    return value


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"{digits[:20]}... is too large a number")
    return int(digits)


def _check_levels(content: Any) -> None:
    values = [content] if isinstance(content, dict | list) else []
    for _ in range(MOST_LEVELS):
        nested = [value.values() if isinstance(value, dict) else value for value in values]
        values = [child for value in nested for child in value if isinstance(child, dict | list)]
        if not values:
            return
    raise RecursionError
