"""What rounding each block costs and gains, as a page shows it, and what is kept of it beside the rules of today."""

from importlib import import_module
from pathlib import Path

import pytest

from bench.performance_page import ROOT
from bench.reporting.sensitivity import kept_findings, sensitivity_tables
from export.core.precision import rules_of_backbone
from export.flow.trials import ENDING, Findings, front
from export.verify.scores import FLOOR
from minivlm.errors import UserError
from minivlm.models.registry import get_config
from minivlm.vision.tee_config import TEEConfig
from tests.export.flow.test_trials import FOUND

RECORDS = ROOT / "docs/records/sensitivity"
KEPT = {path.name: path for path in sorted(RECORDS.glob(f"*{ENDING}"))}


def test_each_file_has_its_table(tmp_path: Path) -> None:
    for name in ("a", "b"):
        FOUND.write(tmp_path / f"{name}{ENDING}")
    lines = sensitivity_tables(tmp_path)
    one = [
        "`tee-tiny` in ONNX Runtime int8:",
        "",
        "    python export/sensitivity.py --format onnx",
        "",
        "Examples of `val`: detection 50.",
        "",
        "|  | rounded | dB | vqa kept | times as fast | MB |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        "| * | float | 100.0 | 100.0% | 1.00 (1.00 to 1.00) | 0.00 |",
        "| * | **the format's table** | 20.0 | 98.0% | 2.00 (2.00 to 2.00) | 0.00 |",
        "|  | `rpn` | 19.0 | 90.0% | 1.00 (1.00 to 1.00) | 0.00 |",
    ]
    assert lines == [*one, "", *one]


def test_what_is_no_finding_is_named(tmp_path: Path) -> None:
    (tmp_path / f"a{ENDING}").write_text("{}")
    with pytest.raises(UserError, match=rf"a{ENDING} is not a file of export/sensitivity.py"):
        kept_findings(tmp_path)


def test_each_format_that_can_be_timed_here_has_a_study_of_each_sample_s_detector() -> None:
    models, runtimes = ("tee-lite-sample", "tee-sample"), ("executorch", "litert", "onnx")
    assert set(KEPT) == {f"{model}-{runtime}-int8{ENDING}" for model in models for runtime in runtimes}


@pytest.mark.parametrize("name", KEPT)
class TestWhatIsKept:
    """Each format's rules are a point on the front of every study that is kept, and the rules of today."""

    def test_its_name_says_what_it_is_of(self, name: str) -> None:
        found = Findings.read(KEPT[name])
        assert name == f"{found.model}-{found.runtime}-{found.precision}{ENDING}"

    def test_nothing_beats_the_format_s_table(self, name: str) -> None:
        found = Findings.read(KEPT[name])
        better = [trial.name for trial in found.trials if trial.beats(found.table)]
        assert found.table in front(found.trials), f"{better} beat the rules: change them and run {found.command}"

    def test_the_rules_are_those_of_today(self, name: str) -> None:
        found = Findings.read(KEPT[name])
        config = get_config(found.model)
        backbone = config.efficientnet if isinstance(config, TEEConfig) else None
        table = import_module(f"export.backends.{found.runtime}.rules").RULES[found.precision]
        today = [str(rule) for rule in rules_of_backbone(table, backbone)]
        assert list(found.rules) == today, f"other rules need another study: {found.command}"

    def test_the_format_s_table_keeps_what_artifacts_have_to(self, name: str) -> None:
        shares = Findings.read(KEPT[name]).table.shares
        assert min(shares.values(), default=0.0) >= FLOOR
