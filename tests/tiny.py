"""What the tests of whole pipelines share: a photo, and made-up regions for the tiny model."""

from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from minivlm.inference.photo_regions import PhotoRegions
from minivlm.models.registry import vision_language_config

NAME = "minivlm-tiny"
CONFIG = vision_language_config(NAME)


def save_photo(path: Path, size: tuple[int, int] = (160, 120), seed: int = 0) -> Path:
    """Write a photo of coloured blocks."""
    blocks = torch.randint(0, 256, (6, 8, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    Image.fromarray(blocks.numpy()).resize(size, Image.Resampling.NEAREST).save(path)
    return path


def made_up_regions(seed: int = 0, rows: int = 10, valid: int = 7) -> PhotoRegions:
    """Return regions with random features, of which the last rows only fill."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(rows, 2, generator=generator) * 50
    boxes = torch.cat([corners, corners + 10 + torch.rand(rows, 2, generator=generator) * 40], dim=1)
    scores = torch.rand(rows, generator=generator).sort(descending=True).values
    scores[valid:] = 0.0
    return PhotoRegions(
        photo_size=(120, 160),
        boxes=boxes,
        scores=scores,
        tags=torch.randint(0, CONFIG.tags, (rows,), generator=generator),
        features=torch.randn(rows, CONFIG.vision.feature_dim, generator=generator),
        geometry=torch.rand(rows, 6, generator=generator),
        attributes=torch.randint(0, CONFIG.vision.attributes, (rows,), generator=generator),
        attribute_scores=torch.rand(rows, generator=generator),
    )


def with_tags(regions: PhotoRegions, tags: list[int]) -> PhotoRegions:
    """Return regions with other tags."""
    return replace(regions, tags=torch.tensor(tags))
