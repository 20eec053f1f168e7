"""State dicts of other people's files: one model's tensors come out under its own names, or one line says why not."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.weights.state_dicts import modules_of, read_state_file, refuse_quantized, without_wrappers

PLAIN = {"stem.weight": torch.ones(2), "head.bias": torch.zeros(1)}


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{key}": tensor for key, tensor in PLAIN.items()}


@pytest.mark.parametrize(
    "prefix",
    ["", "module.", "model.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.module.", "net.model."],
)
def test_wrappers_of_all_keys_are_taken_off(prefix: str) -> None:
    assert without_wrappers(prefixed(prefix), "file") == PLAIN


def test_marks_of_torch_itself_are_taken_out_of_the_middle() -> None:
    state = {"stem._orig_mod.weight": PLAIN["stem.weight"], "head._checkpoint_wrapped_module.bias": PLAIN["head.bias"]}
    assert without_wrappers(state, "file") == PLAIN


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.model."])
def test_keys_that_begin_in_two_ways_are_refused(prefix: str) -> None:
    with pytest.raises(UserError, match=r"file mixes keys that begin with .* save the state dict of one model"):
        without_wrappers({**prefixed(prefix), "other.weight": torch.ones(1)}, "file")
    with pytest.raises(UserError, match="mixes keys"):
        without_wrappers({"model.a": torch.ones(1), "module.b": torch.ones(1)}, "file")


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(UserError, match=r"both mean stem\.weight"):
        without_wrappers({**PLAIN, "_orig_mod.stem.weight": torch.zeros(2)}, "file")


@pytest.mark.parametrize(
    "hold",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3, "arch": "net"},
        lambda state: {"model": state, "optimizer": {"state": {0: {"step": 1}}}},
        lambda state: {"model_state_dict": state},
        lambda state: {"checkpoint": 1, "model": {"state_dict": state}},
        lambda state: {"state_dict": {}, "state_dict_ema": state},  # averaged weights are what is published
        OrderedDict,
    ],
)
def test_the_state_dict_is_found_in_what_training_scripts_save(tmp_path: Path, hold: Callable[[Any], Any]) -> None:
    torch.save(hold(PLAIN), tmp_path / "file.pth")
    found = read_state_file(tmp_path / "file.pth").state
    assert found.keys() == PLAIN.keys()
    assert all(torch.equal(found[key], PLAIN[key]) for key in PLAIN)


def test_texts_beside_it_are_kept(tmp_path: Path) -> None:
    torch.save({"state_dict": PLAIN, "arch": "net", "epoch": 3}, tmp_path / "file.pth")
    assert read_state_file(tmp_path / "file.pth").said == {"arch": "net"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({3: torch.ones(1)}, r"it has the key 3"),
        ({"a": [torch.ones(1)]}, "a is a list"),
        ({"a": {"b": torch.ones(1)}}, "a is a dict"),
        ({"a": None}, "a is a NoneType"),
        ([torch.ones(1)], "it holds a list"),
        (torch.ones(1), "it holds a Tensor"),
        (7, "it holds a int"),
        ({"a\nb\x1b[31m": 1}, r"a\\nb\\x1b\[31m is a int"),
        ({"a": np.float64(1.0)}, r"it holds numpy\.\S+, and only tensors"),
        (torch.nn.Linear(1, 1), r"it holds torch\.nn\S+Linear, and only tensors"),
    ],
)
def test_anything_else_is_named_on_one_printable_line(tmp_path: Path, content: object, complaint: str) -> None:
    torch.save(content, tmp_path / "file.bin")
    with pytest.raises(UserError, match=complaint) as caught:
        read_state_file(tmp_path / "file.bin")
    assert str(caught.value).isprintable()
    assert "save model.state_dict() there" in str(caught.value)


def test_dicts_that_hold_each_other_come_to_an_end(tmp_path: Path) -> None:
    content: dict[str, Any] = {}
    content["model"] = content
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(UserError, match="not a state dict"):
        read_state_file(tmp_path / "file.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"version https://git-lfs", b"PK\x03\x04" + bytes(100), bytes(1000)])
def test_a_damaged_file_is_called_damaged(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match="truncated or damaged") as caught:
        read_state_file(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "key",
    [
        "layer.weight.SCB",
        "layer.SCB",
        "layer.weight_format",
        "layer.qweight",
        "layer.qzeros",
        "layer.scales",
        "layer.g_idx",
        "layer.weight.absmax",
        "layer.weight.quant_map",
        "layer.weight.quant_state.bitsandbytes__nf4",
        "layer.weight_scale_inv",
        "layer.zero_point",
        "layer._packed_params.dtype",
    ],
)
def test_what_only_quantized_weights_need_is_refused_by_key(key: str) -> None:
    with pytest.raises(UserError, match=r"file holds quantized weights \(layer"):
        refuse_quantized({**PLAIN, key: torch.ones(1)}, "file")


def test_what_was_left_out_is_listed_by_module() -> None:
    keys = ["a.weight", "a.bias", "b", *(f"c{number}.weight" for number in range(9))]
    assert modules_of(keys) == "a, b, c0, c1, c2, c3, c4, c5 and 3 more"
