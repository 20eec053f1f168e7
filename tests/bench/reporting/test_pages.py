"""Tables of a page come from the records beside it, and from nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bench.performance_page import PAGES, main
from bench.records.file import append
from bench.records.record import ArtifactFile, Record
from bench.reporting.pages import MARK, TABLES, render
from minivlm.errors import UserError
from tests.bench.samples import FAILED, SAMPLE

FEATURES, REGIONS = "median feature SQNR dB", "regions matched at IoU 0.9"
PAGE_TEXT = "Before.\n\n<!-- {name} from records/a.jsonl -->\nold\n<!-- end -->\n\nAfter: 1 ± 2.\n"


def artifact(size: int, values: Mapping[str, float]) -> ArtifactFile:
    return ArtifactFile(
        "tee-0.pte", size, "ab" * 32, parity={f"forward {name}": value for name, value in values.items()}
    )


PYTORCH = [replace(SAMPLE, round=place, samples={"forward": [ms] * 3}) for place, ms in enumerate((10.0, 30.0, 20.0))]
FLOAT = replace(
    SAMPLE, runtime="onnx", samples={"forward": [8.0, 8.0]}, artifact=artifact(30_000_000, {FEATURES: 101.26})
)
INT8 = replace(
    FLOAT,
    precision="int8",
    samples={"forward": [5.0]},
    artifact=artifact(9_000_000, {FEATURES: 18.0, "tags equal": 0.9, REGIONS: 0.25}),
)
CAPTION = replace(SAMPLE, model="minivlm", tokens=19, samples={"regions": [7.0, 9.0], "steps": [2.0, 4.0]})


def page(folder: Path, name: str, *records: Record) -> str:
    """Return the lines of one table made from these records."""
    (folder / "records").mkdir()
    for record in records:
        append(folder / "records/a.jsonl", record)
    return render(PAGE_TEXT.format(name=name), folder)


def test_networks_have_time_size_use_of_the_machine_and_verification(tmp_path: Path) -> None:
    """Expected by arithmetic: the median of 10, 30 and 20 ms; 4400 MMAC in 20 ms over 800 GMAC/s is 27.5 %."""
    made = page(tmp_path, "networks", *PYTORCH, FLOAT, INT8, CAPTION)
    lines = made.splitlines()
    assert lines[4] == "| --- | ---: | ---: | ---: | ---: | --- |"
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[5:8]] == [
        ["`tee-0` PyTorch", "20.0 ± 10.0", "", "", "28", ""],
        ["`tee-0` ONNX Runtime fp32", "8.0 ± 0.0", "30.0", "", "69", "features 101 dB"],
        ["`tee-0` ONNX Runtime int8", "5.0 ± 0.0", "9.0", "30 %", "110", "features 18 dB, regions 0.25"],
    ]
    assert lines[8] == "<!-- end -->"


def test_side_by_side_are_the_times_of_each_runtime(tmp_path: Path) -> None:
    """Expected by arithmetic: medians, and half the distance between the quartiles."""
    made = page(tmp_path, "side-by-side", *PYTORCH, FLOAT, INT8, CAPTION)
    lines = made.splitlines()
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[3:-3]] == [
        ["ms", "PyTorch", "ONNX Runtime"],
        ["---", "---:", "---:"],
        ["`tee-0` fp32", "20.0 ± 10.0", "8.0 ± 0.0"],
        ["`tee-0` int8", "", "5.0 ± 0.0"],
        ["`minivlm` fp32", "11.0 ± 1.0", ""],
    ]


def test_captions_have_their_stages(tmp_path: Path) -> None:
    """Expected by arithmetic: runs of 9 and 13 ms."""
    made = page(tmp_path, "captions", *PYTORCH, CAPTION)
    assert "| `minivlm` PyTorch | 11.0 ± 1.0 | 8.0 | 3.0 |  |" in made.splitlines()
    assert "tee-0" not in made


def test_facts_count_repeats_failures_and_interference(tmp_path: Path) -> None:
    made = page(tmp_path, "facts", *PYTORCH, replace(FLOAT, disturbed=["load 2"]), replace(FAILED, threads_asked=4))
    assert "- Example CPU, 4 cores; threads: 4; weights: random (seed 0); profile normal." in made
    assert "- From 2026-01-02: 5 repeats in fresh processes, 1 to 3 of each; 1 failed, 1 disturbed" in made


def test_facts_say_who_took_turns(tmp_path: Path) -> None:
    made = page(tmp_path, "facts", *(replace(each, turns=7) for each in PYTORCH))
    assert "3 repeats in fresh processes, 3 of each, 7 of them at once and by turns; 0 failed" in made


@pytest.mark.parametrize("name", ["networks", "side-by-side", "captions", "facts"])
def test_what_stands_around_a_table_stays_and_a_second_time_changes_nothing(tmp_path: Path, name: str) -> None:
    made = page(tmp_path, name, *PYTORCH)
    assert made.startswith(f"Before.\n\n<!-- {name} from records/a.jsonl -->\n")
    assert made.endswith("\n<!-- end -->\n\nAfter: 1 ± 2.\n")
    assert "old" not in made
    assert render(made, tmp_path) == made


def test_times_of_two_machines_do_not_stand_side_by_side(tmp_path: Path) -> None:
    other = replace(FLOAT, environment={"cpu": "Other CPU", "cores": 4})
    with pytest.raises(UserError, match=r"one setting, not 2 .*Other CPU.*keep one run"):
        page(tmp_path, "networks", *PYTORCH, other)


def test_records_without_any_time_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not 0"):
        page(tmp_path, "networks", FAILED)


def test_an_unknown_table_and_missing_records_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'net': .*networks, side-by-side, captions, facts"):
        render(PAGE_TEXT.format(name="net"), tmp_path)
    with pytest.raises(UserError, match=r"a\.jsonl"):
        render(PAGE_TEXT.format(name="networks"), tmp_path)


def test_the_command_renews_a_page_and_check_only_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = page(tmp_path, "networks", *PYTORCH)
    file = tmp_path / "page.md"
    stale = PAGE_TEXT.format(name="networks")
    file.write_text(stale, encoding="utf-8")
    with pytest.raises(UserError, match="not what its records give"):
        main([str(file), "--check"])
    assert file.read_text(encoding="utf-8") == stale
    main([str(file)])
    assert file.read_text(encoding="utf-8") == made
    main([str(file), "--check"])
    assert capsys.readouterr().out.splitlines() == [f"wrote {file}", f"{file} is what its records give"]


def test_a_page_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*none\.md"):
        main([str(tmp_path / "none.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
class TestThePagesOfTheProject:
    def test_marks_are_whole(self, page: Path) -> None:
        text = page.read_text(encoding="utf-8")
        assert len(list(MARK.finditer(text))) == text.count("<!--") / 2 > 0

    def test_they_are_what_their_records_give(self, page: Path) -> None:
        text = page.read_text(encoding="utf-8")
        assert render(text, page.parent) == text, f"run python bench/performance_page.py {page.name}"


def test_every_table_is_shown_somewhere() -> None:
    shown = {mark["table"] for page in PAGES for mark in MARK.finditer(page.read_text(encoding="utf-8"))}
    assert shown == set(TABLES)
