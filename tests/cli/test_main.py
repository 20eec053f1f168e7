"""The command line: what it prints, where, and how it ends."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from minivlm.cli.main import main
from minivlm.inference.pipeline import Pipeline
from minivlm.models.registry import build
from minivlm.storage.files import sha256
from minivlm.weights import checkpoint
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.labels import random_labels, write_labels
from tests.tiny import CONFIG, NAME, save_photo

RANDOM = "weights: random (seed 0): outputs mean nothing; --checkpoint sample is trained\n"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Ended]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a command with the arguments given; whatever reaches the two streams, by whatever way, is seen."""

    def run(*arguments: object) -> Ended:
        capfd.readouterr()
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture
def tiny(run: Command) -> Command:
    """Run a task with the tiny model."""
    return lambda *arguments: run(*arguments, "--model", NAME)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_photo(tmp_path_factory.mktemp("photos") / "photo.png")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_photo(tmp_path_factory.mktemp("photos") / "other.png", (90, 200), seed=1)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load(NAME)


def assert_refused(ended: Ended, *expected: str) -> None:
    """Exit code 2, nothing on stdout, one line on stderr."""
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    for text in expected:
        assert text in ended.err


class TestText:
    """Results alone on stdout; what must be known about them on stderr."""

    def test_regions_is_an_aligned_table(self, tiny: Command, pipeline: Pipeline, photo: Path) -> None:
        ended = tiny("regions", photo, "--top", 4)
        found = pipeline.regions(photo).top(4)
        header, *rows = ended.out.splitlines()
        assert header.split() == ["tag", "score", "x1", "y1", "x2", "y2"]
        words = zip(pipeline.attribute_names(found), pipeline.tag_names(found), strict=True)
        phrases = [tag if attribute is None else f"{attribute} {tag}" for attribute, tag in words]
        assert [" ".join(row.split()[:-5]) for row in rows] == phrases
        assert any(" " in phrase for phrase in phrases)
        assert [row.split()[-5] for row in rows] == [f"{score:.3f}" for score in found.scores.tolist()]
        assert len({len(line) for line in (header, *rows)}) == 1
        assert (ended.code, ended.err) == (0, RANDOM)

    def test_caption_is_one_sentence(self, tiny: Command, pipeline: Pipeline, photo: Path) -> None:
        regions = pipeline.regions(photo)
        assert tiny("caption", photo) == Ended(0, pipeline.caption(regions).text + "\n", RANDOM)
        ended = tiny("caption", photo, "--beams", 3, "--max-length", 6)
        assert ended.out == pipeline.caption(regions, beams=3, max_length=6).text + "\n"

    def test_vqa_lists_the_best_answers(self, tiny: Command, pipeline: Pipeline, photo: Path) -> None:
        best = pipeline.answer(pipeline.regions(photo), "what is it?", top=3).best
        ended = tiny("vqa", photo, "what is it?", "--top", 3)
        assert ended == Ended(0, "".join(f"{one.probability:.3f}  {one.text}\n" for one in best), RANDOM)

    def test_nlvr2_says_true_or_false(self, tiny: Command, pipeline: Pipeline, photo: Path, other: Path) -> None:
        result = pipeline.judge(pipeline.regions(photo), pipeline.regions(other), "both show a man")
        word = "true" if result.true else "false"
        ended = tiny("nlvr2", photo, other, "both show a man")
        assert ended == Ended(0, f"{word}  (probability of true: {result.probability:.3f})\n", RANDOM)

    def test_retrieve_ranks_photos(self, tiny: Command, pipeline: Pipeline, photo: Path, other: Path) -> None:
        matches = {path: pipeline.match("a man", pipeline.regions(path)).probability for path in (photo, other)}
        lines = [f"{matches[path]:.3f}  {path}\n" for path in sorted(matches, key=lambda path: -matches[path])]
        assert tiny("retrieve", "a man", photo, other) == Ended(0, "".join(lines), RANDOM)
        assert tiny("retrieve", "a man", other, photo, "--top", 1).out == lines[0]

    def test_retrieve_ranks_texts(self, tiny: Command, pipeline: Pipeline, photo: Path) -> None:
        regions = pipeline.regions(photo)
        matches = {text: pipeline.match(text, regions).probability for text in ("a man", "house", "3 women")}
        lines = [f"{matches[text]:.3f}  {text}\n" for text in sorted(matches, key=lambda text: -matches[text])]
        assert tiny("retrieve", "--photo", photo, *matches) == Ended(0, "".join(lines), RANDOM)

    def test_a_cut_text_is_noted(self, tiny: Command, photo: Path, other: Path) -> None:
        long = "of " * 500
        for task in (["vqa", photo, long], ["nlvr2", photo, other, long], ["retrieve", long, photo, other]):
            ended = tiny(*task)
            assert ended.code == 0
            assert "has 500 tokens, and there was room for" in ended.err
        assert "text number 2 has 500 tokens" in tiny("retrieve", "--photo", photo, "a man", long).err

    @pytest.mark.parametrize("text", ["这是什么", "что это?", "🎉", "\udcff?", "a\x1b[2Jb"])
    def test_other_scripts_and_control_characters_are_text(self, tiny: Command, photo: Path, text: str) -> None:
        ended = tiny("retrieve", "--photo", photo, text)
        assert ended.code == 0
        assert "\x1b" not in ended.out

    def test_the_seed_decides_the_weights(self, tiny: Command, photo: Path) -> None:
        ended = tiny("caption", photo, "--seed", 7)
        assert "random (seed 7)" in ended.err
        assert ended.out != tiny("caption", photo).out


