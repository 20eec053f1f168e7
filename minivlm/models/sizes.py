"""The sizes of a model that its training decides: a checkpoint may have others than the paper's."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeVar

from minivlm.errors import UserError, closest
from minivlm.language.transformer import TransformerConfig
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.vision.faster_rcnn import FasterRCNNConfig
from minivlm.vision.grid import GridConfig
from minivlm.vision.tee_config import TEEConfig

ModelConfig = TEEConfig | FasterRCNNConfig | GridConfig | TransformerConfig | VisionLanguageConfig
AnyConfig = TypeVar("AnyConfig", bound=ModelConfig)


@dataclass(frozen=True)
class Size:
    """One number of a config that may differ.

    Attributes:
        owner: Config that holds it.
        field: Its name there.
        most: Largest value, so that no file makes a program ask for all memory; the transformer's are BERT-large's.
        extra: What the field counts beside: the background among the classes, "no attribute" among the attributes.
        meaning: For people.
        least: Smallest value; of what a model may be without, 0, for which the field is 0 too.
    """

    owner: type | tuple[type, ...]
    field: str
    most: int
    meaning: str
    extra: int = 0
    least: int = 1


DETECTORS = (TEEConfig, FasterRCNNConfig)
SIZES: Mapping[str, Size] = MappingProxyType(
    {
        "tags": Size(DETECTORS, "classes", 50_000, "object classes without the background", extra=1),
        "attributes": Size(DETECTORS, "attributes", 50_000, 'attributes without "no attribute"', extra=1, least=0),
        "tokens": Size(TransformerConfig, "vocabulary", 300_000, "tokens of the vocabulary"),
        "layers": Size(TransformerConfig, "layers", 24, "layers of the transformer"),
        "hidden": Size(TransformerConfig, "hidden", 1024, "width of the transformer"),
        "intermediate": Size(TransformerConfig, "intermediate", 4096, "width inside its feed-forward blocks"),
        "attention_heads": Size(TransformerConfig, "heads", 64, "attention heads a layer"),
        "answers": Size(VisionLanguageConfig, "answers", 100_000, "answers of the head vqa"),
    }
)
"""By name, in checkpoints, sidecars and flags."""
PART_SIZES: Mapping[str, Size] = MappingProxyType(
    {"region_dim": Size(TransformerConfig, "region_dim", 8192, "numbers of a region's vector, 6 of its box among them")}
)
"""Of a part alone; in a whole model the other part decides them."""


def sizes_of(config: ModelConfig) -> dict[str, int]:
    """Return the sizes that a model has, its parts' included."""
    parts = _parts(config)
    return {
        name: max(getattr(part, size.field) - size.extra, 0)
        for name, size in _sizes(config).items()
        for part in parts.values()
        if isinstance(part, size.owner)
    }


def with_sizes(config: AnyConfig, sizes: Mapping[str, Any]) -> AnyConfig:
    """Return a config with other sizes; those that are not given stay.

    Raises:
        UserError: A name that this model has no size for, or a value that is no number within bounds.
    """
    known = sizes_of(config)
    changes: dict[str, dict[str, int]] = {}
    parts = _parts(config)
    for name, value in sizes.items():
        if name not in known:
            raise UserError(f"no size {name!r} in this model: {closest(name, list(known))}")
        size = _sizes(config)[name]
        if type(value) is not int or not size.least <= value <= size.most:
            raise UserError(f"size {name!r} is {value!r:.40}: give a whole number from {size.least} to {size.most}")
        owner = next(place for place, part in parts.items() if isinstance(part, size.owner))
        changes.setdefault(owner, {})[size.field] = value + size.extra if value else 0
    own: dict[str, Any] = changes.pop("", {})
    changed = {place: replace(parts[place], **fields) for place, fields in changes.items()}
    return replace(config, **own, **changed)


def _sizes(config: ModelConfig) -> Mapping[str, Size]:
    return SIZES if isinstance(config, VisionLanguageConfig) else {**SIZES, **PART_SIZES}


def _parts(config: ModelConfig) -> dict[str, Any]:
    """Return a config under "", and those that it holds under the names of their fields."""
    if isinstance(config, VisionLanguageConfig):
        return {"": config, "vision": config.vision, "language": config.language}
    return {"": config}
