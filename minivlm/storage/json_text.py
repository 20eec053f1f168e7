"""JSON that any program can read: numbers that are none have no place in it."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minivlm.errors import UserError


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """Return a value as JSON.

    Raises:
        UserError: It holds an infinite number or NaN; the message says where.
    """
    try:
        return json.dumps(value, indent=indent, allow_nan=False)
    except ValueError:
        where, number = next(_not_finite(value, ""))
        raise UserError(
            f"{where.removeprefix('.')} is {number}, which JSON cannot hold: check the weights or measurements it "
            "comes from for such numbers"
        ) from None


def _not_finite(value: Any, where: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield where, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_finite(item, f"{where}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, item in enumerate(value):
            yield from _not_finite(item, f"{where}[{place}]")
