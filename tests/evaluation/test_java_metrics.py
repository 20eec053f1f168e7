"""METEOR and SPICE come from elsewhere, and where they cannot be had, one line says why."""

import shutil
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from minivlm.evaluation.java_metrics import java_metrics

SAID, WANTED = [("a", "cat")], [[("the", "cat"), ("a", "dog")]]


@pytest.fixture
def java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/java")


def test_without_java_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    values, missing = java_metrics(SAID, WANTED)
    assert values == {}
    assert len(missing) == 1
    assert "there is no java" in missing[0]


@pytest.mark.usefixtures("java")
def test_without_pycocoevalcap_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocoevalcap.meteor.meteor", None)
    values, missing = java_metrics(SAID, WANTED)
    assert values == {}
    assert len(missing) == 1
    assert "pip install pycocoevalcap" in missing[0]


@pytest.mark.usefixtures("java")
def test_each_is_asked_and_the_failure_of_one_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Meteor:
        def compute_score(self, wanted: Any, said: Any) -> tuple[float, list[float]]:
            print("chatter")
            assert wanted == {0: ["the cat", "a dog"]}
            assert said == {0: ["a cat"]}
            return 0.25, [0.25]

    class Spice:
        def __init__(self) -> None:
            raise OSError("no network\nsecond line")

    monkeypatch.setitem(sys.modules, "pycocoevalcap.meteor.meteor", SimpleNamespace(Meteor=Meteor))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "pycocoevalcap.spice.spice", SimpleNamespace(Spice=Spice))  # type: ignore[arg-type]
    values, missing = java_metrics(SAID, WANTED)
    assert values == {"METEOR": 0.25}
    assert missing == ["SPICE is left out: pycocoevalcap cannot compute it (OSError: no network)"]
    assert capsys.readouterr().out == ""
