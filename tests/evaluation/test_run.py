"""The loop: what it keeps, how it goes on, and what it does about examples that cannot be used."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from minivlm.datasets.folder import DataFiles, find_data
from minivlm.errors import UserError
from minivlm.evaluation.building import Settings, TaskData, build_task
from minivlm.evaluation.compare import compare
from minivlm.evaluation.records import RecordFile, open_records, read_results
from minivlm.evaluation.run import KeptRegions, evaluate, fingerprint
from minivlm.evaluation.scoring import SCORINGS, scoring_of
from minivlm.evaluation.tasks import Task
from minivlm.inference.detector import NO_NUMBERS
from minivlm.inference.photo_regions import PhotoRegions
from minivlm.inference.pipeline import Pipeline
from tests.conftest import Exported
from tests.evaluation.made import TAGS, data_folder
from tests.tiny import NAME, made_up_regions, with_tags

EXAMPLES = {"detection": 4, "caption": 4, "vqa": 5, "nlvr2": 2, "retrieval": 4}


@pytest.fixture(autouse=True)
def _no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pycocoevalcap is installed, METEOR takes seconds to start and SPICE wants to download models."""
    monkeypatch.setattr("minivlm.evaluation.scoring.java_metrics", lambda candidates, references: ({}, []))


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load(NAME)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_folder(tmp_path_factory.mktemp("data"))


