"""Of a plan's cases, those are measured that have no artifact or one of those that were chosen."""

from pathlib import Path

from bench.devices import Work
from bench.devices.chosen import ChosenHere
from bench.records.runtimes import PYTORCH
from bench.session.flags import plan_with
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
