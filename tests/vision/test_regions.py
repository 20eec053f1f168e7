"""A detector's dense parts: all weights, floats and few dimensions, so that an accelerator can run them."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from minivlm.vision.regions import DENSE_PARTS
from minivlm.weights.loading import create_model

DETECTORS = ("tee-tiny", "r101-f-tiny")
MOST_DIMENSIONS = 4
"""Of a tensor that LiteRT's GPU delegate and ExecuTorch's Vulkan delegate take."""


@pytest.mark.parametrize("name", DETECTORS)
def test_they_have_all_of_the_weights(name: str) -> None:
    detector = create_model(name)
    assert {parameter.partition(".")[0] for parameter, _ in detector.named_parameters()} == set(DENSE_PARTS)


@pytest.mark.parametrize("name", DETECTORS)
def test_within_them_all_is_float_but_for_the_classes_that_attributes_are_looked_up_by(name: str) -> None:
    detector, seen = create_model(name), dict[str, list[Tensor]]()

    def watch(module: str, layer: nn.Module) -> None:
        def remember(_: nn.Module, inputs: object, output: object) -> None:
            seen.setdefault(module, []).extend(
                item for item in tree_leaves((inputs, output)) if isinstance(item, Tensor)
            )

        layer.register_forward_hook(remember)

    for part in DENSE_PARTS:
        for module, layer in detector.get_submodule(part).named_modules(prefix=part):
            watch(module, layer)
    with torch.no_grad():
        detector(torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)), torch.tensor([128.0, 128.0]))
    whole = {module for module, tensors in seen.items() if any(not one.is_floating_point() for one in tensors)}
    assert whole == {"attribute_head", "attribute_head.class_embedding"}
    assert max(one.dim() for tensors in seen.values() for one in tensors) == MOST_DIMENSIONS
    assert {module.partition(".")[0] for module in seen} == set(DENSE_PARTS)
