"""The command line: what it prints, where, and how it ends."""

from pathlib import Path

import pytest
from PIL import Image

from minivlm.inference.pipeline import Pipeline
from minivlm.storage.files import sha256
from tests.cli.ended import RANDOM, Command, Ended
from tests.tiny import NAME


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

    def test_nlvr2_says_true_or_false(self, tiny: Command, pipeline: Pipeline, photo: Path, other_photo: Path) -> None:
        result = pipeline.judge(pipeline.regions(photo), pipeline.regions(other_photo), "both show a man")
        word = "true" if result.true else "false"
        ended = tiny("nlvr2", photo, other_photo, "both show a man")
        assert ended == Ended(0, f"{word}  (probability of true: {result.probability:.3f})\n", RANDOM)

    def test_retrieve_ranks_photos(self, tiny: Command, pipeline: Pipeline, photo: Path, other_photo: Path) -> None:
        matches = {path: pipeline.match("a man", pipeline.regions(path)).probability for path in (photo, other_photo)}
        lines = [f"{matches[path]:.3f}  {path}\n" for path in sorted(matches, key=lambda path: -matches[path])]
        assert tiny("retrieve", "a man", photo, other_photo) == Ended(0, "".join(lines), RANDOM)
        assert tiny("retrieve", "a man", other_photo, photo, "--top", 1).out == lines[0]

    def test_retrieve_ranks_texts(self, tiny: Command, pipeline: Pipeline, photo: Path) -> None:
        regions = pipeline.regions(photo)
        matches = {text: pipeline.match(text, regions).probability for text in ("a man", "house", "3 women")}
        lines = [f"{matches[text]:.3f}  {text}\n" for text in sorted(matches, key=lambda text: -matches[text])]
        assert tiny("retrieve", "--photo", photo, *matches) == Ended(0, "".join(lines), RANDOM)

    def test_a_cut_text_is_noted(self, tiny: Command, photo: Path, other_photo: Path) -> None:
        long = "of " * 500
        for task in (["vqa", photo, long], ["nlvr2", photo, other_photo, long], ["retrieve", long, photo, other_photo]):
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

    def test_each_task(self, tiny: Command, photo: Path, other_photo: Path) -> None:
        tasks: dict[str, list[object]] = {
            "regions": [photo],
            "caption": [photo],
            "vqa": [photo, "what is it?"],
            "nlvr2": [photo, other_photo, "both show a man"],
            "retrieve": ["a man", photo, other_photo],
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


class TestFeatures:
    def test_the_second_run_says_the_same_without_the_detector(
        self, tiny: Command, photo: Path, other_photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        command = ("retrieve", "a man", photo, other_photo, "--features", tmp_path / "kept")
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

    def test_other_weights_never_use_them(self, minivlm: Command, photo: Path, tmp_path: Path) -> None:
        shared = ("--model", NAME, "--features", tmp_path / "kept")
        minivlm("caption", photo, *shared, "--seed", 1)
        assert (
            minivlm("caption", photo, *shared, "--seed", 2).out
            == minivlm("caption", photo, "--model", NAME, "--seed", 2).out
        )
        assert len(list((tmp_path / "kept").iterdir())) == 2


def test_a_plot_is_drawn_over_the_photo(tiny: Command, photo: Path, tmp_path: Path) -> None:
    ended = tiny("regions", photo, "--plot", tmp_path / "new" / "plot.png")
    assert ended.code == 0
    assert str(tmp_path / "new" / "plot.png") in ended.out
    with Image.open(tmp_path / "new" / "plot.png") as picture:
        assert picture.size == (640, 480)  # four times the photo's 160 x 120


def test_a_random_checkpoint_says_what_the_seed_says(minivlm: Command, photo: Path, tmp_path: Path) -> None:
    made = minivlm("checkpoint", "random", tmp_path / "new", "--model", NAME, "--seed", 3)
    assert (made.code, made.err) == (0, "")
    assert "random (seed 3): outputs mean nothing" in made.out
    ended = minivlm("caption", photo, "--checkpoint", tmp_path / "new")
    assert ended.out == minivlm("caption", photo, "--model", NAME, "--seed", 3).out
    digest = sha256(tmp_path / "new" / "model.safetensors")
    assert ended.err == f"weights: random (seed 3), sha256 {digest[:12]}: outputs mean nothing\n"
    assert minivlm("caption", photo, "--checkpoint", tmp_path / "new", "--json").json["weights"]["random"]


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
def test_help_shows_an_example(minivlm: Command, command: list[str]) -> None:
    ended = minivlm(*command, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert " ".join(["  minivlm", *command]) in ended.out
