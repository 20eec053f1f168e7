"""The form that runtimes take better computes the same, and the model it was made from is left alone."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from export.rewrites.modules import fold_batch_norms, prepared, staged_mean
from minivlm.images.photos import default_photo, load_photo
from minivlm.images.preprocess import letterbox
from minivlm.ops import NMS, scanned, unrolled
from minivlm.vision.bifpn import FrozenSum, WeightedSum
from minivlm.vision.tee import TEE
from minivlm.weights.loading import create_model


@pytest.fixture(scope="module")
def tiny() -> TEE:
    """With fusion weights as after training, of both signs: fresh ones are all 1."""
    model = create_model("tee-tiny")
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, WeightedSum):
            module.weight.copy_(0.5 + torch.randn(module.weight.shape, generator=generator).abs())
            module.weight[0] *= -1.0 if module.weight.numel() == 3 else 1.0
    return model


@pytest.fixture(scope="module")
def rewritten(tiny) -> nn.Module:
    return prepared(tiny, repeat=scanned)


class TestPrepared:
    def test_computes_the_same_maps_up_to_the_rounding_of_folded_constants(self, tiny, photo_path):
        # In double precision, where a fault of 1e-9 would show and rounding does not.
        image = letterbox(load_photo(photo_path), tiny.config.image_size, tiny.config.pixels).image.double()
        original = copy.deepcopy(tiny).double()
        for found, expected in zip(prepared(original, scanned).backbone(image), original.backbone(image), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)

    def test_finds_the_same_regions(self, tiny, rewritten):
        photo = letterbox(load_photo(default_photo()), tiny.config.image_size, tiny.config.pixels)
        given, expected = rewritten(photo.image, photo.extent), tiny(photo.image, photo.extent)
        assert torch.equal(given.tags, expected.tags)
        # float32 through some 50 layers: a thousandth of a feature's deviation of 1, and of a pixel's hundred.
        for name, tolerance in {"features": 1e-3, "boxes": 1e-1, "geometry": 1e-3, "scores": 1e-3}.items():
            torch.testing.assert_close(getattr(given, name), getattr(expected, name), rtol=0, atol=tolerance)

    def test_has_no_batch_norm_no_learned_fusion_and_a_loop_for_nms(self, rewritten):
        kinds = [type(module) for module in rewritten.modules()]
        assert not any(issubclass(kind, nn.BatchNorm2d) for kind in kinds)
        assert WeightedSum not in kinds
        assert kinds.count(FrozenSum) == 8
        steps = [module.repeat for module in rewritten.modules() if isinstance(module, NMS)]
        assert steps == [scanned, scanned]

    def test_records_no_gradients_even_of_a_model_in_training(self, photo_path):
        model = create_model("tee-tiny").requires_grad_()
        photo = letterbox(load_photo(photo_path), model.config.image_size, model.config.pixels)
        assert not any(field.requires_grad for field in prepared(model, unrolled)(photo.image, photo.extent))
        assert all(parameter.requires_grad for parameter in model.parameters())

    def test_leaves_the_original_untouched(self):
        model = create_model("tee-tiny")
        before, kinds = copy.deepcopy(model.state_dict()), [type(module) for module in model.modules()]
        for value in prepared(model, repeat=scanned).parameters():
            value.requires_grad_(False).fill_(7.0)
        torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
        assert [type(module) for module in model.modules()] == kinds
        assert all(module.repeat is unrolled for module in model.modules() if isinstance(module, NMS))


class TestFolding:
    @staticmethod
    def network() -> nn.Sequential:
        """Two convolutions with a BatchNorm each, and one BatchNorm that follows no convolution."""
        torch.manual_seed(0)
        norms = [nn.BatchNorm2d(4), nn.BatchNorm2d(3), nn.BatchNorm2d(3)]
        for norm in norms:
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
        return (
            nn.Sequential(
                nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), norms[0], nn.SiLU()),
                nn.Sequential(nn.Conv2d(4, 3, 1), norms[1]),
                nn.ReLU(),
                norms[2],
            )
            .double()
            .eval()
        )

    def test_keeps_the_function_and_every_norm_that_follows_no_convolution(self):
        network, image = self.network(), torch.randn(1, 2, 6, 7, dtype=torch.float64)
        expected = network(image)
        fold_batch_norms(network)
        torch.testing.assert_close(network(image), expected, rtol=1e-12, atol=1e-12)  # double precision
        assert [type(module) for module in network[0]] == [nn.Conv2d, nn.Identity, nn.SiLU]
        assert isinstance(network[3], nn.BatchNorm2d)

    def test_keeps_the_activation_that_timm_s_batch_norms_carry(self):
        from minivlm.vision.efficientnet import import_timm

        norm = import_timm().layers.BatchNormAct2d(4, act_layer=nn.SiLU).eval()
        nn.init.normal_(norm.running_mean)
        network, image = nn.Sequential(nn.Conv2d(2, 4, 3), norm).double().eval(), torch.randn(1, 2, 5, 5).double()
        expected = network(image)
        fold_batch_norms(network)
        assert not isinstance(network[1], nn.BatchNorm2d)
        torch.testing.assert_close(network(image), expected, rtol=1e-12, atol=1e-12)


@given(height=st.integers(1, 140), width=st.integers(1, 140))
@settings(max_examples=50, deadline=None)
def test_means_in_stages_are_means(height, width):
    feature = torch.randn(1, 2, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(height))
    torch.testing.assert_close(staged_mean(feature), feature.mean((2, 3), keepdim=True), rtol=1e-12, atol=1e-12)
