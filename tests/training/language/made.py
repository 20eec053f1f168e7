"""Pictures whose regions are made up and kept, and a tiny model to learn from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image

from minivlm.images.photos import load_photo
from minivlm.inference.backend import TorchBackend
from minivlm.inference.photo_regions import PhotoRegions
from minivlm.models.registry import build
from minivlm.models.vision_language import VisionLanguageModel
from minivlm.training.features import Keep, Part, RegionFolder, keep_regions, write_regions
from minivlm.training.language.known import KnownPictures, TagSource
from minivlm.training.language.parts import LanguageParts, begin_anew
from minivlm.training.language.start import Start
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.labels import Labels, random_labels
from minivlm.weights.loading import NamedModel, WeightsOrigin
from tests.tiny import CONFIG, NAME, made_up_regions, save_photo

DETECTOR = "d" * 64
LABELS = random_labels(CONFIG)


def untold(number: int, of: int) -> None:
    """Nobody wants to know."""


@dataclass
class MadeUpPipeline:
    """As much of a pipeline as keeping regions takes; counts what it finds."""

    found: int = 0

    def keeping(self, folder: Path) -> Keep:
        def keep(parts: Sequence[Part]) -> None:
            for part in parts:
                found = [self.regions_of(load_photo(picture)) for _, picture in part]
                write_regions(folder, part, found, DETECTOR)

        return keep

    def regions_of(self, photo: Image.Image) -> PhotoRegions:
        self.found += 1
        return regions_by_colour(photo)


def regions_by_colour(photo: Image.Image) -> PhotoRegions:
    red, green, blue = cast("tuple[int, int, int]", photo.convert("RGB").getpixel((0, 0)))
    return made_up_regions(seed=red * 65536 + green * 256 + blue)


def keep(folder: Path, pictures: list[Path], pipeline: Any = None) -> RegionFolder:
    made_up = pipeline or MadeUpPipeline()
    keep_regions(folder, pictures, DETECTOR, made_up.keeping(folder), untold)
    return RegionFolder(folder, DETECTOR)


def photos(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [save_photo(folder / f"{number}.png", seed=number) for number in range(count)]


def known(folder: Path, count: int = 6, source: TagSource = "detector", **names: Any) -> KnownPictures:
    pictures = photos(folder / "images", count)
    regions = keep(folder / "kept", pictures)
    return KnownPictures(regions=regions, places=regions.places(pictures), labels=LABELS, source=source, **names)


def tiny_model(seed: int = 0) -> VisionLanguageModel:
    """Return a model with weights under which outputs differ."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(CONFIG)
    assert isinstance(model, VisionLanguageModel)
    model.randomize(torch.Generator().manual_seed(seed))
    return model


def quiet_parts(seed: int = 0) -> LanguageParts:
    """Return parts in eval mode."""
    return LanguageParts(tiny_model(seed)).eval()


def backend_of(model: VisionLanguageModel) -> TorchBackend:
    return TorchBackend(NamedModel(NAME, model.requires_grad_(False), WeightsOrigin.of_seed(0)), LABELS)


def start_of(model: VisionLanguageModel) -> Start:
    """Return a start with BERT's first weights."""
    begin_anew(model.language, torch.Generator().manual_seed(0))
    begin_anew(model.heads, torch.Generator().manual_seed(1))
    info = CheckpointInfo(NAME, "random (seed 0)", random=True, heads=CONFIG.heads)
    return Start(backend=backend_of(model), whole=model, labels=LABELS, info=info, sources={})


def ids(text: str, labels: Labels = LABELS) -> tuple[int, ...]:
    return tuple(labels.tokenizer.encode(text))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
