"""What the command line refuses: in one line, with exit code 2, and without touching a file."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from minivlm.models.registry import build
from minivlm.weights import checkpoint
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.labels import random_labels, write_labels
from tests.cli.ended import Command, Ended, assert_refused
from tests.tiny import CONFIG, NAME


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
        self, minivlm: Command, photo: Path, tmp_path: Path, arguments: list[str], expected: str
    ) -> None:
        places = {name: tmp_path / f"{name.lower()}.jpg" for name in ("EMPTY", "TEXT", "TRUNCATED")}
        places["EMPTY"].touch()
        places["TEXT"].write_text("hello")
        places["TRUNCATED"].write_bytes(photo.read_bytes()[:60])
        places |= {"PHOTO": photo, "FOLDER": tmp_path}
        before = sorted(tmp_path.iterdir())
        assert_refused(minivlm(*(places.get(argument, argument) for argument in arguments)), expected)
        assert sorted(tmp_path.iterdir()) == before

    @pytest.mark.parametrize("arguments", [["caption", "missing.jpg"], ["vqa", "x.jpg"], ["checkpoint", "import", "d"]])
    def test_a_process_ends_the_same_way(self, arguments: list[str], tmp_path: Path) -> None:
        command = [sys.executable, "-m", "minivlm", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert_refused(Ended(done.returncode, done.stdout, done.stderr))

    @pytest.mark.parametrize("task", [["vqa", "a man?"], ["nlvr2", "PHOTO", "a man"]])
    def test_a_checkpoint_without_the_head_says_which_it_has(
        self, minivlm: Command, photo: Path, tmp_path: Path, task: list[str]
    ) -> None:
        config = replace(CONFIG, heads=("match",))
        write_labels(tmp_path, random_labels(config))
        info = CheckpointInfo(NAME, "trained for retrieval", random=False, heads=config.heads)
        checkpoint.save(tmp_path, build(config), info)
        rest = [photo if argument == "PHOTO" else argument for argument in task[1:]]
        assert_refused(minivlm(task[0], photo, *rest, "--checkpoint", tmp_path), f"head '{task[0]}'", "only match")
        ended = minivlm("retrieve", "a man", photo, "--checkpoint", tmp_path)
        assert (ended.code, ended.err) == (0, "")  # trained weights need no warning

    def test_one_bad_photo_does_not_lose_the_others(
        self, tiny: Command, photo: Path, other_photo: Path, tmp_path: Path
    ) -> None:
        bad = tmp_path / "bad.jpg"
        bad.write_bytes(b"bad")
        ended = tiny("retrieve", "a man", photo, bad, other_photo)
        assert ended.code == 2
        assert ended.out == tiny("retrieve", "a man", photo, other_photo).out
        assert ended.err.splitlines()[-1] == "error: 1 of 3 photos could not be read; the others are ranked above"
        assert "bad.jpg" in ended.err
        given = tiny("retrieve", "a man", photo, bad, other_photo, "--json")
        assert given.code == 2
        assert len(given.json["matches"]) == 2
        assert given.json["unreadable"][0]["path"] == str(bad)


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
    def test_an_empty_name_is_a_mistake_and_writes_nothing(self, minivlm, photo, tmp_path, monkeypatch, flag):
        monkeypatch.chdir(tmp_path)
        ended = minivlm("regions", photo, flag, "")
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
    def test_what_is_no_path_is_one_line(self, minivlm, photo, tmp_path, monkeypatch, flag, given):
        monkeypatch.chdir(tmp_path)
        Path("loop").symlink_to("loop")
        suffix = {"--artifact": ".pte", "--plot": ".png"}.get(flag, "")
        model = [] if flag in ("--checkpoint", "--artifact") else ["--model", NAME]
        ended = minivlm("regions", photo, flag, given + suffix, *model)
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
