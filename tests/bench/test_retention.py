"""The retention table by one command: what is there is used, what fails is named, what was done is not done again."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import retention
from bench.records.file import read
from bench.records.runtimes import PYTORCH
from bench.records.scores import SCORES, ScoreRecord, read_scores
from bench.reporting.retention import retention_of_all
from bench.session.flags import plan_with
from bench.studies import retention as study_module
from bench.studies.retention import Wanted, measure, wanted_artifacts
from export.core.formats import FORMATS, artifact_path
from export.flow.making import Made
from export.verify.scores import results_file
from minivlm.console import Steps
from minivlm.errors import UserError, run_command
from tests.bench.samples import FAILED
from tests.bench.scored import scored_folder
from tests.evaluation.made import data_folder

FAILURE = "the disk is full"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, its fp32 artifact for ONNX Runtime where the command keeps them, and two data sets."""
    return scored_folder(tmp_path_factory.mktemp("retention"), "test", "unseen", artifacts="out/artifacts")


def run(folder: Path, *changes: str) -> None:
    given = ["--data", str(folder / "test"), str(folder / "unseen"), "--checkpoint", str(folder / "checkpoint")]
    given += ["--runtimes", "onnx", "--precision", "fp32,int8", "--tasks", "nlvr2", "--threads", "1"]
    retention.main([*given, "--repeats", "1", "--output", str(folder / "out"), *changes])


