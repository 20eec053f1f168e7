"""Accelerators and compute units in tables: a case each, and what of the work was theirs."""

from dataclasses import replace

import pytest

from bench.records.accelerated import Accelerated
from bench.records.repeats import group
from bench.report import as_csv
from bench.reporting.accelerators import accelerator_tables
from bench.reporting.latency import labels, latency_tables
from bench.reporting.paper_tables import reference_repeats
from bench.reporting.phones import phone_tables
from bench.reporting.plots import pictures
from tests.bench.samples import SAMPLE

ON_GPU = Accelerated(
    adapter="Example GPU",
    driver="NVIDIA 550.54.15",
    computed="fp16",
    pieces={"regions": 3, "prefill": 1},
    macs={"regions": 0.99, "prefill": 1.0},
)
PLANNED = Accelerated(planned={"regions": {"cpu": 1, "ne": 2}, "step": {"gpu": 1, "ne": 6}})


def record(runtime: str, place: str = "", accelerated: Accelerated | None = None, ms: float = 10.0, **changes):
    return replace(
        SAMPLE, runtime=runtime, accelerator=place, accelerated=accelerated, samples={"forward": [ms]}, **changes
    )


CPU, GPU = record("litert", ms=20.0), record("litert", "gpu", ON_GPU)
ALL, NE = record("coreml", "all", PLANNED), record("coreml", "cpu-and-ne", ms=5.0)


def cells(table, label: str) -> dict[str, float | None]:
    (row,) = [row for row in table.rows if row.label == label]
    return {cell.column: cell.measured for cell in row.cells}


def test_each_is_a_case_of_its_own_in_the_latency_table():
    (table, _) = latency_tables([CPU, GPU, ALL, NE, record("onnx")])
    times = {row.label: row.cells[0].measured for row in table.rows}
    assert times == {
        "tee-0, coreml, all": 10.0,
        "tee-0, coreml, cpu-and-ne": 5.0,
        "tee-0, litert, cpu": 20.0,
        "tee-0, litert, gpu": 10.0,
        "tee-0, onnx": 10.0,
    }


def test_a_runtime_that_is_on_its_only_place_is_not_called_so():
    assert list(labels([CPU.case, record("onnx").case]).values()) == ["tee-0, litert", "tee-0, onnx"]


def test_on_an_accelerator_a_model_is_compared_with_the_baseline_in_pytorch():
    baseline = record("pytorch", ms=100.0, model="r101-f")
    table, *_ = latency_tables([baseline, GPU])
    assert cells(table, "tee-0, litert, gpu")["% of r101-f"] == pytest.approx(10.0)


def test_the_share_of_the_work_is_shown_with_the_device():
    (table,) = accelerator_tables([CPU, GPU, ALL, NE])
    gpu = cells(table, "tee-0, litert, fp32, gpu")
    assert gpu["% of multiply-adds"] == pytest.approx(99.0), "the least of both methods"
    assert gpu["pieces"] == 3
    plan = cells(table, "tee-0, coreml, fp32, all")
    # Ten operators: 1 on the CPU, 1 on the GPU, 2 + 6 on the Neural Engine.
    shares = {name.rpartition(" on ")[2]: value for name, value in plan.items() if " on " in name}
    assert shares == pytest.approx({"CPU": 10.0, "GPU": 10.0, "Neural Engine": 80.0})
    assert plan["pieces"] is None
    assert "tee-0, litert, fp32, gpu: Example GPU, driver NVIDIA 550.54.15, in fp16." in table.note
    assert len(table.rows) == 2, "the others had nothing on an accelerator, or no plan"


def test_without_accelerators_there_is_no_such_table():
    assert accelerator_tables([SAMPLE]) == []


def test_the_paper_s_tables_and_pictures_take_what_a_runtime_runs_on_by_itself():
    assert {case.accelerator for case in reference_repeats([CPU, GPU, ALL, NE])} == {"", "all"}
    baseline = [record(name, model="r101-f") for name in ("litert",)]
    found = {repeats.case: repeats for repeats in group([CPU, GPU, *baseline])}
    text = pictures(found)["Beside the paper"]
    assert text.count("tee-0 / r101-f, litert") == 1
    assert "200.0 %" in text, "20 ms of 10 ms; the GPU's would be 100 %"


def test_the_sheet_names_accelerator_and_device():
    heading, first, second = as_csv([CPU, GPU]).splitlines()
    row = dict(zip(heading.split(","), second.split(","), strict=True))
    assert (row["accelerator"], row["adapter"]) == ("gpu", "Example GPU")
    assert dict(zip(heading.split(","), first.split(","), strict=True))["adapter"] == ""


def test_phones_with_units_have_a_row_each_and_the_command_of_one_that_is_missing():
    def phone(name: str, place: str):
        return record("coreml", place, device="ios", environment={"phone": name})

    (table, *_) = phone_tables([phone("A", "all"), phone("A", "cpu-and-ne"), phone("B", "")])
    assert sorted(row.label for row in table.rows) == [
        *("A, coreml, fp32, all", "A, coreml, fp32, cpu-and-ne"),
        *("B, coreml, fp32, all", "B, coreml, fp32, cpu-and-ne"),
    ]
    assert "--runtimes coreml --precision fp32 --compute-units cpu-and-ne" in table.note
