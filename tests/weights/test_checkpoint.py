"""A checkpoint folder gives back the model that was saved, and says what is wrong with one that cannot."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from minivlm.errors import UserError
from minivlm.inference.backend import load_torch_backend
from minivlm.models.registry import build
from minivlm.storage.files import sha256
from minivlm.weights import checkpoint
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.labels import random_labels, write_labels
from minivlm.weights.loading import load_model
from minivlm.weights.making import make_random
from tests.tiny import CONFIG, NAME
from tests.weights.made import assert_same_state, damage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of seed 3."""
    make_random(tmp_path / "saved", NAME, seed=3)
    return tmp_path / "saved"


def edit(folder: Path, changes: Mapping[str, Any]) -> None:
    path = folder / "config.json"
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))


def test_loading_gives_the_saved_weights_bit_for_bit(folder: Path) -> None:
    assert_same_state(load_model(checkpoint=folder).module, load_model(NAME, seed=3).module)


def test_saving_what_was_loaded_gives_the_same_files(folder: Path, tmp_path: Path) -> None:
    backend = load_torch_backend(checkpoint=folder)
    write_labels(tmp_path / "again", backend.labels)
    checkpoint.save(tmp_path / "again", backend.module, checkpoint.read_info(folder))
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_unusual_values_survive(tmp_path: Path) -> None:
    """Negative zero, denormals and the largest floats are values like others."""
    model = load_model(NAME).module
    strange = torch.tensor([-0.0, 1e-42, 3.4e38, -3.4e38, 1e-30])
    next(model.parameters()).view(-1)[:5] = strange
    checkpoint.save(tmp_path, model, CheckpointInfo(NAME, "test", random=False, heads=CONFIG.heads))
    assert_same_state(load_model(checkpoint=tmp_path).module, model)


def test_the_folder_alone_says_which_model_it_is_and_that_it_is_random(folder: Path) -> None:
    model = load_model(checkpoint=folder)
    assert model.name == NAME
    assert model.origin.random
    assert model.origin.sha256 == sha256(folder / "model.safetensors")
    assert model.origin.description == f"random (seed 3), sha256 {model.origin.sha256[:12]}"


def test_a_checkpoint_may_have_some_heads_only(tmp_path: Path) -> None:
    config = replace(CONFIG, heads=("match",))
    info = CheckpointInfo(NAME, "trained for retrieval", random=False, heads=config.heads)
    write_labels(tmp_path, random_labels(config))
    checkpoint.save(tmp_path, build(config), info)
    backend = load_torch_backend(checkpoint=tmp_path)
    assert backend.config.heads == ("match",)
    assert not backend.origin.random


def test_a_part_of_a_model_has_a_checkpoint_but_no_tasks(tmp_path: Path) -> None:
    model = load_model("minilm-tiny")
    checkpoint.save(tmp_path, model.module, CheckpointInfo(model.name, "test", random=False))
    assert_same_state(load_model(checkpoint=tmp_path).module, model.module)
    with pytest.raises(UserError, match="only a part"):
        load_torch_backend(checkpoint=tmp_path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"modle": "minivlm"}, "unknown key 'modle': did you mean model"),
        ({"model": ...}, "lacks the key 'model'"),
        ({"random": ...}, "lacks the key 'random'"),
        ({"model": 3}, "'model' of the wrong type"),
        ({"random": "no"}, "'random' of the wrong type"),
        ({"heads": "vqa"}, "'heads' of the wrong type"),
        ({"heads": ["vqa", "vqa"]}, "can be there once"),
        ({"heads": ["vqa", "captions"]}, "unknown head 'captions'"),
        ({"heads": ["vqa"]}, "does not fit its model"),
        ({"sources": []}, "'sources' of the wrong type"),
        ({"format": 2}, "reads format 1"),
        ({"model": "minivml"}, "did you mean minivlm"),
        ({"model": "tee-tiny"}, "has none"),
        ({"model": "tee-tiny", "heads": []}, "does not fit its model"),
    ],
)
def test_a_config_that_is_not_one_is_refused(folder: Path, changes: Mapping[str, Any], complaint: str) -> None:
    edit(folder, changes)
    with pytest.raises(UserError, match=complaint) as caught:
        load_torch_backend(checkpoint=folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{", "nonsense", "[" * 100_000, '{"model": "\ud800"}'])
def test_a_config_that_is_no_object_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode("utf-8", errors="surrogatepass"))
    with pytest.raises(UserError, match=r"config\.json"):
        load_torch_backend(checkpoint=folder)


@pytest.mark.parametrize("kept", [0, 7, 100, 20_000, -1])
def test_truncated_weights_are_refused(folder: Path, kept: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match="truncated or damaged"):
        load_model(checkpoint=folder)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "vocab.txt", "tags.txt", "answers.txt"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(UserError, match=file):
        load_torch_backend(checkpoint=folder)


def test_a_name_that_contradicts_the_checkpoint_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="holds 'minivlm-tiny', not 'minivlm': pass --model minivlm-tiny"):
        load_model("minivlm", checkpoint=folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_no_number_is_named_at_loading(folder: Path, value: float) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        state["heads.nlvr2.classifier.bias"][-1] = value

    damage(folder, change)
    with pytest.raises(UserError, match=r"nlvr2.classifier.bias holds 1 values of 2 that are NaN"):
        load_model(checkpoint=folder)


def test_a_negative_variance_is_named_at_loading(folder: Path) -> None:
    key = "vision.backbone.efficientnet.body.bn1.running_var"

    def change(state: dict[str, torch.Tensor]) -> None:
        state[key][0] = -1.0

    damage(folder, change)
    with pytest.raises(UserError, match=f"{key} holds a negative variance"):
        load_model(checkpoint=folder)


@pytest.mark.parametrize("dtype", [torch.int8, torch.float16, torch.float64])
def test_another_type_is_named_at_loading(folder: Path, dtype: torch.dtype) -> None:
    key = "heads.nlvr2.classifier.bias"
    damage(folder, lambda state: state.update({key: state[key].to(dtype)}))
    with pytest.raises(UserError, match=f"first {key} .*{dtype}"):
        load_model(checkpoint=folder)


def test_what_could_not_be_loaded_is_never_saved(tmp_path: Path) -> None:
    model = load_model(NAME).module
    next(model.parameters()).view(-1)[0] = float("nan")
    with pytest.raises(UserError, match="NaN or infinite"):
        checkpoint.save(tmp_path, model, CheckpointInfo(NAME, "test", random=False, heads=CONFIG.heads))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "vocab.txt", "tags.txt", "answers.txt"])
def test_a_folder_in_a_files_place_is_called_one(folder: Path, file: str) -> None:
    (folder / file).unlink()
    (folder / file).mkdir()
    with pytest.raises(UserError, match=f"{file} is a folder"):
        load_torch_backend(checkpoint=folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "vocab.txt", "tags.txt", "answers.txt"])
def test_a_file_without_permission_is_neither_missing_nor_damaged(folder: Path, file: str) -> None:
    (folder / file).chmod(0)
    with pytest.raises(UserError, match=r"(no permission to read|Permission denied)"):
        load_torch_backend(checkpoint=folder)


def test_an_empty_name_is_not_the_current_folder() -> None:
    with pytest.raises(UserError, match="name is empty"):
        load_model(checkpoint="")
