"""Of a plan's cases, those are measured that have no artifact or one of those that were chosen."""

import json
from pathlib import Path

import pytest

from bench.devices import Work, cpu
from bench.devices.chosen import ChosenHere
from bench.records.orders import TURNS
from bench.records.runtimes import PYTORCH
from bench.session.flags import plan_with
from bench.workers.process import Answer
from export.core.formats import FORMATS, artifact_path
from minivlm.console import Steps

MODEL = "minilm-tiny"


def test_nothing_is_measured_or_exported_that_was_not_chosen(tmp_path: Path) -> None:
    plan = plan_with(
        models=[MODEL], runtimes=[PYTORCH, "onnx"], precision=["fp32", "int8"], threads=[1], artifacts=tmp_path
    )
    chosen = artifact_path(tmp_path, MODEL, FORMATS["onnx"], "int8")
    device = ChosenHere(plan, Steps(), [chosen])
    cases = device.cases()
    assert [(case.runtime, case.precision) for case in cases] == [(PYTORCH, "fp32"), ("onnx", "int8")]
    device.prepare(Work(tmp_path, "run", [(0, case) for case in cases]))
    assert list(tmp_path.iterdir()) == []


def test_what_was_chosen_takes_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(cpu, "ask", lambda *question: Answer(json.dumps({"gmac_per_s": 1.0, "gb_per_s": 1.0})))
    monkeypatch.setattr(cpu, "ask_in_turns", lambda tasks, silence: asked.append(tasks) or [Answer("no record")] * 2)
    plan = plan_with(
        models=[MODEL],
        runtimes=[PYTORCH, "onnx"],
        precision=["int8", "fp32"],
        threads=[1],
        order=TURNS,
        artifacts=tmp_path,
    )
    device = ChosenHere(plan, Steps(), [artifact_path(tmp_path, MODEL, FORMATS["onnx"], "int8")])
    device.prepare(Work(tmp_path, "run", [(0, case) for case in device.cases()]))
    assert [device.measure(case, "run", 0).ok for case in device.cases()] == [False, False]
    assert [[json.loads(task)["case"][2:4] for task in tasks] for tasks in asked] == [
        [["onnx", "int8"], [PYTORCH, "fp32"]]
    ]
