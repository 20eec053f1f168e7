"""timm's files load into the backbone, and every file that is not one of them is refused by what is wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.vision.efficientnet import EfficientNetFeatures, import_timm
from minivlm.vision.pretrained import load_backbone

NAME = "tinynet_e"
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def classifier() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return import_timm().create_model(NAME, bn_eps=1e-3).eval()


@pytest.fixture
def backbone() -> EfficientNetFeatures:
    return EfficientNetFeatures(NAME).eval()


def save_safetensors(state: State, path: Path) -> None:
    from safetensors.torch import save_file

    save_file(state, path)


WRITERS: list[tuple[str, Callable[[State, Path], None]]] = [
    ("weights.safetensors", save_safetensors),
    ("weights.pth", torch.save),
    ("weights.bin", lambda state, path: torch.save({f"module.{key}": one for key, one in state.items()}, path)),
    ("weights.pt", lambda state, path: torch.save({"state_dict": state, "epoch": 3}, path)),
]


@torch.no_grad()
@pytest.mark.parametrize(("name", "write"), WRITERS, ids=["safetensors", "plain", "data parallel", "training script"])
def test_the_last_map_is_the_one_that_timms_classifier_computes(
    classifier: Any,
    backbone: EfficientNetFeatures,
    tmp_path: Path,
    name: str,
    write: Callable[[State, Path], None],
) -> None:
    """Same layers in the same order: equal to 1e-6. timm's `forward_features` goes one convolution further."""
    write(classifier.state_dict(), tmp_path / name)
    load_backbone(backbone, tmp_path / name)
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    expected = classifier.blocks(classifier.bn1(classifier.conv_stem(image)))
    torch.testing.assert_close(backbone(image)[-1], expected, atol=1e-6, rtol=0)


def test_old_files_without_batch_counters_are_read(
    classifier: Any, backbone: EfficientNetFeatures, tmp_path: Path
) -> None:
    state = {key: one for key, one in classifier.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "old.pth")
    load_backbone(backbone, tmp_path / "old.pth")
    assert torch.equal(backbone.body.conv_stem.weight, classifier.conv_stem.weight)


def without(state: State) -> State:
    return {key: one for key, one in state.items() if key != "blocks.0.0.conv_dw.weight"}


def narrower(state: State) -> State:
    return {**state, "conv_stem.weight": state["conv_stem.weight"][:, :1].clone()}


def deeper(state: State) -> State:
    return {**state, "blocks.9.0.conv_dw.weight": torch.zeros(1)}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (without, r"no weights for blocks\.0\.0\.conv_dw\.weight"),
        (narrower, r"conv_stem\.weight has shape"),
        (deeper, r"holds blocks\.9\.0\.conv_dw\.weight, which tinynet_e lacks"),
    ],
)
def test_another_network_is_refused_and_changes_nothing(
    classifier: Any,
    backbone: EfficientNetFeatures,
    tmp_path: Path,
    change: Callable[[State], State],
    complaint: str,
) -> None:
    before = {key: one.clone() for key, one in backbone.state_dict().items()}
    torch.save(change(classifier.state_dict()), tmp_path / "other.pth")
    with pytest.raises(UserError, match=complaint):
        load_backbone(backbone, tmp_path / "other.pth")
    assert all(torch.equal(one, before[key]) for key, one in backbone.state_dict().items())


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth", "weights.npz"])
def test_a_file_that_holds_no_weights_is_refused_in_one_line(
    backbone: EfficientNetFeatures, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"not weights")
    with pytest.raises(UserError, match=name) as caught:
        load_backbone(backbone, tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_pickle_that_runs_code_is_not_run(backbone: EfficientNetFeatures, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"conv_stem.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(UserError, match="cannot be read"):
        load_backbone(backbone, tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("source", ["nowhere.pth", "some folder/x", "a/b/c"])
def test_a_source_that_can_be_neither_file_nor_name_is_refused(backbone: EfficientNetFeatures, source: str) -> None:
    with pytest.raises(UserError, match="no file"):
        load_backbone(backbone, source)


def test_an_unreachable_hub_ends_in_which_file_to_get_and_where_to_put_it(
    backbone: EfficientNetFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def unreachable(*_: object) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    with pytest.raises(UserError) as caught:
        load_backbone(backbone, "timm/tinynet_e.in1k")
    assert str(caught.value) == (
        "cannot get timm/tinynet_e.in1k from the Hugging Face hub (ConnectionError): get model.safetensors from its"
        " page elsewhere, save it here as tinynet_e.in1k.safetensors and pass --backbone tinynet_e.in1k.safetensors"
    )
