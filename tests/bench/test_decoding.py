"""Captioning steps of trained weights, beside an artifact of the same ones."""

import pytest

from bench import decoding
from minivlm.errors import UserError
from minivlm.weights.making import make_random


@pytest.fixture
def checkpoint(tmp_path) -> str:
    make_random(tmp_path / "mine", "minivlm-tiny", sizes={"tags": 12})
    return str(tmp_path / "mine")


def test_the_checkpoint_s_own_model_is_measured(checkpoint, capsys):
    decoding.main(["--checkpoint", checkpoint, "--rounds", "2", "--threads", "1"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "Captions of 20 tokens, minivlm-tiny, weights random (seed 0), sha256" in printed
    assert "full recomputation" in printed


def test_an_artifact_of_other_weights_is_not_held_against_them(checkpoint, exported):
    artifact = str(exported("minivlm-tiny").artifact)
    with pytest.raises(
        UserError, match=r"is of minivlm-tiny, weights random \(seed 0\), and minivlm-tiny with weights"
    ):
        decoding.main(["--checkpoint", checkpoint, "--artifact", artifact, "--rounds", "2"])


def test_an_artifact_is_called_by_its_runtime_and_precision(exported):
    assert decoding.title_of(exported("minivlm-tiny").artifact) == "ExecuTorch with XNNPACK, fp32"


@pytest.mark.parametrize("flags", [["--seed", "-1"], ["--checkpoint", "none"], ["--rounds", "1"]])
def test_mistakes(flags):
    with pytest.raises(UserError):
        decoding.main(flags)
