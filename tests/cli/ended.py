"""How a command ended, and how one must end that is refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

RANDOM = "weights: random (seed 0): outputs mean nothing; --checkpoint sample is trained\n"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Ended]


def assert_refused(ended: Ended, *expected: str) -> None:
    """Exit code 2, nothing on stdout, one line on stderr."""
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    for text in expected:
        assert text in ended.err
