"""What may stand in one table."""

from dataclasses import replace

import pytest

from bench.records.conditions import divide
from bench.reporting.cost_tables import count_all
from bench.reporting.latency import latency_tables
from bench.reporting.paper_tables import measured_tables
from tests.bench.samples import FAILED, SAMPLE
from tests.bench.test_report import cells

WHOLE = replace(SAMPLE, model="r101-f", samples={"forward": [100.0]})
OTHERS = {
    "cpu": {"environment": {"cpu": "Other CPU", "cores": 4}},
    "phone": {"device": "ios", "environment": {"phone": "iPhone16,1", "cores": 4}},
    "weights": {"weights": "checkpoint x"},
    "photo": {"photo": {"name": "other.jpg", "sha256": "cd" * 32}},
    "profile": {"profile": "quick"},
    "affinity": {"affinity": [0]},
    "order": {"turns": 2},
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_conditions_have_tables_of_their_own_and_no_ratio_is_across_them(name):
    tables = latency_tables([SAMPLE, replace(WHOLE, **OTHERS[name])])
    latencies = [table for table in tables if table.title.startswith("Latency of the vision")]
    assert len(latencies) == 2
    assert any(name in table.title for table in latencies)
    rows = [row for table in latencies for row in table.rows]
    shares = {row.label: next(cell.measured for cell in row.cells if cell.column == "% of r101-f") for row in rows}
    assert shares == {"tee-0, pytorch": None, "r101-f, pytorch": 100.0}


def test_two_iphones_are_two_machines():
    phones = [replace(SAMPLE, device="ios", environment={"phone": name}) for name in ("iPhone16,1", "iPhone14,2")]
    assert [part.label for part in divide(phones)] == ["phone iPhone16,1", "phone iPhone14,2"]


def test_sizes_of_image_of_one_model_are_apart_and_those_of_several_models_together():
    small = replace(SAMPLE, runtime="onnx", inputs={"image": [1, 3, 224, 224]})
    larger = replace(WHOLE, inputs={"image": [1, 3, 600, 800]})
    found = divide([SAMPLE, replace(SAMPLE, round=1), larger, small, FAILED])
    assert [(part.label, len(part.records)) for part in found] == [("", 3), ("image 224x224", 1)]


def test_the_paper_s_tables_are_there_for_each_machine():
    other = replace(WHOLE, environment={"cpu": "Other CPU", "cores": 4})
    tables = [table for table in measured_tables(count_all(), [SAMPLE, other]) if table.title.startswith("Table 1.")]
    assert [table.title.partition("(cpu")[2] for table in tables] == [" Example CPU)", " Other CPU)"]
    assert cells(tables[:1], "Table 1.", "tee-0")["pytorch % of r101-f"].measured is None
