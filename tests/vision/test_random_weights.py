"""Noise images that look like photos, and layers that are fitted to them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from minivlm.vision.efficientnet import import_timm
from minivlm.vision.pixels import CAFFE_BGR, IMAGENET_RGB, PixelFormat
from minivlm.vision.random_weights import draw_weights, noise_image, noise_input, settle_batch_norm, spread


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestNoiseImage:
    @pytest.mark.parametrize("size", [(224, 224), (96, 160), (33, 17)])
    def test_has_mean_0_and_std_1_in_every_channel(self, size):
        image = noise_image(*size, seeded())
        assert image.shape == (1, 3, *size)
        assert image.dtype == torch.float32
        # Definition; float32 sums over 50,000 pixels.
        torch.testing.assert_close(image.mean(dim=(2, 3)), torch.zeros(1, 3), rtol=0, atol=1e-5)
        torch.testing.assert_close(image.std(dim=(2, 3)), torch.ones(1, 3), rtol=0, atol=1e-5)

    def test_depends_on_the_seed_only(self):
        assert torch.equal(noise_image(64, 64, seeded(1)), noise_image(64, 64, seeded(1)))
        assert not torch.equal(noise_image(64, 64, seeded(1)), noise_image(64, 64, seeded(2)))

    def test_its_amplitude_falls_with_one_over_frequency(self):
        # Field (1987): photos' slope on double logarithmic axes is about -1, from -0.7 to -1.5 (here mean of 4 images).
        images = torch.cat([noise_image(256, 256, seeded(seed)) for seed in range(4)]).mean(dim=1)  # (4, H, W)
        amplitude = torch.fft.rfft2(images).abs().mean(dim=0)
        frequency = torch.hypot(torch.fft.fftfreq(256)[:, None], torch.fft.rfftfreq(256)[None, :])
        used = (frequency > 4 / 256) & (frequency < 0.4)
        x, y = frequency[used].log(), amplitude[used].log()
        slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
        assert -1.5 < slope < -0.7

    def test_it_has_edges_and_flat_areas_unlike_gaussian_noise(self):
        # In photos, differences of neighbours have a kurtosis far above a Gaussian's 3 (Huang and Mumford 1999).
        steps = noise_image(256, 256, seeded()).diff(dim=3)
        kurtosis = steps.pow(4).mean() / steps.square().mean().square()
        assert kurtosis > 6.0

    def test_its_channels_correlate_as_those_of_photos(self):
        # 0.9 of the variance is shared, before sampling.
        correlations = torch.corrcoef(noise_image(256, 256, seeded())[0].flatten(1))
        assert (correlations > 0.75).all()
        assert correlations[0, 1] < 0.99

    @pytest.mark.parametrize(("pixels", "std"), [(CAFFE_BGR, 57.0), (IMAGENET_RGB, 57.0 / 57.3)])
    def test_as_an_input_it_has_the_scale_of_the_pixel_format(self, pixels, std):
        # ImageNet's std is 57.1 to 58.4 of 255 levels, which the tolerance covers; a format without std keeps levels.
        assert noise_input(64, 64, pixels, seeded()).std().item() == pytest.approx(std, rel=0.03)


class TestPixelFormat:
    FORMAT = PixelFormat(channels="bgr", mean=(1.0, 2.0, 3.0), std=(1.0, 2.0, 4.0))

    def test_bgr_reverses_the_channels_before_mean_and_std(self):
        photo = torch.tensor([11.0, 12.0, 13.0]).reshape(1, 3, 1, 1)
        assert self.FORMAT.normalise(photo).flatten().tolist() == [13.0 - 1.0, (12.0 - 2.0) / 2.0, (11.0 - 3.0) / 4.0]

    def test_rgb_keeps_them(self):
        # (255 - 123.675) / 58.395 and so on: white in the usual ImageNet normalisation.
        white = IMAGENET_RGB.normalise(torch.full((1, 3, 2, 2), 255.0))
        torch.testing.assert_close(white[0, :, 0, 0], torch.tensor([2.2489, 2.4286, 2.6400]), rtol=0, atol=1e-4)


class TestSettleBatchNorm:
    @staticmethod
    def network() -> nn.Sequential:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2)
        ).requires_grad_(False)

    def test_running_statistics_are_those_of_the_pass(self):
        network, image = self.network(), torch.randn(2, 3, 9, 9, generator=seeded())
        settle_batch_norm(network, image)
        first = network[0](image).transpose(0, 1).flatten(1)
        torch.testing.assert_close(network[1].running_mean, first.mean(dim=1), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(network[1].running_var, first.var(dim=1), rtol=1e-5, atol=1e-6)  # n - 1, as PyTorch
        # What reaches the second is normalised by the first's own statistics of the pass (n, not n - 1).
        normalised = (first - first.mean(dim=1, keepdim=True)) / (
            first.var(dim=1, correction=0, keepdim=True) + 1e-5
        ).sqrt()
        second = torch.einsum("oc,cn->on", network[4].weight[:, :, 0, 0], normalised.relu()) + network[4].bias[:, None]
        torch.testing.assert_close(network[5].running_mean, second.mean(dim=1), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(network[5].running_var, second.var(dim=1), rtol=1e-4, atol=1e-5)

    def test_a_second_call_forgets_the_first(self):
        network, other = self.network(), self.network()
        settle_batch_norm(network, 100.0 + torch.randn(1, 3, 9, 9, generator=seeded(1)))
        image = torch.randn(1, 3, 9, 9, generator=seeded(2))
        for each in (network, other):
            settle_batch_norm(each, image)
        torch.testing.assert_close(network.state_dict(), other.state_dict(), rtol=0, atol=0)

    def test_leaves_eval_mode_and_the_momenta(self):
        network = self.network()
        network[1].momentum = 0.01
        settle_batch_norm(network.train(), torch.randn(1, 3, 9, 9, generator=seeded()))
        assert not any(layer.training for layer in network.modules())
        assert (network[1].momentum, network[5].momentum) == (0.01, 0.1)

    def test_returns_the_output_which_then_is_that_of_eval_mode(self):
        network, image = self.network(), torch.randn(4, 3, 32, 32, generator=seeded())
        # 3,600 values a channel: the variances differ by a factor of 1 + 1/3600.
        torch.testing.assert_close(settle_batch_norm(network, image), network(image), rtol=1e-3, atol=1e-3)

    def test_knows_timm_s_batch_norms(self):
        layers = import_timm().layers
        norm, image = layers.BatchNormAct2d(3), torch.randn(2, 3, 8, 8, generator=seeded())
        settle_batch_norm(norm, image)
        torch.testing.assert_close(norm.running_mean, image.mean(dim=(0, 2, 3)))


def layer_and_inputs(kind: str) -> tuple[nn.Linear | nn.Conv2d, Tensor]:
    """A layer and positive inputs, as after a ReLU, that share a large offset."""
    torch.manual_seed(0)
    if kind == "linear":
        return nn.Linear(8, 5).requires_grad_(False), torch.rand(40, 8, generator=seeded()) + 10.0
    return nn.Conv2d(8, 5, 3, padding=1).requires_grad_(False), torch.rand(1, 8, 7, 6, generator=seeded()) + 10.0


class TestSpread:
    @given(kind=st.sampled_from(["linear", "conv"]), mean=st.floats(-10, 10), std=st.floats(0.01, 10))
    @settings(max_examples=50, deadline=None)
    def test_outputs_get_the_mean_and_the_std(self, kind, mean, std):
        layer, inputs = layer_and_inputs(kind)
        spread(layer, inputs, mean, std)
        outputs = layer(inputs)
        # Definition; the offset of 10 costs float32 digits.
        assert outputs.mean().item() == pytest.approx(mean, abs=1e-3 * std + 1e-5)
        assert (outputs - outputs.mean()).square().mean().sqrt().item() == pytest.approx(std, rel=1e-3)

    def test_what_spreads_is_the_difference_between_inputs_not_between_channels(self):
        layer, inputs = layer_and_inputs("linear")
        spread(layer, inputs, mean=-2.0, std=2.0)
        torch.testing.assert_close(layer(inputs).mean(dim=0), torch.full((5,), -2.0), rtol=0, atol=1e-3)

    def test_keeps_the_direction_of_the_weights(self):
        layer, inputs = layer_and_inputs("linear")
        before = layer.weight.clone()
        spread(layer, inputs, mean=0.0, std=3.0)
        ratio = layer.weight / before
        torch.testing.assert_close(ratio, ratio[0, 0].expand_as(ratio))
        assert ratio[0, 0] > 0.0

    def test_refuses_a_layer_without_bias(self):
        with pytest.raises(ValueError, match="has no bias"):
            spread(nn.Linear(2, 2, bias=False), torch.rand(3, 2), 0.0, 1.0)

    def test_refuses_inputs_that_do_not_differ(self):
        with pytest.raises(ValueError, match="do not differ"):
            spread(nn.Linear(2, 2), torch.ones(3, 2), 0.0, 1.0)


class TestDrawWeights:
    def test_scale_is_that_of_he_et_al(self):
        layer = nn.Conv2d(64, 128, 3)
        draw_weights(layer, seeded())
        # sqrt(2 / fan_in), 73,728 samples: the sample's std is within 1 %.
        assert layer.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.01)
        assert not layer.bias.any()

    def test_every_tensor_comes_from_the_generator(self):
        def network() -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2), nn.Embedding(5, 2))

        first, second = network(), network()
        nn.init.normal_(first[1].weight)
        nn.init.normal_(first[1].running_mean)
        for each in (first, second):
            draw_weights(each, seeded(7))
        torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)
