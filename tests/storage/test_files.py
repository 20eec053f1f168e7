"""Files are written as a whole or not at all."""

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from minivlm.errors import UserError
from minivlm.storage.files import assembling, replacing, sha256, size_bytes, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def one_line(caught: pytest.ExceptionInfo[UserError]) -> str:
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestReplacing:
    def test_the_new_content_appears_at_the_end_of_the_block_only(self, tmp_path):
        target = tmp_path / "model.pte"
        target.write_text("old")
        with replacing(target) as partial:
            partial.write_text("new")
            assert target.read_text() == "old"
            assert partial.parent == tmp_path  # another file system could not rename it in one step
        assert target.read_text() == "new"
        assert names(tmp_path) == ["model.pte"]

    @pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), UserError("not exact enough")])
    def test_whatever_ends_the_block_early_leaves_the_old_file_and_nothing_else(self, tmp_path, error):
        target = tmp_path / "model.pte"
        target.write_text("old")

        def write() -> None:
            with replacing(target) as partial:
                partial.write_text("half of the n")
                raise error

        with pytest.raises(type(error)):
            write()
        assert target.read_text() == "old"
        assert names(tmp_path) == ["model.pte"]

    def test_a_full_disk_is_a_user_s_error_with_a_way_out(self, tmp_path):
        def write() -> None:
            with replacing(tmp_path / "model.pte"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with pytest.raises(UserError, match="No space left") as caught:
            write()
        assert "free space" in one_line(caught)
        assert names(tmp_path) == []

    def test_folders_on_the_way_are_made(self, tmp_path):
        write_text(tmp_path / "a" / "b" / "note.txt", "x")
        assert (tmp_path / "a" / "b" / "note.txt").read_text() == "x"

    def test_a_file_in_place_of_the_folder_is_a_user_s_error(self, tmp_path):
        (tmp_path / "out").write_text("")
        with pytest.raises(UserError, match="cannot write") as caught:
            write_text(tmp_path / "out" / "note.txt", "x")
        assert str(tmp_path / "out" / "note.txt") in one_line(caught)

    def test_a_folder_in_place_of_the_file_is_a_user_s_error(self, tmp_path):
        (tmp_path / "note.txt").mkdir()
        with pytest.raises(UserError, match="cannot write"):
            write_text(tmp_path / "note.txt", "x")
        assert names(tmp_path) == ["note.txt"]

    @pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
    def test_permissions_of_a_new_file_are_those_the_user_wants(self, tmp_path, umask, mode):
        before = os.umask(umask)
        try:
            write_text(tmp_path / "note.txt", "x")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "note.txt").stat().st_mode) == mode  # 0666 without the umask

    def test_a_replaced_file_hands_its_permissions_on(self, tmp_path):
        (tmp_path / "note.txt").touch(0o600)
        write_text(tmp_path / "note.txt", "x")
        assert stat.S_IMODE((tmp_path / "note.txt").stat().st_mode) == 0o600

    @pytest.mark.parametrize("name", ["n" * 255, "ü" * 127, "a" * 250 + ".json"])
    def test_a_name_may_be_as_long_as_the_system_takes(self, tmp_path, name):
        write_text(tmp_path / name, "x")
        with assembling(tmp_path / name) as made:
            made.write_text("y")
        assert (tmp_path / name).read_text() == "y"

    @pytest.mark.parametrize("name", ["n" * 256, "a\0b"])
    def test_one_that_it_does_not_take_is_a_user_s_error(self, tmp_path, name):
        with pytest.raises(UserError):
            write_text(tmp_path / name, "x")
        assert names(tmp_path) == []

    def test_a_link_stays_and_its_target_is_replaced(self, tmp_path):
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "note.txt").write_text("old")
        (tmp_path / "link").symlink_to(Path("there") / "note.txt")
        write_text(tmp_path / "link", "new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / "note.txt").read_text() == "new"
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(UserError):
            write_text(tmp_path / "loop", "x")

    def test_a_pipe_gets_the_content_and_stays(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        write_text(tmp_path / "pipe", "content")
        assert os.read(reader, 100) == b"content"
        os.close(reader)
        assert (tmp_path / "pipe").is_fifo()

    def test_a_device_stays(self):
        write_text(Path("/dev/null"), "x")
        assert Path("/dev/null").is_char_device()

    @pytest.mark.parametrize(
        "text", ["I/O error: No space left on device (os error 28)", "writer: Disk quota exceeded"]
    )
    def test_a_library_s_own_error_of_a_full_disk_is_a_user_s_error(self, tmp_path, text):
        def write() -> None:
            with replacing(tmp_path / "weights"):
                raise RuntimeError(text)

        with pytest.raises(UserError, match="cannot write"):
            write()
        assert names(tmp_path) == []

    def test_a_writer_s_other_errors_are_not_blamed_on_the_disk(self, tmp_path):
        def write() -> None:
            with replacing(tmp_path / "weights"):
                Path("/nowhere/library.so").read_bytes()

        with pytest.raises(FileNotFoundError):
            write()
        assert names(tmp_path) == []


def test_text_is_utf_8_with_its_line_breaks(tmp_path):
    write_text(tmp_path / "note.txt", "Größe\n±\n")
    assert (tmp_path / "note.txt").read_bytes() == "Größe\n±\n".encode()


def test_sha256_is_the_standard_s(tmp_path):
    # FIPS 180-2, appendix B.1; and a file longer than any buffer against hashlib on the bytes.
    path = tmp_path / "data"
    path.write_bytes(b"abc")
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.write_bytes(bytes(range(256)) * 5000)
    assert sha256(path) == hashlib.sha256(bytes(range(256)) * 5000).hexdigest()


class TestAssembling:
    @pytest.mark.parametrize("earlier", [False, True])
    def test_a_folder_takes_its_place_whole(self, tmp_path, earlier):
        target = tmp_path / "model.package"
        if earlier:
            target.mkdir()
            (target / "old").write_text("old")
        with assembling(target) as made:
            assert made.name == target.name
            made.mkdir()
            (made / "new").write_text("new")
            (made.parent / "left over").write_text("by a writer")
            assert target.exists() is earlier
        assert names(target) == ["new"]
        assert names(tmp_path) == ["model.package"]

    def test_a_file_too(self, tmp_path):
        (tmp_path / "model.pte").write_text("old")
        with assembling(tmp_path / "model.pte") as made:
            made.write_text("new")
        assert (tmp_path / "model.pte").read_text() == "new"

    def test_whatever_ends_the_block_early_leaves_the_old_folder_and_nothing_else(self, tmp_path):
        target = tmp_path / "model.package"
        target.mkdir()

        def write() -> None:
            with assembling(target) as made:
                made.mkdir()
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write()
        assert names(tmp_path) == ["model.package"]

    def test_a_full_disk_is_a_user_s_error(self, tmp_path):
        def write() -> None:
            with assembling(tmp_path / "model.pte"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with pytest.raises(UserError, match="No space left"):
            write()

    def test_what_was_there_comes_back_where_the_new_cannot_take_its_place(self, tmp_path, monkeypatch):
        target = tmp_path / "model.package"
        target.mkdir()
        (target / "old").touch()
        rename = Path.rename

        def fail(self, other):
            if self.name == target.name and (self / "new").exists():
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return rename(self, other)

        def write() -> None:
            with assembling(target) as made:
                made.mkdir()
                (made / "new").touch()
                monkeypatch.setattr(Path, "rename", fail)  # the system's side: a disk that fails at that moment

        with pytest.raises(UserError, match="Input/output error"):
            write()
        monkeypatch.undo()
        assert names(target) == ["old"]
        assert names(tmp_path) == ["model.package"]

    @pytest.mark.parametrize("folder_is_there", [True, False])
    def test_a_file_and_a_folder_do_not_replace_each_other(self, tmp_path, folder_is_there):
        target = tmp_path / "model"
        target.mkdir() if folder_is_there else target.write_text("the user's")

        def write() -> None:
            with assembling(target) as made:
                made.write_text("new") if folder_is_there else made.mkdir()

        with pytest.raises(UserError, match="move it away"):
            write()
        assert target.is_dir() is folder_is_there
        assert names(tmp_path) == ["model"]


class TestFolders:
    def test_the_hash_depends_on_names_and_contents(self, tmp_path):
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "b" / "x").write_text("1")
        first = sha256(tmp_path / "a")
        (tmp_path / "a" / "b" / "x").write_text("2")
        second = sha256(tmp_path / "a")
        (tmp_path / "a" / "b" / "x").rename(tmp_path / "a" / "b" / "y")
        assert len({first, second, sha256(tmp_path / "a")}) == 3

    def test_the_size_is_that_of_all_files(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "x").write_bytes(bytes(10))
        (tmp_path / "y").write_bytes(bytes(5))
        assert size_bytes(tmp_path) == 15
        assert size_bytes(tmp_path / "y") == 5