def task_of(name: str, data: Path, pipeline: Pipeline, **settings: Any) -> Task[Any]:
    return build_task(name, TaskData(find_data(data, DataFiles())[0]), pipeline, Settings(**settings))[0]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_task_runs_and_its_numbers_are_of_its_records_alone(
    name: str, data: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    task = task_of(name, data, pipeline)
    kept = open_records(tmp_path / "kept.jsonl", {"task": name}, resume=False)
    outcome = evaluate(task, pipeline, kept)
    assert outcome.examples == EXAMPLES[name]
    assert outcome.values
    assert all(0.0 <= value <= 10.0 for value in outcome.values.values())
    read = read_results(tmp_path / "kept.jsonl")
    assert scoring_of(name).metrics(list(read.records.values())).values == outcome.values
    assert len(scoring_of(name).measure().scores(list(read.records.values()))) > 0


PERFECT: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "detection": lambda record: {"found": [{**one, "score": 0.9} for one in record["truth"]]},
    "caption": lambda record: {"caption": record["references"][0]},
    "vqa": lambda record: {"answer": record["people"][0], "people": [record["people"][0]] * 10},
    "nlvr2": lambda record: {"true": record["label"]},
    "retrieval": lambda record: {
        "scores": [float(record["own"][0] <= column < record["own"][1]) for column in range(8)]
    },
}
ONE = {
    "detection": ("VG mAP@.5", "VG mAP@.5 weighted", "region recall@.5"),
    "caption": ("BLEU-4",),
    "vqa": ("accuracy", "accuracy, other"),
    "nlvr2": ("accuracy", "consistency"),
    "retrieval": ("text R@1", "image R@1", "text R@10", "image R@10"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_perfect_model_scores_1_and_no_other_does(name: str, data: Path, pipeline: Pipeline) -> None:
    records = RecordFile(None)
    real = evaluate(task_of(name, data, pipeline), pipeline, records).values
    assert any(real[metric] < 1.0 for metric in ONE[name])
    perfect = [{**record, **PERFECT[name](record)} for record in records.records.values()]
    values = scoring_of(name).metrics(perfect).values
    assert {metric: values[metric] for metric in ONE[name]} == pytest.approx(dict.fromkeys(ONE[name], 1.0))
    scores = scoring_of(name).measure().scores(perfect)
    assert name == "caption" or set(scores.values()) == {1.0}
    backwards = scoring_of(name).metrics(list(reversed(perfect))).values
    assert backwards == pytest.approx(values)


class InterruptedPipeline(Pipeline):
    """Is interrupted at a photo."""

    photos = 0

    def regions(self, path: Path | str) -> PhotoRegions:
        self.photos += 1
        if self.photos == 3:
            raise KeyboardInterrupt
        return super().regions(path)


@pytest.mark.parametrize("name", ["detection", "vqa", "retrieval"])
def test_an_interrupted_run_goes_on_and_ends_as_one_that_was_not(
    name: str, data: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    task, path = task_of(name, data, pipeline), tmp_path / "some" / "kept.jsonl"
    whole = RecordFile(None)
    outcome = evaluate(task, pipeline, whole)
    with pytest.raises(KeyboardInterrupt):
        evaluate(task, InterruptedPipeline(pipeline.backend), open_records(path, {"task": name}, resume=True))
    with path.open("a") as file:
        file.write('{"id": "3", "answ')  # as where the machine stopped
    calls: list[int] = []
    kept = open_records(path, {"task": name}, resume=True)
    assert len(kept.records) == 2
    again = evaluate(task, pipeline, kept, progress=lambda number, of: calls.append(number))
    assert calls == list(range(3, EXAMPLES[name] + 1))
    assert again == outcome
    assert read_results(path).records == whole.records


def test_a_limit_takes_the_first_and_more_can_follow(data: Path, pipeline: Pipeline, tmp_path: Path) -> None:
    task = task_of("vqa", data, pipeline)
    header = {"task": "vqa", "data": fingerprint(task)}
    kept = open_records(tmp_path / "kept.jsonl", header, resume=False)
    assert evaluate(task, pipeline, kept, limit=2).examples == 2
    more = open_records(tmp_path / "kept.jsonl", header, resume=True)
    assert evaluate(task, pipeline, more, limit=3).examples == 3
    assert list(more.records) == ["0", "1", "2"]
    few = task_of("retrieval", data, pipeline, limit=2)
    assert len(few.examples) == 2
    assert fingerprint(few) != fingerprint(task_of("retrieval", data, pipeline))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_broken_picture_is_left_out_by_name(name: str, pipeline: Pipeline, tmp_path: Path) -> None:
    data = data_folder(tmp_path / "data")
    (data / "images" / "b.png").write_bytes(b"no picture")
    outcome = evaluate(task_of(name, data, pipeline), pipeline, RecordFile(None))
    assert outcome.examples == EXAMPLES[name] - 1
    assert [(one.what, one.count) for one in outcome.findings] == [("examples whose picture cannot be used", 1)]
    assert ": b.png is no readable JPEG" in outcome.findings[0].first[0]


def test_a_detector_without_numbers_is_no_fault_of_the_picture(
    data: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path | str) -> PhotoRegions:
        raise UserError(NO_NUMBERS)

    monkeypatch.setattr(pipeline, "regions", refuse)
    records = RecordFile(None)
    with pytest.raises(UserError, match="NaN"):
        evaluate(task_of("caption", data, pipeline), pipeline, records)
    assert records.records == {}


def test_where_nothing_can_be_used_one_line_says_why(pipeline: Pipeline, tmp_path: Path) -> None:
    data = data_folder(tmp_path / "data")
    for picture in (data / "images").iterdir():
        picture.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"no example could be used, the first because: .*a\.png"):
        evaluate(task_of("caption", data, pipeline), pipeline, RecordFile(None))


def test_regions_of_the_last_pictures_are_kept(pipeline: Pipeline, data: Path) -> None:
    looked: list[str] = []

    class Counting(Pipeline):
        def regions(self, path: Path | str) -> PhotoRegions:
            looked.append(Path(path).name)
            return made_up_regions()

    look = KeptRegions(Counting(pipeline.backend).regions, size=2)
    for name in ("a", "b", "a", "c", "a", "b"):
        look(data / f"{name}.png")
    assert looked == ["a.png", "b.png", "c.png", "b.png"]


def test_detection_knows_what_it_looks_at(data: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    # One region over the first picture's box, by its name; all others elsewhere and called something else.
    regions = with_tags(made_up_regions(rows=3, valid=2), [0, 5, 5])
    boxes = regions.boxes.clone()
    boxes[0] = boxes.new_tensor([5.0, 5.0, 45.0, 45.0])
    boxes[1] = boxes.new_tensor([70.0, 50.0, 75.0, 55.0])
    monkeypatch.setattr(pipeline, "regions", lambda path: replace(regions, boxes=boxes))
    records = RecordFile(None)
    outcome = evaluate(task_of("detection", data, pipeline), pipeline, records)
    # Class 0 has a box in pictures a and b, and a detection of one score in all four. They enter the curve together:
    # 1 of 4 right, recall 1/2.
    assert outcome.values["VG mAP@.5"] == pytest.approx(1 / 2 * 1 / 4)
    # Of picture a's two boxes the region overlaps (40 x 40) / (40 x 40) and (40 x 40) / (70 x 50); b's is too large.
    assert outcome.values["region recall@.5"] == pytest.approx((1 / 2 + 0.0) / 2)
    assert records.records["0"]["truth"][0]["name"] == TAGS[0]
    assert outcome.notes[0].startswith("1 boxes are of classes that the model has no tag for")


def test_proposals_are_scored_on_request(data: Path, pipeline: Pipeline) -> None:
    outcome = evaluate(task_of("detection", data, pipeline, proposals=True), pipeline, RecordFile(None), limit=2)
    assert 0.0 < outcome.values["proposal recall@.5"] <= 1.0


def test_boxes_are_scored_under_every_name_on_request(data: Path, pipeline: Pipeline) -> None:
    records = RecordFile(None)
    outcome = evaluate(task_of("detection", data, pipeline, all_names=True), pipeline, records, limit=2)
    assert 0.0 <= outcome.values["VG mAP@.5, all names"] <= 1.0
    likeliest = {one["name"] for record in records.records.values() for one in record["named"]}
    assert likeliest <= set(TAGS) | {tag.casefold() for tag in pipeline.backend.tags}
    perfect = [{**one, "named": PERFECT["detection"](one)["found"]} for one in records.records.values()]
    assert scoring_of("detection").metrics(perfect).values["VG mAP@.5, all names"] == 1.0


def test_proposals_of_a_runtime_that_shows_none_are_refused_before_the_first_example(
    data: Path, pipeline: Pipeline
) -> None:
    other = Pipeline(SimpleNamespace(tags=pipeline.backend.tags))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="--proposals needs a detector in PyTorch"):
        task_of("detection", data, other, proposals=True)


def test_classes_that_no_tag_has_are_refused(pipeline: Pipeline, tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    content = json.loads((data / "boxes.json").read_text())
    content["categories"][0]["name"] = "also-unheard-of"
    (data / "boxes.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="none of the data's 2 classes"):
        task_of("detection", data, pipeline)


def test_questions_without_answers_are_answered_and_not_scored(pipeline: Pipeline, tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    (data / "annotations.json").unlink()
    outcome = evaluate(task_of("vqa", data, pipeline), pipeline, RecordFile(None))
    assert outcome.examples == 6
    assert outcome.notes == ("6 questions have no answers to compare with: they count in no number",)


@pytest.mark.full
def test_an_artifact_is_scored_as_its_model(
    data: Path, pipeline: Pipeline, exported: Callable[..., Exported], tmp_path: Path
) -> None:
    from export.runtime.artifact_backend import open_backend

    other = Pipeline(open_backend(exported(NAME, "onnx").artifact))
    for name, one in (("torch", pipeline), ("artifact", other)):
        task = task_of("vqa", data, one)
        records = open_records(tmp_path / f"{name}.jsonl", {"task": "vqa", "model": NAME}, resume=False)
        evaluate(task, one, records)
    found = compare(tmp_path / "torch.jsonl", tmp_path / "artifact.jsonl")
    assert (found.difference.low, found.difference.high, found.difference.examples) == (0.0, 0.0, 5)


def test_every_task_has_a_scoring() -> None:
    assert set(SCORINGS) == set(EXAMPLES)
    with pytest.raises(UserError, match="did you mean caption"):
        scoring_of("captions")