def exported(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Let every export fail, and return what is asked for."""
    asked: list[tuple[Any, ...]] = []

    def failing(runtime: str, model: str, precision: str, output: Path, *others: object) -> Made:
        asked.append((runtime, precision, *others[1:]))
        return Made(artifact_path(output, model, FORMATS[runtime], precision), None, FAILURE)

    monkeypatch.setattr(study_module, "make", failing)
    return asked


@pytest.fixture(scope="module")
def records(folder: Path) -> Sequence[ScoreRecord]:
    """Of a run whose int8 artifact cannot be made."""
    with pytest.MonkeyPatch.context() as patch:
        asked = exported(patch)
        with pytest.raises(SystemExit) as ended:
            run(folder, "--calibration", str(folder))
    assert ended.value.code == 1
    assert asked == [("onnx", "int8", folder)]  # fp32 was there
    return read_scores(folder / "out" / SCORES)


def test_every_artifact_is_scored_on_all_data_and_timed_beside_pytorch(
    folder: Path, records: Sequence[ScoreRecord]
) -> None:
    """fp32 in ONNX Runtime decides as PyTorch does: it keeps everything, in every resample."""
    assert [(one.row, one.data) for one in records] == [
        (row, data) for row in ("pytorch fp32", "onnx fp32") for data in ("test", "unseen")
    ]
    assert [(one.kept, one.kept_low, one.kept_high) for one in records[2:]] == [(1.0, 1.0, 1.0)] * 2
    taken = {one.runtime: one for one in read(folder / "out/latency/records.jsonl")}
    for one, runtime in zip(records, (PYTORCH, PYTORCH, "onnx", "onnx"), strict=True):
        assert one.latency_ms == taken[runtime].median
        assert one.timed == f"{taken[runtime].machine_name}, 1 thread"
    assert results_file(folder / "out/unseen", "onnx fp32", "nlvr2").exists()


def test_its_records_make_a_page_s_tables(folder: Path, records: Sequence[ScoreRecord]) -> None:
    made = retention_of_all(folder / "out" / SCORES)
    assert [line.count("100.0 %") for line in made if line.startswith("| ONNX Runtime fp32 |")] == [1, 1]


def test_what_was_done_is_not_done_again(
    folder: Path, records: Sequence[ScoreRecord], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No process is started; a failed artifact is tried again, and its reason is the last line."""
    with monkeypatch.context() as patch:
        patch.setattr("bench.devices.cpu.ask", lambda *_: pytest.fail("nothing is left to time"))
        asked = exported(patch)
        with pytest.raises(SystemExit):
            run(folder, "--resume")
    assert len(asked) == 1
    assert read_scores(folder / "out" / SCORES) == records
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == f"failed: onnx int8: export: {FAILURE}"
    assert "onnx fp32" in said.out


def test_without_resume_results_are_not_overwritten(
    folder: Path, records: Sequence[ScoreRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: run(folder))
    assert ended.value.code == 2
    assert "go on with it by --resume" in capsys.readouterr().err.splitlines()[-1]


def test_a_fault_of_a_runtime_costs_one_row(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As runtimes raise what they like; nothing is timed, and no times are in the records."""
    shutil.copytree(folder / "out/artifacts", tmp_path / "artifacts")

    def broken(*_: object) -> None:
        raise IndexError("tensor 3")

    monkeypatch.setattr("export.verify.scores.open_backend", broken)
    with pytest.raises(SystemExit) as ended:
        run(folder, "--precision", "fp32", "--no-latency", "--output", str(tmp_path))
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1] == "failed: onnx fp32: IndexError: tensor 3"
    assert not (tmp_path / "latency/records.jsonl").exists()


def test_what_no_format_holds_is_left_out_in_a_line() -> None:
    """4 bits are of transformers: a detector alone has none of their matrices."""
    said: list[str] = []
    found = wanted_artifacts("tee-tiny", ["onnx", "litert"], ["int8", "int4"], said.append)
    assert found == [Wanted("onnx", "int8"), Wanted("litert", "int8")]
    assert [line.partition(": ")[2].split(": ")[0] for line in said] == ["onnx int4", "litert int4"]
    with pytest.raises(UserError, match="no format of onnx holds tee-tiny in int4"):
        wanted_artifacts("tee-tiny", ["onnx"], ["int4"], said.append)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--calibration", "none"], "none is no folder"),
        (["--precision", "fp32", "--calibration", "."], "goes with int8 or int4"),
        (["--formats", "onx"], "did you mean onnx"),
        (["--repeats", "0"], "at least 1 round"),
        (["--tasks", "vqaa"], "did you mean vqa"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    changes: list[str], message: str, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        run(folder, *changes, "--output", str(tmp_path))
    assert not list(tmp_path.glob("*/*"))


def test_data_sets_have_names_of_their_own(folder: Path, tmp_path: Path) -> None:
    data_folder(tmp_path / "test")
    with pytest.raises(UserError, match="the second folder called test"):
        run(folder, "--data", str(folder / "test"), str(tmp_path / "test"))


def test_what_cannot_be_timed_is_named_and_keeps_its_scores() -> None:
    """The sample of a record that failed: ExecuTorch died of signal 11."""
    filled = retention.Filled(rows=[{}], failed={"onnx int4": FAILURE})
    study: Any = type("Study", (), {"reference": None})
    timed = retention.with_latencies(filled, [FAILED, replace(FAILED, round=1)], study)
    assert timed.rows == [{}]
    assert timed.failed == {"onnx int4": FAILURE, f"timing {FAILED.case}": "killed by signal 11"}


def test_a_stand_in_for_a_runtime_is_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Core ML's reference executor computes what a package says, and nothing of how long that takes on a Mac."""
    asked: list[tuple[Any, ...]] = []

    class Nothing:
        def __init__(self, plan: Any, steps: Steps, artifacts: Sequence[Path]) -> None:
            asked.append((plan.runtimes, list(artifacts)))

        def cases(self) -> list[Any]:
            return []

    monkeypatch.setattr(study_module, "ChosenHere", Nothing)
    monkeypatch.setattr("export.core.format.platform.system", lambda: "Linux")
    plan = plan_with(models=["minilm-tiny"], runtimes=[PYTORCH], threads=[1], artifacts=tmp_path)
    study: Any = type("Study", (), {"plan": replace(plan), "steps": Steps()})
    artifacts = {Path("a.onnx"): Wanted("onnx", "int8"), Path("b.mlpackage"): Wanted("coreml", "int8")}
    assert measure(study, artifacts, tmp_path / "latency", resume=False) == []
    assert asked == [([PYTORCH, "onnx"], [Path("a.onnx")])]


def test_times_of_another_version_s_run_are_measured_anew_and_scores_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nothing:
        def __init__(self, plan: Any, steps: Steps, artifacts: Sequence[Path]) -> None:
            pass

        def cases(self) -> list[Any]:
            return []

    monkeypatch.setattr(study_module, "ChosenHere", Nothing)
    study: Any = type("Study", (), {"plan": plan_with(models=["minilm-tiny"], threads=[1]), "steps": Steps()})
    (tmp_path / "plan.json").write_text('{"run": "old", "plan": {}}')
    assert measure(study, {}, tmp_path, resume=True) == []
    first = json.loads((tmp_path / "plan.json").read_text())["run"]
    assert first != "old"
    measure(study, {}, tmp_path, resume=True)
    assert json.loads((tmp_path / "plan.json").read_text())["run"] == first, "its own is gone on with"
