"""The table of what artifacts keep: its numbers are the records', and what cannot stand side by side does not."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.records.scores import ScoreRecord, write_scores
from bench.reporting.pages import render
from bench.reporting.retention import retention_of_all, retention_of_first, weights_of
from minivlm.errors import UserError
from tests.bench.samples import SCORE

DIGEST = "0123456789abcdef" * 4
PLACE = "Example CPU, 2 threads"
PYTORCH = replace(SCORE, sha256=DIGEST, bytes=50_740_000, latency_ms=345.6, timed=PLACE)
BOXES = replace(PYTORCH, task="detection", values={"VG mAP@.5": 0.9211, "region recall@.5": 0.5}, examples=1200)
INT8 = replace(
    PYTORCH, row="onnx int8", values={"accuracy": 0.7}, kept=0.9876, kept_low=0.97, kept_high=1.004, bytes=15_060_000
)
INT8_BOXES = replace(INT8, task="detection", values=BOXES.values, kept=1.0, kept_low=1.0, kept_high=1.0)
CORE_ML = replace(INT8, row="coreml int8", kept_low=None, kept_high=None, latency_ms=None, timed=None)


def lines(folder: Path, *records: ScoreRecord) -> list[str]:
    write_scores(folder / "records.jsonl", records)
    return retention_of_all(folder / "records.jsonl")


def test_the_first_line_has_scores_and_the_others_what_is_kept_of_them(tmp_path: Path) -> None:
    """Scores and shares times 100; an interval that is no wider than what is shown is not shown."""
    made = lines(tmp_path, PYTORCH, BOXES, INT8, INT8_BOXES, CORE_ML)
    assert made == [
        "`minivlm-tiny` with the weights `0123456789ab` on `test`.",
        "Examples: vqa 8, detection 1,200.",
        "Times: Example CPU, 2 threads.",
        "",
        "|  | MB | VQA accuracy | VG mAP@.5 | ms |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| PyTorch fp32 | 50.7 | 75.0 | 92.1 | 346 |",
        "| ONNX Runtime int8 | 15.1 | 98.8 % (97.0 to 100.4) | 100.0 % | 346 |",
        "| Core ML int8 | 15.1 | 98.8 % |  | not measured |",
    ]


def test_without_times_there_is_no_column_of_them(tmp_path: Path) -> None:
    made = lines(tmp_path, replace(PYTORCH, latency_ms=None, timed=None), CORE_ML)
    assert made[3] == "|  | MB | VQA accuracy |"
    assert "Times" not in "".join(made)


def test_of_nothing_nothing_is_kept_and_the_score_stands_there(tmp_path: Path) -> None:
    nothing = replace(PYTORCH, values={"accuracy": 0.0}, score=0.0, low=0.0)
    made = lines(tmp_path, nothing, replace(INT8, kept=None, kept_low=None, kept_high=None))
    assert made[-1].split(" | ")[2] == "70.0"


def test_every_data_set_has_a_table_and_a_page_may_have_the_first_alone(tmp_path: Path) -> None:
    others = [replace(record, data="unseen") for record in (PYTORCH, INT8)]
    both = lines(tmp_path, PYTORCH, INT8, *others)
    first = retention_of_first(tmp_path / "records.jsonl")
    assert both[: len(first)] == first
    assert both[len(first)] == ""
    assert both[len(first) + 1].startswith("`minivlm-tiny` with the weights `0123456789ab` on `unseen`")
    assert "unseen" not in "".join(first)
    page = "A\n<!-- retention from records.jsonl -->\nold\n<!-- end -->\nB\n"
    made = render(page, tmp_path)
    assert made == page.replace("old", "\n".join(first))
    assert render(made, tmp_path) == made


def test_they_are_of_one_checkpoint_s_weights(tmp_path: Path) -> None:
    lines(tmp_path, PYTORCH, INT8)
    assert weights_of(tmp_path / "records.jsonl") == DIGEST
    for other in ("f" * 64, None):
        with pytest.raises(UserError, match="one checkpoint's weights"):
            lines(tmp_path, PYTORCH, replace(INT8, sha256=other))


def test_what_is_held_against_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no scores of pytorch fp32 on test"):
        lines(tmp_path, INT8)
    (tmp_path / "records.jsonl").write_text("")
    with pytest.raises(UserError, match="one checkpoint's weights"):
        retention_of_all(tmp_path / "records.jsonl")
