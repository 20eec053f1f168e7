"""The retention table: what an artifact keeps, held against results that are known beforehand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bench import accuracy
from bench.records.file import append
from bench.records.record import ArtifactFile
from bench.records.scores import SCORES, read_scores
from export.core.formats import FORMATS, artifact_path
from export.core.sidecar import Sidecar
from export.flow.command import run_exporter
from export.runtime.artifact_detector import open_detector
from export.verify.scores import PYTORCH, results_file
from minivlm.cli.main import main as minivlm
from minivlm.errors import UserError
from minivlm.evaluation import building
from minivlm.storage.files import sha256 as sha256_of
from minivlm.storage.files import size_bytes
from minivlm.weights import checkpoint
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.labels import DetectorLabels, random_labels, write_detector_labels
from minivlm.weights.loading import create_model
from minivlm.weights.making import make_random
from tests.bench.samples import SAMPLE
from tests.bench.scored import scored_folder
from tests.tiny import CONFIG, NAME

TASKS = "vqa,nlvr2,retrieval"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, its ONNX artifact, and data."""
    return scored_folder(tmp_path_factory.mktemp("accuracy"), "data")


def run(folder: Path, *extra: str, code: int = 0) -> dict:
    """Score, and return what was written."""
    given = ["--data", str(folder / "data"), "--checkpoint", str(folder / "checkpoint"), "--threads", "1"]
    given += ["--artifacts", str(folder / "artifacts"), "--output", str(folder / "out"), *extra]
    if code:
        with pytest.raises(SystemExit) as end:
            accuracy.main(given)
        assert end.value.code == code
    else:
        accuracy.main(given)
    return json.loads((folder / "out/accuracy.json").read_text())


def count_calls(monkeypatch: pytest.MonkeyPatch, name: str, called: list[str]) -> None:
    """Let a reader of data note that it is called."""
    original = getattr(building, name)

    def counted(*arguments: Any) -> Any:
        called.append(name)
        return original(*arguments)

    monkeypatch.setattr(building, name, counted)


def refusal(folder: Path, capsys: pytest.CaptureFixture[str], *changes: str) -> str:
    """Return the one line that a call with other flags ends with."""
    from minivlm.errors import run_command

    given = ["--data", str(folder / "data"), "--checkpoint", str(folder / "checkpoint")]
    with pytest.raises(SystemExit) as end:
        run_command(lambda: accuracy.main([*given, *changes]))
    assert end.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_an_exact_artifact_keeps_everything_and_a_worse_one_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """fp32 in ONNX Runtime decides as PyTorch does; then half of its verdicts are turned around in what was kept.

    Arithmetic: of two statements, both judged alike by both, the turned one costs half of the accuracy at most.
    """
    read: list[str] = []
    for name in ("read_questions", "read_statements", "read_captions"):
        count_calls(monkeypatch, name, read)
    result = run(folder, "--tasks", TASKS)
    assert sorted(read) == ["read_captions", "read_questions", "read_statements"]  # once for both candidates
    pytorch, onnx = result["rows"]
    assert (pytorch["name"], onnx["name"]) == (PYTORCH, "onnx fp32")
    for task in TASKS.split(","):
        assert onnx["tasks"][task]["values"] == pytest.approx(pytorch["tasks"][task]["values"])
        assert onnx["tasks"][task]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    artifact = artifact_path(folder / "artifacts", NAME, FORMATS["onnx"], "fp32")
    assert onnx["bytes"] == size_bytes(artifact)
    assert "kept" not in pytorch["tasks"]["nlvr2"]
    with Image.open(folder / "out/accuracy.png") as picture:
        assert picture.width > 400
    printed = capsys.readouterr()
    assert "onnx fp32" in printed.out
    assert "weights are random: scores mean nothing" in printed.err

    kept = results_file(folder / "out", "onnx fp32", "nlvr2")
    header, *lines = kept.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    right = next(one for one in records if one["label"] is not None and one["true"] == one["label"])
    right["true"] = not right["label"]
    kept.write_text("\n".join([header, *map(json.dumps, records)]) + "\n")
    worse = run(folder, "--tasks", TASKS, "--resume", code=1)["rows"][1]["tasks"]["nlvr2"]
    labelled = [one for one in records if one["label"] is not None]
    assert worse["difference"]["value"] == pytest.approx(-1.0 / len(labelled))


