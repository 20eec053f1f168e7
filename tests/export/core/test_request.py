"""The flags of every exporter."""

from dataclasses import replace
from pathlib import Path

import pytest

from export.core.format import Family
from export.core.formats import FORMATS
from export.core.request import ExportRequest, check_writable, parse_image_size, parse_request
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.weights.checkpoint import CheckpointInfo, save
from minivlm.weights.loading import create_model
from tests.evaluation.made import data_folder
from tests.tiny import save_photo

TARGET = replace(FORMATS["executorch"], precisions=dict.fromkeys(Family, ("fp32", "int8")))


def random_checkpoint(folder: Path, model: str) -> Path:
    save(folder, create_model(model), CheckpointInfo(model, origin="trained", random=False))
    return folder


def refusal(*argv: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_request("Export.", TARGET, argv)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("text", "size"), [("512", (512, 512)), ("384x512", (384, 512)), ("384X512", (384, 512))])
def test_an_image_size_is_a_square_or_height_by_width(text, size):
    assert parse_image_size(text) == size


BROKEN = ("", "x", "512x", "x512", "1x2x3", "-32", "3.5", "big", "512 512", "0x10x", "0512", "5_12", "512\n")
OTHER_DIGITS = "\u0665\u0661\u0662"  # 512 in Arabic


@pytest.mark.parametrize("text", [*BROKEN, OTHER_DIGITS, "9" * 5000, f"32x{'9' * 10}"])
def test_anything_else_is_no_image_size(text):
    with pytest.raises(UserError, match="such as 384x512"):
        parse_image_size(text)


