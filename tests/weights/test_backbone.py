"""timm's files load into the backbone, and every file that is not one of them is refused by what is wrong with it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.vision.efficientnet import EfficientNetFeatures, import_timm
from minivlm.weights.backbone import load_backbone, load_backbone_state

NAME = "tinynet_e"
State = dict[str, Tensor]


def settled(model: Any) -> Any:
    """Return timm's model, built as timm builds it, with statistics of what it computes and scales away from 1."""
    for parameter in (one for name, one in model.named_parameters() if ".bn" in name or name.startswith("bn")):
        parameter.data.add_(torch.randn_like(parameter) * 0.2)
    model.train()
    with torch.no_grad():
        for _ in range(30):
            model(torch.randn(4, 3, 64, 64) * 0.05)  # small, so that variances are and eps counts
    return model.eval()


@pytest.fixture(scope="module")
def classifier() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return settled(import_timm().create_model(NAME))


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
    """Same layers in the same order: equal to 1e-5 of the largest value. `forward_features` goes one layer further."""
    write(classifier.state_dict(), tmp_path / name)
    load_backbone(backbone, tmp_path / name)
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    expected = classifier.blocks(classifier.bn1(classifier.conv_stem(image)))
    torch.testing.assert_close(backbone(image)[-1], expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", [NAME, "efficientnet_b0"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_every_map_is_timms_own_as_timm_builds_the_network(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    """The other side is timm's, in float64; 1e-5 of the largest value, what float32 leaves after 50 layers.

    With gammas copied as they are the maps differ by more than 1e-3, for BatchNorm adds another eps here.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        reference = settled(import_timm().create_model(name, features_only=True, out_indices=(1, 2, 3, 4)))
    reference = reference.to(dtype).double()  # what the file can hold
    torch.save(
        {key: one.to(dtype) if one.is_floating_point() else one for key, one in reference.state_dict().items()},
        tmp_path / "weights.pth",
    )
    backbone = EfficientNetFeatures(name).eval()
    load_backbone(backbone, tmp_path / "weights.pth")
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 0.05
    if dtype == torch.float32:
        plain = EfficientNetFeatures(name).eval()
        plain.body.load_state_dict(reference.state_dict())
        assert relative(plain(image)[0], reference(image.double())[0]) > 1e-3
    for found, expected in zip(backbone(image), reference(image.double()), strict=True):
        assert relative(found, expected) < 1e-5


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected).abs().max() / expected.abs().max())


@torch.no_grad()
@pytest.mark.parametrize("variance", [0.0, 1e-12, 1e-5, 1.0, 1e6])
def test_a_batch_norm_computes_what_timms_does_whatever_the_variance(
    classifier: Any, backbone: EfficientNetFeatures, variance: float
) -> None:
    """Arithmetic: gamma / sqrt(var + 1e-5) = new gamma / sqrt(var + 1e-3); 1e-6 relative, float32."""
    state = {**classifier.state_dict(), "bn1.running_var": torch.full((backbone.body.bn1.num_features,), variance)}
    load_backbone_state(backbone, state, "weights")
    slope = backbone.body.bn1.weight.double() / (torch.tensor(variance).double() + 1e-3).sqrt()
    expected = state["bn1.weight"].double() / (torch.tensor(variance).double() + 1e-5).sqrt()
    torch.testing.assert_close(slope, expected, rtol=1e-6, atol=0)


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


