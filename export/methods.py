"""What an artifact offers: named methods over one model, with example inputs made from a real photo."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from minivlm.errors import UserError
from minivlm.language.transformer import FusionTransformer
from minivlm.model import VisionLanguageModel
from minivlm.photos import load_photo
from minivlm.preprocess import letterbox
from minivlm.registry import NamedModel
from minivlm.vision.regions import Regions
from minivlm.vision.tee import TEE

TEXT_TOKENS = 35
REGIONS = 50
"""Sequence of the paper's Table 2: 35 text tokens and 50 regions."""
SAMPLE_SEED = 2020


@dataclass(frozen=True)
class Method:
    """One entry point of an artifact.

    Attributes:
        name: How callers address it.
        module: What it computes; its forward takes the inputs in order and returns a tuple.
        inputs: Example inputs by name, batch size 1, of the shapes the artifact is fixed to.
        outputs: Names of the results in order.
        kind: How results are compared: "regions" are matched by box, "tensors" by position.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    kind: str

    @property
    def example(self) -> tuple[Tensor, ...]:
        """The example inputs in order."""
        return tuple(self.inputs.values())


class PlainTuple(nn.Module):
    """A module whose result is a plain tuple: serialized programs know no named ones."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Call the inner module."""
        return tuple(self.inner(*inputs))


def exportable_methods(model: NamedModel, image_size: tuple[int, int] | None, photo: Path) -> list[Method]:
    """Return a model's methods.

    Args:
        model: The reference model.
        image_size: (height, width) of the vision input in pixels; None takes the config's.
        photo: What the vision inputs show.

    Raises:
        UserError: The model is a baseline that is not meant for devices, or does not take this image size.
    """
    module = model.module
    if isinstance(module, FusionTransformer):
        if image_size is not None:
            raise UserError(f"--image-size goes with a vision model, and {model.name} is a transformer: leave it out")
        return [fusion_method("forward", module)]
    if isinstance(module, TEE):
        return [regions_method("forward", module, image_size, photo)]
    if isinstance(module, VisionLanguageModel) and isinstance(module.vision, TEE):
        return [
            regions_method("regions", module.vision, image_size, photo),
            fusion_method("fusion", module.language),
        ]
    raise UserError(
        f"{model.name} is a baseline for comparison and has no artifact: export tee-0..3, minivlm or a transformer"
    )


def check_image_size(image_size: tuple[int, int], multiple: int) -> None:
    """Refuse a size that the detector does not take.

    Raises:
        UserError: Height or width is not a positive multiple of `multiple`.
    """
    if any(size <= 0 or size % multiple for size in image_size):
        height, width = image_size
        nearest = [max(multiple, round(size / multiple) * multiple) for size in image_size]
        raise UserError(
            f"image size {height}x{width}: height and width must be multiples of {multiple}, "
            f"for example {nearest[0]}x{nearest[1]}"
        )


def regions_method(name: str, module: TEE, image_size: tuple[int, int] | None, photo: Path) -> Method:
    """Return the method from a normalised image to its regions."""
    size = image_size or module.config.image_size
    check_image_size(size, module.config.size_multiple)
    fitted = letterbox(load_photo(photo), size, module.config.pixels)
    inputs = {"image": fitted.image, "extent": fitted.extent}
    return Method(name, PlainTuple(module), inputs, Regions._fields, kind="regions")


def fusion_method(name: str, module: FusionTransformer) -> Method:
    """Return the method of the paper's Table 2: one pass over 35 text tokens and 50 regions, all text decoded."""
    config = module.config
    generator = torch.Generator().manual_seed(SAMPLE_SEED)
    positions = torch.arange(TEXT_TOKENS)[None]
    inputs = {
        "token_ids": torch.randint(config.vocabulary, (1, TEXT_TOKENS), generator=generator),
        "token_types": (positions >= TEXT_TOKENS // 2).to(torch.int64),
        "positions": positions,
        "regions": torch.randn(1, REGIONS, config.region_dim, generator=generator),
        "mask": torch.zeros(1, 1, TEXT_TOKENS + REGIONS),
    }
    return Method(name, module, inputs, ("pooled", "caption_logits"), kind="tensors")
