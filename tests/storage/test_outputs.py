"""What a command would write is never what it reads."""

from pathlib import Path

import pytest

from minivlm.errors import UserError
from minivlm.storage.files import check_output, check_outputs


class TestOutputs:
    @pytest.fixture
    def photo(self, tmp_path):
        (tmp_path / "photo.jpg").write_text("pixels")
        return tmp_path / "photo.jpg"

    @pytest.mark.parametrize("way", ["same", "dots", "symbolic link", "hard link", "relative"])
    def test_an_input_by_any_name_is_refused(self, tmp_path, photo, monkeypatch, way):
        monkeypatch.chdir(tmp_path)
        output = tmp_path / "other.jpg"
        match way:
            case "same":
                output = photo
            case "dots":
                (tmp_path / "sub").mkdir()
                output = tmp_path / "sub" / ".." / "photo.jpg"
            case "symbolic link":
                output.symlink_to(photo)
            case "hard link":
                output.hardlink_to(photo)
            case "relative":
                output = Path("photo.jpg")
        with pytest.raises(UserError, match="would be overwritten"):
            check_outputs([output], [photo])

    def test_a_file_in_an_input_folder_and_a_folder_around_an_input_are_refused(self, tmp_path, photo):
        for output, given in ((photo, tmp_path), (tmp_path, photo)):
            with pytest.raises(UserError, match="would be overwritten"):
                check_output(output, [given])
        check_output(tmp_path / "new.jpg", [tmp_path])

    def test_two_outputs_of_one_name_are_refused(self, tmp_path):
        with pytest.raises(UserError, match="one file"):
            check_outputs([tmp_path / "x", tmp_path / "y" / ".." / "x"])
        check_outputs([tmp_path / "x", tmp_path / "y"])
        check_outputs([Path("/dev/null"), Path("/dev/null")])

    def test_a_folder_is_no_file_to_write(self, tmp_path):
        with pytest.raises(UserError, match="is a folder"):
            check_outputs([tmp_path])