class TestConventions:
    """Weights of the same shapes that mean something else are refused where the source says so."""

    def save(self, state: State, folder: Path, name: str = "model.safetensors") -> Path:
        folder.mkdir(exist_ok=True)
        save_safetensors(state, folder / name)
        return folder / name

    @pytest.mark.parametrize(
        ("folder", "name"),
        [
            ("here", "tf_efficientnet_b0_ns.safetensors"),
            ("tf_efficientnet_b0.ns_jft_in1k", "model.safetensors"),
        ],
    )
    def test_tensorflows_padding_by_name(
        self, classifier: Any, backbone: EfficientNetFeatures, tmp_path: Path, folder: str, name: str
    ) -> None:
        path = self.save(classifier.state_dict(), tmp_path / folder, name)
        with pytest.raises(UserError, match=r"TensorFlow's padding .* take weights without tf_"):
            load_backbone(backbone, path)

    def test_tensorflows_padding_on_the_hub_before_anything_is_fetched(self, backbone: EfficientNetFeatures) -> None:
        with pytest.raises(UserError, match="TensorFlow's padding"):
            load_backbone(backbone, "timm/tf_efficientnet_b0.ns_jft_in1k")

    @pytest.mark.parametrize(
        ("config", "complaint"),
        [
            ({"architecture": "tf_efficientnet_b0"}, "TensorFlow's padding"),
            ({"architecture": "efficientnet_b0"}, "says that it is efficientnet_b0: give timm's weights of tinynet_e"),
            ({"architecture": NAME, "pretrained_cfg": {"mean": [0.5, 0.5, 0.5]}}, "pixels of mean"),
            ({"architecture": NAME, "pretrained_cfg": {"std": [0.5, 0.5, 0.5]}}, "pixels of std"),
            ({"architecture": NAME, "pretrained_cfg": {"mean": "imagenet"}}, "pixels of mean"),
            ({"mean": [1, 2]}, "pixels of mean"),
        ],
    )
    def test_what_a_config_beside_the_file_says(
        self, classifier: Any, backbone: EfficientNetFeatures, tmp_path: Path, config: Any, complaint: str
    ) -> None:
        path = self.save(classifier.state_dict(), tmp_path)
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(UserError, match=complaint):
            load_backbone(backbone, path)

    def test_what_a_training_script_says(self, classifier: Any, backbone: EfficientNetFeatures, tmp_path: Path) -> None:
        torch.save({"arch": "tf_efficientnet_b0", "state_dict": classifier.state_dict()}, tmp_path / "last.pth")
        with pytest.raises(UserError, match="TensorFlow's padding"):
            load_backbone(backbone, tmp_path / "last.pth")

    def test_what_metadata_says(self, classifier: Any, backbone: EfficientNetFeatures, tmp_path: Path) -> None:
        from safetensors.torch import save_file

        said = {"architecture": "tf_efficientnet_b0"}
        save_file(classifier.state_dict(), tmp_path / "weights.safetensors", metadata=said)
        with pytest.raises(UserError, match="TensorFlow's padding"):
            load_backbone(backbone, tmp_path / "weights.safetensors")

    def test_what_was_assumed_is_said(self, classifier: Any, backbone: EfficientNetFeatures, tmp_path: Path) -> None:
        silent = self.save(classifier.state_dict(), tmp_path / "silent", "weights.safetensors")
        assert load_backbone(backbone, silent).convention.endswith("ImageNet's pixels, which it does not say")
        config = {"architecture": NAME, "pretrained_cfg": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}}
        named = self.save(classifier.state_dict(), tmp_path / "named")
        (tmp_path / "named" / "config.json").write_text(json.dumps(config))
        report = load_backbone(backbone, named)
        assert report.convention.endswith("ImageNet's pixels, as its name says")
        assert {key.split(".")[0] for key in report.ignored} == {"conv_head", "bn2", "classifier"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda one: one * float("nan"), "NaN or infinite"),
        (lambda one: one.double() * 1e300, "NaN or infinite"),
        (lambda one: one.to(torch.int8), "conv_stem.weight is int8"),
        (lambda one: one.to(torch.complex64), "conv_stem.weight is complex64"),
        (lambda one: one > 0, "conv_stem.weight is bool"),
        (lambda one: one.to_sparse(), "kept as torch.sparse_coo"),
        (lambda one: one.to("meta"), "without values"),
    ],
)
def test_values_that_no_trained_weight_has_are_refused_and_change_nothing(
    classifier: Any, backbone: EfficientNetFeatures, change: Callable[[Tensor], Tensor], complaint: str
) -> None:
    before = {key: one.clone() for key, one in backbone.state_dict().items()}
    state = {**classifier.state_dict(), "conv_stem.weight": change(classifier.conv_stem.weight.detach())}
    with pytest.raises(UserError, match=complaint):
        load_backbone_state(backbone, state, "weights")
    assert all(torch.equal(one, before[key]) for key, one in backbone.state_dict().items())


def test_a_negative_variance_is_refused(classifier: Any, backbone: EfficientNetFeatures) -> None:
    state = {**classifier.state_dict(), "bn1.running_var": -torch.ones_like(classifier.bn1.running_var)}
    with pytest.raises(UserError, match=r"bn1.running_var holds a negative variance"):
        load_backbone_state(backbone, state, "weights")