class TestJson:
    """One object with everything known."""

    def test_each_task(self, tiny: Command, photo: Path, other: Path) -> None:
        tasks: dict[str, list[object]] = {
            "regions": [photo],
            "caption": [photo],
            "vqa": [photo, "what is it?"],
            "nlvr2": [photo, other, "both show a man"],
            "retrieve": ["a man", photo, other],
        }
        for task, arguments in tasks.items():
            ended = tiny(task, *arguments, "--json")
            assert (ended.code, ended.err) == (0, "")
            assert ended.json["command"] == task
            assert ended.json["model"] == NAME
            weights = {"description": "random (seed 0)", "random": True, "sha256": None, "seed": 0}
            assert ended.json["weights"] == weights
            assert ended.json["seconds"].keys() >= {"load", "regions"}
            assert all(spent >= 0.0 for spent in ended.json["seconds"].values())

    def test_regions(self, tiny: Command, pipeline: Pipeline, photo: Path) -> None:
        given = tiny("regions", photo, "--json", "--top", 3).json["photo"]
        found = pipeline.regions(photo).top(3)
        assert (given["path"], given["width"], given["height"]) == (str(photo), 160, 120)
        assert [one["box"] for one in given["regions"]] == found.boxes.tolist()
        assert [one["score"] for one in given["regions"]] == found.scores.tolist()
        assert [one["tag_id"] for one in given["regions"]] == found.tags.tolist()
        assert [one["tag"] for one in given["regions"]] == pipeline.tag_names(found)
        assert [one["attribute_id"] for one in given["regions"]] == found.attributes.tolist()
        assert [one["attribute"] for one in given["regions"]] == pipeline.attribute_names(found)
        assert [one["attribute_score"] for one in given["regions"]] == found.attribute_scores.tolist()

    def test_caption(self, tiny: Command, pipeline: Pipeline, photo: Path) -> None:
        given = tiny("caption", photo, "--json").json["caption"]
        expected = pipeline.caption(pipeline.regions(photo))
        assert given["text"] == expected.text
        assert given["token_ids"] == list(expected.token_ids)
        assert given["tokens"] == list(expected.tokens)
        assert given["score"] == expected.score

    def test_answers_and_matches_have_logits_and_what_was_read(self, tiny: Command, photo: Path) -> None:
        given = tiny("vqa", photo, "of " * 300, "--json").json
        assert len(given["answers"]) == 5
        assert {"text", "id", "logit", "probability"} == given["answers"][0].keys()
        assert len(given["question"]["tokens"]) + given["question"]["dropped"] == 300
        assert len(given["notes"]) == 1
        match = tiny("retrieve", "--photo", photo, "a man", "--json").json["matches"][0]
        assert match["text"] == "a man"
        assert match["seen"] == {"tokens": ["a", "man"], "dropped": 0}
        assert len(match["logits"]) == 2


