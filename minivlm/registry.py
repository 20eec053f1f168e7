"""Every model by name: a frozen config, how to build it, and how to give it weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import torch
from torch import nn

from minivlm import checkpoint as checkpoints
from minivlm.errors import UserError, closest
from minivlm.language import transformer
from minivlm.language.transformer import FusionTransformer, TransformerConfig
from minivlm.model import VisionLanguageConfig, VisionLanguageModel
from minivlm.vision import faster_rcnn, grid, tee
from minivlm.vision.faster_rcnn import FasterRCNN, FasterRCNNConfig
from minivlm.vision.grid import GridConfig, GridExtractor
from minivlm.vision.tee import TEE, TEEConfig

Model = TEE | FasterRCNN | GridExtractor | FusionTransformer | VisionLanguageModel
ModelConfig = TEEConfig | FasterRCNNConfig | GridConfig | TransformerConfig | VisionLanguageConfig

GEOMETRY = 6
"""Box numbers appended to a region's feature."""

MODELS: Mapping[str, ModelConfig] = MappingProxyType(
    {
        "minivlm": VisionLanguageConfig(vision=tee.TEE_0, language=transformer.MINILM),
        "oscar-b": VisionLanguageConfig(
            vision=faster_rcnn.R101_F, language=replace(transformer.BERT_BASE, region_dim=2048 + GEOMETRY)
        ),
        "tee-0": tee.TEE_0,
        "tee-1": tee.TEE_1,
        "tee-2": tee.TEE_2,
        "tee-3": tee.TEE_3,
        "r101-f": faster_rcnn.R101_F,
        "grid-r50": grid.GRID_R50,
        "grid-x101": grid.GRID_X101,
        "bert-base": transformer.BERT_BASE,
        "bert-8": transformer.BERT_8,
        "tinybert-6": transformer.TINYBERT_6,
        "bert-4": transformer.BERT_4,
        "minilm": transformer.MINILM,
        "tinybert-4": transformer.TINYBERT_4,
        "minivlm-tiny": VisionLanguageConfig(
            vision=tee.TEE_TINY,
            language=replace(transformer.MINILM_TINY, region_dim=tee.TEE_TINY.feature_dim + GEOMETRY),
            answers=20,
        ),
        "tee-tiny": tee.TEE_TINY,
        "r101-f-tiny": faster_rcnn.R101_F_TINY,
        "grid-tiny": grid.GRID_TINY,
        "minilm-tiny": transformer.MINILM_TINY,
    }
)
"""All models. A name that ends in "-tiny" has the topology of its family at a size for tests."""


@dataclass(frozen=True)
class WeightsOrigin:
    """Where a model's weights come from, for everything that reports about the model.

    Attributes:
        description: For people, such as "random (seed 0)".
        random: Whether any part was never trained: then outputs mean nothing, however exact they are.
        sha256: Hash of the checkpoint's weights file; None for weights made on the spot.
    """

    description: str
    random: bool
    sha256: str | None = None


@dataclass(frozen=True)
class NamedModel:
    """A model ready to run, with what there is to say about it."""

    name: str
    module: nn.Module
    origin: WeightsOrigin


def list_models() -> list[str]:
    """Return every name that `create_model` takes."""
    return list(MODELS)


def get_config(name: str) -> ModelConfig:
    """Return a model's config.

    Raises:
        UserError: No such model; the message names the nearest ones.
    """
    if name not in MODELS:
        raise UserError(f"unknown model {name!r}: {closest(name, list_models())}")
    return MODELS[name]


def build(config: ModelConfig) -> Model:
    """Build a model from its config, in eval mode, on the current default device ("meta" allocates nothing)."""
    match config:
        case TEEConfig():
            module: Model = TEE(config)
        case FasterRCNNConfig():
            module = FasterRCNN(config)
        case GridConfig():
            module = GridExtractor(config)
        case TransformerConfig():
            module = FusionTransformer(config)
        case VisionLanguageConfig():
            module = VisionLanguageModel(config)
    return module.eval().requires_grad_(False)


def vision_language_config(name: str) -> VisionLanguageConfig:
    """Return the config of a model that does all tasks.

    Raises:
        UserError: No such model, or it is only a part of one.
    """
    config = get_config(name)
    if not isinstance(config, VisionLanguageConfig):
        whole = [other for other, found in MODELS.items() if isinstance(found, VisionLanguageConfig)]
        raise UserError(f"{name} is only a part of a vision-language model: take {' or '.join(whole)}")
    return config


def load_model(name: str | None = None, *, checkpoint: Path | str | None = None, seed: int = 0) -> NamedModel:
    """Build a model and give it weights.

    Args:
        name: A name of `list_models`; with a checkpoint it may be left out, as the checkpoint knows its model.
        checkpoint: Folder in the format of `minivlm.checkpoint`. Without one, weights are random.
        seed: Of the random weights.

    Raises:
        UserError: Unknown model; or a checkpoint that is missing, damaged or for another model.
    """
    if checkpoint == "":  # as a path it would mean the current folder
        raise UserError("the checkpoint's name is empty: give a folder")
    if checkpoint is not None:
        return _from_checkpoint(name, Path(checkpoint))
    if name is None:
        raise UserError("no model given: name one, or a checkpoint folder, which knows its model")
    config = get_config(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build(config)
    module.randomize(torch.Generator().manual_seed(seed))
    return NamedModel(name, module, WeightsOrigin(f"random (seed {seed})", random=True))


def _from_checkpoint(name: str | None, folder: Path) -> NamedModel:
    info = checkpoints.read_info(folder)
    if name is not None and info.model != name:
        get_config(name)  # a misspelt name deserves that message, not this one
        raise UserError(f"checkpoint {folder} holds {info.model!r}, not {name!r}: pass --model {info.model}")
    module = build(_with_heads(get_config(info.model), info, folder))
    digest = checkpoints.load_weights(folder, module)
    description = f"{info.origin}, from checkpoint {folder.resolve().name}"
    return NamedModel(info.model, module, WeightsOrigin(description, info.random, digest))


def _with_heads(config: ModelConfig, info: checkpoints.CheckpointInfo, folder: Path) -> ModelConfig:
    """Return the config of a model with those heads only that the checkpoint holds."""
    if isinstance(config, VisionLanguageConfig):
        return replace(config, heads=info.heads)
    if info.heads:
        raise UserError(f"checkpoint {folder} lists heads, and {info.model!r} has none: take them out of its config")
    return config


def create_model(name: str, *, checkpoint: Path | str | None = None, seed: int = 0) -> nn.Module:
    """Return a model by name, in eval mode; see `load_model` for the arguments and errors."""
    return load_model(name, checkpoint=checkpoint, seed=seed).module
