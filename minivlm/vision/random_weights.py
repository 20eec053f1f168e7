"""Random weights that behave like trained ones: well-spread scores, boxes that move, no ties, no dead channels.

Fresh weights give flat scores and boxes that sit on their anchors, so sorting, NMS and equality would be tested and
timed on ties. The functions here measure a layer's outputs on a noise image and rescale the layer.
"""

from typing import Any

import torch
from torch import Tensor, nn

from minivlm.vision.pixels import PixelFormat

# Share of a channel's variance that all three channels have in common; in photos they correlate by about 0.9.
SHARED_VARIANCE = 0.9
# Standard deviation of photos' pixels on the scale 0..255, as that of ImageNet.
PHOTO_STD = 57.0
# Discs of a noise image, and their radii as shares of its longer side: enough to leave little of the ground uncovered.
LEAVES = 400
MIN_RADIUS, MAX_RADIUS = 1 / 40, 1 / 2
# Largest standard deviation of the texture on a disc; that of the discs' colours is 1.
MAX_TEXTURE = 0.6


def noise_image(height: int, width: int, generator: torch.Generator) -> Tensor:
    """Return a random image with the statistics of photos, by the dead leaves model (Lee, Mumford and Huang 2001).

    Discs of all sizes hide one another, so there are edges, flat areas and differences of contrast from place to place,
    and the amplitude falls with 1 / frequency. Plain 1 / f noise has the spectrum only: a network that is fitted to it
    gets features on photos that are several times too large.

    Args:
        height: Pixels.
        width: Pixels.
        generator: CPU source of randomness.

    Returns:
        (1, 3, height, width) float32, each channel with mean 0 and standard deviation 1.
    """
    longer = max(height, width)
    # Radii of density r**-3, which makes the image look the same at every scale.
    bounds = torch.tensor([(longer * MIN_RADIUS) ** -2, (longer * MAX_RADIUS) ** -2])
    radii = torch.lerp(bounds[0], bounds[1], torch.rand(LEAVES, generator=generator)) ** -0.5
    centers = torch.rand(LEAVES, 2, generator=generator) * torch.tensor([height, width])
    colors = _correlated(torch.randn(LEAVES, 4, generator=generator))
    contrasts = MAX_TEXTURE * torch.rand(LEAVES, 1, generator=generator)
    leaves = torch.cat([colors, contrasts], dim=1)  # (LEAVES, 4)

    canvas = torch.tensor([0.0, 0.0, 0.0, MAX_TEXTURE]).repeat(height, width, 1)  # (H, W, 4)
    for leaf, (row, column), radius in zip(leaves, centers.tolist(), radii.tolist(), strict=True):
        top, bottom = max(0, int(row - radius)), min(height, int(row + radius) + 1)
        left, right = max(0, int(column - radius)), min(width, int(column + radius) + 1)
        y, x = torch.arange(top, bottom)[:, None] - row, torch.arange(left, right) - column
        area = canvas[top:bottom, left:right]
        area.copy_(torch.where((y * y + x * x < radius * radius)[..., None], leaf, area))
    image = canvas[..., :3] + canvas[..., 3:] * _texture(height, width, generator)
    image = (image - image.mean(dim=(0, 1))) / image.std(dim=(0, 1))
    return image.permute(2, 0, 1)[None].contiguous()


def _correlated(values: Tensor) -> Tensor:
    """Mix (..., 4) independent values, the first into each of the other three, to (..., 3) of the same variance."""
    return SHARED_VARIANCE**0.5 * values[..., :1] + (1.0 - SHARED_VARIANCE) ** 0.5 * values[..., 1:]


def _texture(height: int, width: int, generator: torch.Generator) -> Tensor:
    """Return (H, W, 3) Gaussian noise of amplitude 1 / frequency and standard deviation 1."""
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None, :]
    frequency = torch.hypot(rows, columns).clamp(min=1.0 / max(height, width))  # cycles a pixel
    waves = torch.randn(4, *frequency.shape, dtype=torch.complex64, generator=generator) / frequency
    noise = torch.fft.irfft2(waves, s=(height, width))  # (4, H, W)
    return _correlated((noise / noise.std(dim=(1, 2), keepdim=True)).permute(1, 2, 0))


def noise_input(height: int, width: int, pixels: PixelFormat, generator: torch.Generator) -> Tensor:
    """Return `noise_image` in the scale of a network's input, which for formats with std 1 is that of grey levels."""
    std = torch.tensor(pixels.std)[:, None, None]
    return noise_image(height, width, generator) * (PHOTO_STD / std)


@torch.no_grad()
def draw_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight anew, so that the generator alone decides: He et al. (2015), biases 0, embeddings normal.

    BatchNorm becomes the identity; `settle_batch_norm` fits it.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Embedding):
            nn.init.normal_(layer.weight, std=0.02, generator=generator)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()


@torch.no_grad()
def settle_batch_norm(module: nn.Module, *inputs: Tensor) -> Any:
    """Set the running statistics of every BatchNorm to those of one forward pass, and leave the module in eval mode.

    Only the BatchNorms run in training mode meanwhile. As in all of PyTorch the running variance is the unbiased one.

    Args:
        module: Any module; its BatchNorms keep their momentum.
        inputs: What it is called with.

    Returns:
        What the module returned: the same as in eval mode from now on, but for the variances' n / (n - 1).
    """
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    module.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over calls, here of one
        norm.train()
    outputs = module(*inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    module.eval()
    return outputs


@torch.no_grad()
def spread(layer: nn.Linear | nn.Conv2d, inputs: Tensor, mean: float, std: float) -> None:
    """Rescale a layer so that its outputs on given inputs have a given mean and standard deviation over everything.

    Every channel gets the same mean, so what spreads is what differs between the inputs.

    Args:
        layer: A layer with a bias.
        inputs: (N, C_in) for a linear layer, (N, C_in, H, W) for a convolution; more than one distinct row or cell.
        mean: Mean of the outputs.
        std: Standard deviation of the outputs, all channels together.

    Raises:
        ValueError: The layer has no bias, or its outputs on these inputs do not differ.
    """
    if layer.bias is None:
        raise ValueError(f"{layer} has no bias, and spread() must set one")
    outputs = layer(inputs)
    dims = [dim for dim in range(outputs.ndim) if dim != 1]
    center = outputs.mean(dim=dims, keepdim=True)
    measured = (outputs - center).square().mean().sqrt()
    if not measured > 1e-6 * center.abs().max():
        raise ValueError(f"the outputs of {layer} do not differ, so they cannot be spread; give more varied inputs")
    scale = std / measured
    layer.weight.mul_(scale)
    layer.bias.sub_(center.flatten()).mul_(scale).add_(mean)