class TestMistakes:
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ([], "required: COMMAND"),
            (["captoin", "PHOTO"], "captoin"),
            (["caption"], "required: PHOTO"),
            (["caption", "PHOTO", "--modle", "x"], "--modle"),
            (["caption", "PHOTO", "--model", "minivml"], "did you mean minivlm"),
            (["caption", "PHOTO", "--model", "tee-0"], "only a part"),
            (["caption", "PHOTO", "--model", NAME, "--beams", "0"], "'0' is no whole number"),
            (["caption", "PHOTO", "--model", NAME, "--seed", "-1"], "seed"),
            (["caption", "PHOTO", "--model", NAME, "--seed", "9" * 30], "is no whole number"),
            (["caption", "PHOTO", "--model", NAME, "--max-length", "41"], "2 to 40"),
            (["caption", "PHOTO", "--model", NAME, "--beams", "9999"], "beams"),
            (["caption", "PHOTO", "--checkpoint", "nowhere"], "is not a folder"),
            (["caption", "PHOTO", "--checkpoint", "nowhere", "--seed", "1"], "leave one of the two out"),
            (["caption", "PHOTO", "--artifact", "x.pte", "--checkpoint", "y"], "--checkpoint does not go"),
            (["caption", "PHOTO", "--artifact", "x.pte", "--seed", "0"], "--seed does not go"),
            (["caption", "PHOTO", "--accelerator", "gpu"], "--accelerator goes with --artifact FILE"),
            (["caption", "missing\n.jpg"], "does not exist"),
            (["caption", "FOLDER"], "is a directory"),
            (["caption", "EMPTY", "--model", NAME], "is empty"),
            (["caption", "TRUNCATED", "--model", NAME], "is damaged"),
            (["caption", "TEXT", "--model", NAME], "is no readable"),
            (["nlvr2", "PHOTO", "TRUNCATED", "a man", "--model", NAME], "is damaged"),
            (["vqa", "PHOTO", "", "--model", NAME], "is empty: write at least one word"),
            (["vqa", "PHOTO", " \n\t", "--model", NAME], "is empty: write at least one word"),
            (["retrieve", "", "PHOTO", "--model", NAME], "is empty: write at least one word"),
            (["retrieve", "--photo", "PHOTO", "a man", " ", "--model", NAME], "is empty: write at least one word"),
            (["retrieve", "a man", "--model", NAME], "give a text and the photos"),
            (["retrieve", "a man", "TRUNCATED", "TEXT", "--model", NAME], "no photo to rank"),
            (["regions", "PHOTO", "--plot", "plot.gif", "--model", NAME], "must end in"),
            (["regions", "PHOTO", "--features", "TEXT", "--model", NAME], "is a file"),
            (["checkpoint"], "required: KIND"),
            (["checkpoint", "random", "FOLDER"], "not empty"),
            (["checkpoint", "random", "new", "--model", "tee-0"], "only a part"),
            (["checkpoint", "import", "new", "--model", NAME], "pass --bert, --backbone or --detector"),
            (["checkpoint", "import", "new", "--model", NAME, "--bert", "no/such/folder"], "no folder"),
            (["checkpoint", "import", "new", "--model", NAME, "--backbone", "no.pth"], "no file"),
        ],
    )
    def test_one_line_says_what_is_wrong(
        self, run: Command, photo: Path, tmp_path: Path, arguments: list[str], expected: str
    ) -> None:
        places = {name: tmp_path / f"{name.lower()}.jpg" for name in ("EMPTY", "TEXT", "TRUNCATED")}
        places["EMPTY"].touch()
        places["TEXT"].write_text("hello")
        places["TRUNCATED"].write_bytes(photo.read_bytes()[:60])
        places |= {"PHOTO": photo, "FOLDER": tmp_path}
        before = sorted(tmp_path.iterdir())
        assert_refused(run(*(places.get(argument, argument) for argument in arguments)), expected)
        assert sorted(tmp_path.iterdir()) == before

    @pytest.mark.parametrize("arguments", [["caption", "missing.jpg"], ["vqa", "x.jpg"], ["checkpoint", "import", "d"]])
    def test_a_process_ends_the_same_way(self, arguments: list[str], tmp_path: Path) -> None:
        command = [sys.executable, "-m", "minivlm", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert_refused(Ended(done.returncode, done.stdout, done.stderr))

    @pytest.mark.parametrize("task", [["vqa", "a man?"], ["nlvr2", "PHOTO", "a man"]])
    def test_a_checkpoint_without_the_head_says_which_it_has(
        self, run: Command, photo: Path, tmp_path: Path, task: list[str]
    ) -> None:
        config = replace(CONFIG, heads=("match",))
        write_labels(tmp_path, random_labels(config))
        info = CheckpointInfo(NAME, "trained for retrieval", random=False, heads=config.heads)
        checkpoint.save(tmp_path, build(config), info)
        rest = [photo if argument == "PHOTO" else argument for argument in task[1:]]
        assert_refused(run(task[0], photo, *rest, "--checkpoint", tmp_path), f"head '{task[0]}'", "only match")
        ended = run("retrieve", "a man", photo, "--checkpoint", tmp_path)
        assert (ended.code, ended.err) == (0, "")  # trained weights need no warning

    def test_one_bad_photo_does_not_lose_the_others(
        self, tiny: Command, photo: Path, other: Path, tmp_path: Path
    ) -> None:
        bad = tmp_path / "bad.jpg"
        bad.write_bytes(b"bad")
        ended = tiny("retrieve", "a man", photo, bad, other)
        assert ended.code == 2
        assert ended.out == tiny("retrieve", "a man", photo, other).out
        assert ended.err.splitlines()[-1] == "error: 1 of 3 photos could not be read; the others are ranked above"
        assert "bad.jpg" in ended.err
        given = tiny("retrieve", "a man", photo, bad, other, "--json")
        assert given.code == 2
        assert len(given.json["matches"]) == 2
        assert given.json["unreadable"][0]["path"] == str(bad)


class TestFeatures:
    def test_the_second_run_says_the_same_without_the_detector(
        self, tiny: Command, photo: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        command = ("retrieve", "a man", photo, other, "--features", tmp_path / "kept")
        first = tiny(*command)
        assert len(list((tmp_path / "kept").iterdir())) == 2

        def fail(*_: object) -> None:
            raise AssertionError("the detector ran")

        monkeypatch.setattr("minivlm.inference.backend.TorchBackend.regions", fail)
        assert tiny(*command) == first

    def test_a_damaged_entry_is_noted_once_and_replaced(self, tiny: Command, photo: Path, tmp_path: Path) -> None:
        command = ("caption", photo, "--features", tmp_path / "kept")
        first = tiny(*command)
        (entry,) = (tmp_path / "kept").iterdir()
        good = entry.read_bytes()
        entry.write_bytes(good[:-3])
        second = tiny(*command)
        assert second.out == first.out
        assert second.err.splitlines()[0] == RANDOM.strip()
        assert second.err.count("\n") == 2
        assert "note: kept features of photo.png are not usable" in second.err
        assert len(entry.read_bytes()) == len(good)
        assert tiny(*command) == first

    def test_other_weights_never_use_them(self, run: Command, photo: Path, tmp_path: Path) -> None:
        shared = ("--model", NAME, "--features", tmp_path / "kept")
        run("caption", photo, *shared, "--seed", 1)
        assert (
            run("caption", photo, *shared, "--seed", 2).out == run("caption", photo, "--model", NAME, "--seed", 2).out
        )
        assert len(list((tmp_path / "kept").iterdir())) == 2


def test_a_plot_is_drawn_over_the_photo(tiny: Command, photo: Path, tmp_path: Path) -> None:
    ended = tiny("regions", photo, "--plot", tmp_path / "new" / "plot.png")
    assert ended.code == 0
    assert str(tmp_path / "new" / "plot.png") in ended.out
    with Image.open(tmp_path / "new" / "plot.png") as picture:
        assert picture.size == (640, 480)  # four times the photo's 160 x 120


def test_a_random_checkpoint_says_what_the_seed_says(run: Command, photo: Path, tmp_path: Path) -> None:
    made = run("checkpoint", "random", tmp_path / "new", "--model", NAME, "--seed", 3)
    assert (made.code, made.err) == (0, "")
    assert "random (seed 3): outputs mean nothing" in made.out
    ended = run("caption", photo, "--checkpoint", tmp_path / "new")
    assert ended.out == run("caption", photo, "--model", NAME, "--seed", 3).out
    digest = sha256(tmp_path / "new" / "model.safetensors")
    assert ended.err == f"weights: random (seed 3), sha256 {digest[:12]}: outputs mean nothing\n"
    assert run("caption", photo, "--checkpoint", tmp_path / "new", "--json").json["weights"]["random"]


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["regions"],
        ["caption"],
        ["vqa"],
        ["nlvr2"],
        ["retrieve"],
        ["checkpoint", "random"],
        ["checkpoint", "import"],
    ],
)
def test_help_shows_an_example(run: Command, command: list[str]) -> None:
    ended = run(*command, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert " ".join(["  minivlm", *command]) in ended.out


class TestFilesAreSafe:
    def test_the_photo_is_not_drawn_over(self, tiny, photo, tmp_path):
        before = photo.read_bytes()
        (tmp_path / "link.png").symlink_to(photo)
        for name in (photo, tmp_path / "link.png", photo.parent / "x" / ".." / photo.name):
            (photo.parent / "x").mkdir(exist_ok=True)
            ended = tiny("regions", photo, "--plot", name)
            assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
            assert "would be overwritten" in ended.err
        assert photo.read_bytes() == before

    def test_nor_is_what_the_command_reads_besides(self, tiny, photo, tmp_path):
        (tmp_path / "entry.png").write_bytes(b"kept")
        ended = tiny("regions", photo, "--features", tmp_path, "--plot", tmp_path / "entry.png")
        assert ended.code == 2
        assert (tmp_path / "entry.png").read_bytes() == b"kept"

    @pytest.mark.parametrize("flag", ["--features", "--model", "--checkpoint", "--artifact", "--plot"])
    def test_an_empty_name_is_a_mistake_and_writes_nothing(self, run, photo, tmp_path, monkeypatch, flag):
        monkeypatch.chdir(tmp_path)
        ended = run("regions", photo, flag, "")
        assert (ended.code, ended.out) == (2, "")
        assert f"{flag}: is empty" in ended.err
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "given", ["", "what colour is the roof? " * 30, "two\nlines", "n\0ul", "\udce9", "loop", "."]
    )
    @pytest.mark.parametrize("task", ["regions", "caption", "vqa", "nlvr2", "retrieve --photo"])
    def test_what_is_no_photo_is_one_line(self, tiny, photo, tmp_path, monkeypatch, given, task):
        monkeypatch.chdir(tmp_path)
        Path("loop").symlink_to("loop")
        texts = {"vqa": ["what?"], "nlvr2": [photo, "one"], "retrieve --photo": ["one", "two"]}
        ended = tiny(*task.split(), given, *texts.get(task, []))
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
        assert ended.err.startswith("error: ")

    @pytest.mark.parametrize("flag", ["--features", "--checkpoint", "--artifact", "--plot"])
    @pytest.mark.parametrize("given", ["n" * 300, "n\0ul", "loop/x"])
    def test_what_is_no_path_is_one_line(self, run, photo, tmp_path, monkeypatch, flag, given):
        monkeypatch.chdir(tmp_path)
        Path("loop").symlink_to("loop")
        suffix = {"--artifact": ".pte", "--plot": ".png"}.get(flag, "")
        model = [] if flag in ("--checkpoint", "--artifact") else ["--model", NAME]
        ended = run("regions", photo, flag, given + suffix, *model)
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