def test_latencies_are_those_of_the_very_file(folder: Path, tmp_path: Path) -> None:
    """10 ms of its hash, and another file's 99."""
    artifact = artifact_path(folder / "artifacts", NAME, FORMATS["onnx"], "fp32")
    for ms, sha256 in ((10.0, Sidecar.read(artifact).sha256), (99.0, "0" * 64)):
        file = ArtifactFile(name=artifact.name, bytes=5, sha256=sha256)
        append(tmp_path / "records.jsonl", replace(SAMPLE, samples={"caption": [ms]}, artifact=file))
    given = {"--data": folder / "data", "--checkpoint": folder / "checkpoint", "--artifacts": artifact}
    given |= {"--tasks": "nlvr2", "--records": tmp_path / "records.jsonl", "--output": tmp_path / "out"}
    accuracy.main([str(one) for pair in given.items() for one in pair])
    _, onnx = read_scores(tmp_path / "out" / SCORES)
    assert (onnx.latency_ms, onnx.timed) == (10.0, "Example CPU, 4 threads")
    assert (onnx.kept, onnx.kept_low, onnx.kept_high) == (1.0, 1.0, 1.0)
    assert onnx.sha256 == sha256_of(folder / "checkpoint/model.safetensors")


def test_results_that_are_there_are_not_overwritten(folder: Path, tmp_path: Path, capsys) -> None:
    output = ["--tasks", "nlvr2", "--output", str(tmp_path)]
    accuracy.main(["--data", str(folder / "data"), "--checkpoint", str(folder / "checkpoint"), *output])
    assert "go on with it by --resume" in refusal(folder, capsys, *output)


def test_other_weights_and_impossible_wishes_are_one_line(folder: Path, tmp_path: Path, capsys) -> None:
    make_random(tmp_path / "other", NAME, seed=4)
    other = ["--checkpoint", str(tmp_path / "other"), "--artifacts", str(folder / "artifacts")]
    assert "is to be held against minivlm-tiny" in refusal(folder, capsys, *other)
    assert "did you mean vqa" in refusal(folder, capsys, "--tasks", "vqaa")
    assert "from 0 to 1" in refusal(folder, capsys, "--floor", "97")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/boxes.json").write_text((folder / "data/boxes.json").read_text())
    (tmp_path / "data/images").symlink_to(folder / "data/images")
    assert "the task vqa needs data" in refusal(folder, capsys, "--data", str(tmp_path / "data"), "--tasks", "vqa")
    (tmp_path / "empty").mkdir()
    assert "holds no artifact of minivlm-tiny" in refusal(folder, capsys, "--artifacts", str(tmp_path / "empty"))


def test_its_files_are_those_of_minivlm_evaluate(folder: Path, tmp_path: Path, capsys) -> None:
    """So that minivlm evaluate compare takes them."""
    given = ["--data", str(folder / "data"), "--checkpoint", str(folder / "checkpoint"), "--tasks", "nlvr2"]
    accuracy.main([*given, "--output", str(tmp_path / "a")])
    data, checkpoint = str(folder / "data"), str(folder / "checkpoint")
    minivlm(["evaluate", "nlvr2", "--data", data, "--checkpoint", checkpoint, "--output", str(tmp_path / "b")])
    ours = results_file(tmp_path / "a", PYTORCH, "nlvr2").read_text()
    assert ours == (tmp_path / "b/nlvr2.jsonl").read_text()


def test_a_detector_alone_is_held_against_its_checkpoint(folder: Path, tmp_path: Path, capsys) -> None:
    """Picture by picture, an fp32 artifact finds what PyTorch finds; texts are no task of a detector."""
    detector = tmp_path / "detector"
    detector.mkdir()
    model, labels = create_model("tee-tiny"), random_labels(CONFIG)
    write_detector_labels(detector, DetectorLabels(tags=labels.tags, attributes=labels.attributes))
    checkpoint.save(detector, model, CheckpointInfo("tee-tiny", "test", random=False))
    flags = ["--model", "tee-tiny", "--checkpoint", str(detector), "--output", str(tmp_path / "artifacts")]
    run_exporter(FORMATS["onnx"], "", flags)
    given = ["--data", str(folder / "data"), "--checkpoint", str(detector), "--artifacts", str(tmp_path / "artifacts")]
    accuracy.main([*given, "--output", str(tmp_path / "out"), "--limit", "3", "--floor", "0"])
    rows = json.loads((tmp_path / "out/accuracy.json").read_text())["rows"]
    assert [list(row["tasks"]) for row in rows] == [["detection"], ["detection"]]
    first, second = (
        [json.loads(line) for line in results_file(tmp_path / "out", name, "detection").read_text().splitlines()[1:]]
        for name in (PYTORCH, "onnx fp32")
    )
    assert len(first) == 3
    for one, other in zip(first, second, strict=True):
        assert [found["name"] for found in one["found"]] == [found["name"] for found in other["found"]]
        assert one["found"]
        for found, again in zip(one["found"], other["found"], strict=True):
            assert found["box"] == pytest.approx(again["box"], abs=0.05)  # pixels; the proof's own bound is an IoU
    with pytest.raises(UserError, match="needs data, or a head"):
        accuracy.main([*given, "--tasks", "vqa", "--output", str(tmp_path / "other")])
    whole = str(artifact_path(folder / "artifacts", NAME, FORMATS["onnx"], "fp32"))
    with pytest.raises(UserError, match="which is no detector"):
        open_detector(Path(whole), DetectorLabels(tags=labels.tags, attributes=()))