class TestRequest:
    def test_without_flags_but_the_model(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert parse_request("Export.", TARGET, ["--model", "tee-0"]) == ExportRequest(
            runtime="executorch",
            model="tee-0",
            precision="fp32",
            checkpoint=None,
            image_size=None,
            output=Path("artifacts"),
            photo=default_photo(),
            seed=0,
            calibration=None,
            calibration_samples=6,
            keep_float=(),
        )

    def test_with_all_of_them(self, tmp_path):
        flags = ["--model", "minivlm", "--precision", "int8", "--image-size", "384x512"]
        photo = save_photo(tmp_path / "p.png")
        flags += ["--output", str(tmp_path / "out"), "--photo", str(photo), "--seed", "7"]
        flags += ["--calibration", "photos", "--num-calibration-samples", "9"]
        flags += ["--keep-float", "rpn", "--keep-float", "backbone.*"]
        assert parse_request("Export.", TARGET, flags) == ExportRequest(
            runtime="executorch",
            model="minivlm",
            precision="int8",
            checkpoint=None,
            image_size=(384, 512),
            output=tmp_path / "out",
            photo=photo,
            seed=7,
            calibration=Path("photos"),
            calibration_samples=9,
            keep_float=("rpn", "backbone.*"),
        )

    def test_a_checkpoint_knows_its_model(self, tmp_path):
        folder = random_checkpoint(tmp_path / "run", "minilm-tiny")
        request = parse_request("Export.", TARGET, ["--checkpoint", str(folder), "--output", str(tmp_path)])
        assert (request.model, request.checkpoint) == (None, folder)

    def test_neither_model_nor_checkpoint_is_nothing_to_export(self):
        assert "nothing to export" in refusal()

    def test_names_are_checked_before_a_folder_is_made(self, tmp_path):
        output = ("--output", str(tmp_path / "out"))
        assert "did you mean tee-0" in refusal("--model", "tee0", *output)
        assert "unknown precision 'fp23': did you mean fp32 or fp16?" in refusal(
            "--model", "tee-0", "--precision", "fp23", *output
        )
        assert not (tmp_path / "out").exists()

    def test_the_photo_of_the_verification_is_looked_at(self, tmp_path):
        assert "does not exist" in refusal("--model", "tee-0", "--photo", "none.jpg", "--output", str(tmp_path))

    def test_a_seed_must_be_one_that_generators_take(self, tmp_path):
        assert "is no whole number from 0 to" in refusal("--model", "minilm", "--seed", "-1", "--output", str(tmp_path))
        assert "is no whole number from 0 to" in refusal(
            "--model", "minilm", "--seed", "9" * 30, "--output", str(tmp_path)
        )


class TestFlagsThatWouldDoNothing:
    @pytest.mark.parametrize(
        ("flags", "reason"),
        [
            (("--model", "minilm", "--image-size", "512"), "--image-size goes with a vision model, and minilm is"),
            (("--model", "minilm", "--photo", "p.jpg"), "--photo goes with a vision model, and minilm is"),
            (
                ("--model", "minilm", "--precision", "int8", "--calibration", "d"),
                "--calibration goes with a vision",
            ),
            (
                ("--model", "minilm", "--num-calibration-samples", "6"),
                "--num-calibration-samples goes with a",
            ),
            (("--model", "tee-0", "--calibration", "d"), "--calibration goes with --precision int8 or int4: at"),
            (
                ("--model", "minivlm", "--num-calibration-samples", "6"),
                "--num-calibration-samples goes with --",
            ),
            (("--model", "tee-0", "--keep-float", "rpn"), "--keep-float goes with fewer bits, and fp32 is float"),
        ],
    )
    def test_are_refused_before_a_folder_is_made(self, tmp_path, flags, reason):
        assert reason in refusal(*flags, "--output", str(tmp_path / "out"))
        assert not (tmp_path / "out").exists()

    def test_a_seed_beside_a_checkpoint_is_refused_even_if_it_is_the_default(self, tmp_path):
        folder = random_checkpoint(tmp_path / "run", "minilm-tiny")
        assert "--seed is of random weights" in refusal("--checkpoint", str(folder), "--seed", "0")

    def test_a_checkpoint_s_model_counts(self, tmp_path):
        folder = random_checkpoint(tmp_path / "run", "minilm-tiny")
        assert "minilm-tiny is a transformer" in refusal("--checkpoint", str(folder), "--photo", "p.jpg")


class TestWritable:
    def test_makes_the_folder_and_those_above_it(self, tmp_path):
        check_writable(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b").is_dir()

    @pytest.mark.parametrize("name", ["file", "file/out"])
    def test_a_file_in_its_place_is_refused(self, tmp_path, name):
        (tmp_path / "file").write_text("")
        with pytest.raises(UserError, match="--output"):
            check_writable(tmp_path / name)

    def test_a_folder_without_permission_is_refused(self, tmp_path, monkeypatch):
        # Asked of the system, which grants everything to root.
        monkeypatch.setattr("export.core.request.os.access", lambda path, mode: False)
        with pytest.raises(UserError, match="is not writable: choose another with --output"):
            check_writable(tmp_path)


class TestEvaluation:
    """What has no score is refused before any work, in one line."""

    def test_with_data_and_trained_weights_is_taken(self, tmp_path):
        folder, data = random_checkpoint(tmp_path / "run", "tee-tiny"), data_folder(tmp_path / "data")
        flags = ["--checkpoint", str(folder), "--output", str(tmp_path / "out"), "--evaluate", str(data)]
        assert parse_request("Export.", TARGET, flags).evaluate_limit == 100
        request = parse_request("Export.", TARGET, [*flags, "--evaluate-limit", "7"])
        assert (request.evaluate, request.evaluate_limit) == (data, 7)

    def test_of_random_weights_means_nothing(self, tmp_path):
        reason = "--evaluate goes with trained weights"
        assert reason in refusal("--model", "tee-tiny", "--evaluate", str(tmp_path))
        save(tmp_path / "run", create_model("tee-tiny"), CheckpointInfo("tee-tiny", origin="a seed", random=True))
        assert reason in refusal("--checkpoint", str(tmp_path / "run"), "--evaluate", str(tmp_path))

    def test_of_a_transformer_alone_has_no_task(self, tmp_path):
        folder = random_checkpoint(tmp_path / "run", "minilm-tiny")
        assert "minilm-tiny is a transformer" in refusal("--checkpoint", str(folder), "--evaluate", str(tmp_path))

    def test_needs_data(self, tmp_path):
        folder = random_checkpoint(tmp_path / "run", "tee-tiny")
        (tmp_path / "empty").mkdir()
        assert "holds no data" in refusal("--checkpoint", str(folder), "--evaluate", str(tmp_path / "empty"))
        assert "is no folder" in refusal("--checkpoint", str(folder), "--evaluate", str(tmp_path / "none"))

    def test_a_limit_alone_would_do_nothing(self):
        assert "goes with --evaluate DIR" in refusal("--model", "tee-tiny", "--evaluate-limit", "7")
