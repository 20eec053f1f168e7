"""A set of files that belongs together: the old one, or the new one, or nothing."""

import errno
from pathlib import Path

import pytest

from minivlm.errors import UserError
from minivlm.storage.publishing import publishing


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestPublishing:
    @pytest.fixture
    def paths(self, tmp_path) -> list[Path]:
        return [tmp_path / name for name in ("model-words", "model.json", "model.pte")]

    def make(self, folder: Path, text: str) -> None:
        (folder / "model-words").mkdir(exist_ok=True)
        for name in ("model-words/vocab.txt", "model-words/tags.txt", "model.json", "model.pte"):
            (folder / name).write_text(text)

    def found(self, folder: Path) -> set[str]:
        assert names(folder) in ([], ["model-words", "model.json", "model.pte"])
        return {path.read_text() for path in folder.rglob("*") if path.is_file()}

    def publish(self, paths: list[Path]) -> None:
        with publishing(paths) as folder:
            self.make(folder, "new")

    def test_all_of_it_appears_at_the_end_of_the_block_only(self, tmp_path, paths):
        self.make(tmp_path, "old")
        with publishing(paths) as folder:
            self.make(folder, "new")
            assert {path.read_text() for path in paths[1:]} == {"old"}
            assert folder.parent.parent == tmp_path  # another file system could not rename it in one step
        assert self.found(tmp_path) == {"new"}

    def test_a_folder_that_is_not_there_is_made(self, tmp_path, paths):
        self.publish([tmp_path / "a" / "b" / path.name for path in paths])
        assert self.found(tmp_path / "a" / "b") == {"new"}

    @pytest.mark.parametrize("there", [True, False])
    @pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
    def test_whatever_ends_the_block_early_leaves_what_was_there(self, tmp_path, paths, there, error):
        if there:
            self.make(tmp_path, "old")

        def write() -> None:
            with publishing(paths) as folder:
                self.make(folder, "new")
                raise error

        with pytest.raises(UserError if isinstance(error, OSError) else type(error)):
            write()
        assert self.found(tmp_path) == ({"old"} if there else set())

    @pytest.mark.parametrize("there", [True, False])
    @pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
    def test_whichever_move_fails_all_are_taken_back(self, tmp_path, paths, monkeypatch, there, error):
        rename, failing = Path.rename, 0
        if there:
            self.make(tmp_path, "old")
        done = False
        while not done:
            moves = iter(range(100))

            def fail_once(source: Path, target: Path, moves=moves, failing=failing) -> Path:
                if next(moves) == failing:
                    raise error
                return rename(source, target)

            monkeypatch.setattr(Path, "rename", fail_once)
            try:
                self.publish(paths)
                done = True
            except (UserError, KeyboardInterrupt):
                assert self.found(tmp_path) == ({"old"} if there else set())
                failing += 1
        assert self.found(tmp_path) == {"new"}
        assert failing == (6 if there else 3)  # each of three is moved in, and out first where one was there

    def test_what_cannot_be_put_back_is_kept_and_named(self, tmp_path, paths, monkeypatch):
        moves, rename = iter(range(100)), Path.rename
        self.make(tmp_path, "old")

        def fail_from_the_third_on(source: Path, target: Path) -> Path:
            if next(moves) >= 2:
                raise OSError(errno.EROFS, "Read-only file system")
            return rename(source, target)

        monkeypatch.setattr(Path, "rename", fail_from_the_third_on)
        with pytest.raises(UserError, match="could not be put back and is in") as caught:
            self.publish(paths)
        kept = Path(str(caught.value).rpartition(" ")[2])
        assert (kept / "model-words" / "vocab.txt").read_text() == "old"

    def test_what_is_not_made_anew_goes(self, tmp_path, paths):
        self.make(tmp_path, "old")
        with publishing(paths) as folder:
            (folder / "model.pte").write_text("new")
        assert names(tmp_path) == ["model.pte"]

    @pytest.mark.parametrize("name", ["model.json", "model-words"])
    def test_somebody_s_folder_or_file_in_the_way_stays(self, tmp_path, paths, name):
        if name == "model.json":
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).write_text("mine")
        with pytest.raises(UserError, match="of that name is there; move it"):
            self.publish(paths)
        assert names(tmp_path) == [name]
