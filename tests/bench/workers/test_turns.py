"""Processes that take turns: who runs when, and that nobody waits for the dead."""

import itertools
import socket
import threading
import time
from pathlib import Path

import pytest

from bench.workers import turns
from bench.workers.turns import Turn, conducting


@pytest.fixture(autouse=True)
def short_slices(monkeypatch):
    monkeypatch.setattr(turns, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(turns, "REST_SECONDS", 0.001)


def run_in_turns(path, name: str, runs: int, log: list[str]) -> threading.Thread:
    def work() -> None:
        with Turn(str(path)) as turn:
            for _ in range(runs):
                turn.take()
                log.append(f"+{name}")
                time.sleep(0.001)
                log.append(f"-{name}")

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_one_runs_at_a_time_and_all_come_round():
    log: list[str] = []
    with conducting(3) as conductor:
        threads = [run_in_turns(conductor.path, name, 5, log) for name in "abc"]
        for thread in threads:
            thread.join()
    assert [entry[1] for entry in log[::2]] == [entry[1] for entry in log[1::2]]  # each + is followed by its own -
    assert all(set(log[place : place + 6 : 2]) == {"+a", "+b", "+c"} for place in range(0, 30, 6))


def test_between_turns_of_two_the_machine_rests(monkeypatch):
    monkeypatch.setattr(turns, "REST_SECONDS", 0.05)
    times: list[tuple[str, float]] = []

    def work(path: Path, name: str) -> None:
        with Turn(str(path)) as turn:
            for _ in range(3):
                turn.take()
                times.append((name, time.monotonic()))

    with conducting(2) as conductor:
        threads = [threading.Thread(target=work, args=(conductor.path, name)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(times) == 6
    changes = [later - before for (one, before), (other, later) in itertools.pairwise(times) if one != other]
    assert min(changes) >= 0.05


def test_who_is_alone_does_not_rest(monkeypatch):
    monkeypatch.setattr(turns, "REST_SECONDS", 3600.0)
    with conducting(1) as conductor, Turn(str(conductor.path)) as turn:
        assert [turn.take() for _ in range(3)] == [True] * 3


def test_who_has_connected_and_not_asked_yet_is_waited_for():
    log: list[str] = []
    with conducting(2) as conductor:
        first = run_in_turns(conductor.path, "a", 2, log)
        assert conductor.wait_for_one(10.0)
        with socket.socket(socket.AF_UNIX) as second:
            second.connect(str(conductor.path))
            assert not conductor.wait_for_one(0.05)
            assert log == []
            second.sendall(turns.ASK)
            assert conductor.wait_for_one(10.0)
            assert second.recv(1) == turns.GRANT  # comes round after one run of the first
            assert log == ["+a", "-a"]
        first.join()
    assert log == ["+a", "-a", "+a", "-a"]


def test_nobody_runs_before_all_have_come():
    log: list[str] = []
    with conducting(2) as conductor:
        first = run_in_turns(conductor.path, "a", 1, log)
        assert conductor.wait_for_one(10.0)
        assert not conductor.wait_for_one(0.05)
        assert log == []
        second = run_in_turns(conductor.path, "b", 1, log)
        first.join()
        second.join()
    assert log == ["+a", "-a", "+b", "-b"]


def test_who_ends_early_is_not_waited_for():
    log: list[str] = []
    with conducting(2) as conductor:
        for thread in [run_in_turns(conductor.path, "a", 1, log), run_in_turns(conductor.path, "b", 4, log)]:
            thread.join()
    assert log.count("+b") == 4


def test_who_never_comes_can_be_struck_off():
    log: list[str] = []
    with conducting(2) as conductor:
        thread = run_in_turns(conductor.path, "a", 2, log)
        assert conductor.wait_for_one(10.0)
        conductor.expect_fewer()
        thread.join()
    assert log.count("+a") == 2


@pytest.mark.parametrize("patience", [0.05, 60.0])
def test_who_does_not_come_is_waited_for_until_it_ends_or_patience_does(monkeypatch, patience):
    monkeypatch.setattr(turns, "POLL_SECONDS", 0.01)
    log: list[str] = []
    with conducting(2) as conductor:
        thread = run_in_turns(conductor.path, "a", 2, log)
        conductor.wait_for_next(lambda: False)
        asked = []
        conductor.wait_for_next(lambda: bool(asked.append(1)) or (patience == 60.0 and len(asked) == 3), patience)
        thread.join()
    assert log.count("+a") == 2
    assert len(asked) == 3 if patience == 60.0 else len(asked) >= 1


def test_a_turn_says_whether_it_began_just_now(monkeypatch):
    monkeypatch.setattr(turns, "SLICE_SECONDS", 60.0)
    with conducting(1) as conductor, Turn(str(conductor.path)) as turn:
        assert [turn.take(), turn.take()] == [True, False]
    monkeypatch.setattr(turns, "SLICE_SECONDS", 0.0)
    with conducting(1) as conductor, Turn(str(conductor.path)) as turn:
        assert [turn.take(), turn.take()] == [True, True]
    assert not turn.take(), "the conductor is gone: nobody else has turns"


def test_a_conductor_that_is_gone_holds_nobody_up():
    log: list[str] = []
    with conducting(2) as conductor:
        thread = run_in_turns(conductor.path, "a", 3, log)
        assert conductor.wait_for_one(10.0)
    thread.join()
    assert log.count("+a") == 3


def test_a_turn_lasts_for_its_slice(monkeypatch):
    monkeypatch.setattr(turns, "SLICE_SECONDS", 60.0)
    log: list[str] = []
    with conducting(2) as conductor:
        for thread in [run_in_turns(conductor.path, name, 3, log) for name in "ab"]:
            thread.join()
    assert [entry[1] for entry in log] in (list("a" * 6 + "b" * 6), list("b" * 6 + "a" * 6))


def test_without_a_conductor_nothing_is_waited_for(monkeypatch):
    monkeypatch.delenv(turns.VARIABLE, raising=False)
    with Turn() as turn:
        assert not turn.take()


def test_a_turn_that_hangs_is_over_when_others_have_waited_long_enough():
    log: list[str] = []
    with conducting(2, patience=0.2) as conductor, Turn(str(conductor.path)) as hanging:
        other = run_in_turns(conductor.path, "b", 3, log)
        hanging.take()  # and never gives it back
        other.join()
    assert log.count("+b") == 3


def test_a_turn_may_last_while_nobody_waits():
    log: list[str] = []
    with conducting(1, patience=0.05) as conductor:
        with Turn(str(conductor.path)) as long:
            long.take()
            time.sleep(0.1)
            long.take()
        run_in_turns(conductor.path, "b", 1, log).join()
    assert log == ["+b", "-b"]
