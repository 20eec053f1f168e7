"""The flags --checkpoint and --seed of every script, and the models that go with them."""

import pytest

from export.core.weights import Weights, add_weights_flags, read_weights
from minivlm.command_line import script_parser
from minivlm.errors import UserError
from minivlm.weights.making import make_random


@pytest.fixture
def folder(tmp_path):
    make_random(tmp_path / "mine", "minivlm-tiny")
    return tmp_path / "mine"


def given(*argv: str) -> Weights:
    parser = script_parser("")
    add_weights_flags(parser)
    arguments = parser.parse_args(argv)
    return read_weights(arguments.checkpoint, arguments.seed)


def refusal(*argv: str) -> str:
    with pytest.raises(UserError) as caught:
        given(*argv)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_without_flags_are_random_of_seed_0():
    assert given() == Weights(None, 0)
    assert given("--seed", "7") == Weights(None, 7)
    assert given("--seed", "0") == Weights(None, 0)


def test_reach_another_command_unchanged(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert given(*given("--checkpoint", "mine").flags()).checkpoint == folder
    assert given(*given("--seed", "7").flags()) == Weights(None, 7)
    assert given(*given().flags()) == Weights()


@pytest.mark.parametrize("seed", ["0", "3"])
def test_a_seed_beside_a_checkpoint_is_refused(folder, seed):
    assert "leave one of the two out" in refusal("--seed", seed, "--checkpoint", str(folder))


@pytest.mark.parametrize("seed", ["-1", "-99999999999", str(2**63), "9" * 40])
def test_a_seed_out_of_bounds_is_refused(seed):
    assert f"--seed {seed}: give a number from 0 to 9223372036854775807" in refusal(f"--seed={seed}")


@pytest.mark.parametrize("seed", ["1.5", "x", "", "1e3", "٣"])
def test_a_seed_that_is_no_number_is_refused(seed):
    assert "--seed" in refusal(f"--seed={seed}")


def test_a_checkpoint_that_is_none_is_refused(tmp_path):
    assert "is not a folder" in refusal("--checkpoint", str(tmp_path / "nowhere"))
    assert "has no config.json" in refusal("--checkpoint", str(tmp_path))
    assert "is empty" in refusal("--checkpoint", "")


class TestModels:
    def test_are_the_checkpoint_s_where_none_is_named(self, folder):
        assert Weights(folder).models(None, ["tee-0", "minilm"]) == ["minivlm-tiny"]
        assert Weights(folder).models(["tee-tiny"], ["tee-0", "minilm"]) == ["tee-tiny"]
        assert Weights().models(None, ("tee-0", "minilm")) == ["tee-0", "minilm"]

    def test_that_the_checkpoint_does_not_hold_are_refused(self, folder):
        assert Weights(folder).describe("minilm-tiny").origin == Weights(folder).describe("minivlm-tiny").origin
        for model in ("tee-0", "r101-f-tiny", "minivlm"):
            with pytest.raises(UserError, match=f"not '{model}': pass --model minivlm-tiny or tee-tiny or minilm-tiny"):
                Weights(folder).describe(model)
