"""A few rounds of every kind end as they should, and what does not is found."""

import random
import sys

import pytest

from minivlm.errors import UserError
from tests.fuzz.damage import damaged_json
from tests.fuzz.kinds import KINDS, Originals, make_round
from tests.fuzz.outcome import Command, complaint, full_disk

ROUNDS = 25


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> Originals:
    return Originals.make(tmp_path_factory.mktemp("originals"))


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"artifacts"}))
def test_whatever_happens_is_an_answer_or_one_line(kind, originals, tmp_path):
    for number in range(ROUNDS):
        work = tmp_path / str(number)
        work.mkdir()
        command = make_round(kind, originals, work, number)
        assert complaint(command, work) is None, command.arguments


@pytest.mark.parametrize(
    ("main", "found"),
    [
        (lambda _: 1 / 0, "ZeroDivisionError"),
        (lambda _: sys.exit(7), "exit code 7"),
        (lambda _: sys.exit(2), "not one line"),
        (lambda _: _raise(UserError("one line")), None),
        (lambda _: (print("error: one line\nerror: another", file=sys.stderr), sys.exit(2)), "not one line"),
        (lambda _: print('{"x": NaN}'), "no JSON"),
        (lambda _: print('{"x": 1}'), None),
    ],
)
def test_a_wrong_end_is_found(main, found, tmp_path):
    said = complaint(Command(main, ("--json",)), tmp_path)
    assert said is None if found is None else said is not None and found in said


def _raise(error: Exception) -> None:
    raise error


def test_leftovers_are_found(tmp_path):
    def leave(_) -> None:
        (tmp_path / ".x.partial").touch()

    assert "left behind" in (complaint(Command(leave, ()), tmp_path) or "")


def test_a_full_disk_is_an_error_and_the_disk_is_there_again_afterwards(tmp_path):
    with full_disk(10), pytest.raises(OSError, match="too large"):
        (tmp_path / "file").write_bytes(b"x" * 100)
    (tmp_path / "file").write_bytes(b"x" * 100)


def test_damage_is_the_same_for_the_same_seed():
    content = {"a": [1, {"b": "c"}], "d": None}
    assert len({damaged_json(content, random.Random(1)) for _ in range(3)}) == 1
    assert len({damaged_json(content, random.Random(seed)) for seed in range(30)}) > 10
