"""Every model by name: a frozen config, how to build it, and how to give it weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import torch
from torch import nn

from minivlm.errors import UserError, closest
from minivlm.language import transformer
from minivlm.language.transformer import FusionTransformer, TransformerConfig
from minivlm.model import VisionLanguageConfig, VisionLanguageModel
from minivlm.sizes import ModelConfig, with_sizes
from minivlm.storage.files import sha256
from minivlm.vision import faster_rcnn, grid, tee
from minivlm.vision.faster_rcnn import FasterRCNN, FasterRCNNConfig
from minivlm.vision.grid import GridConfig, GridExtractor
from minivlm.vision.tee import TEE, TEEConfig
from minivlm.weights import checkpoint as checkpoints

Model = TEE | FasterRCNN | GridExtractor | FusionTransformer | VisionLanguageModel

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
        description: For people, such as "random (seed 0)"; a checkpoint's ends with the start of its hash and not with
            its folder's name, so that it stays the same wherever the folder is.
        random: Whether any part was never trained: then outputs mean nothing, however exact they are.
        sha256: Hash of the checkpoint's weights file; None for weights made on the spot.
        seed: Of weights made on the spot; None for a checkpoint's.
    """

    description: str
    random: bool
    sha256: str | None = None
    seed: int | None = None

    @classmethod
    def of_seed(cls, seed: int) -> "WeightsOrigin":
        """Describe random weights. Their seed says which they are: their last bits differ between machines."""
        return cls(f"random (seed {seed})", random=True, seed=seed)

    @property
    def identity(self) -> tuple[str | None, int | None]:
        """What two origins of the same weights have in common, and no others."""
        return self.sha256, self.seed


@dataclass(frozen=True)
class NamedModel:
    """A model ready to run, with what there is to say about it."""

    name: str
    module: nn.Module
    origin: WeightsOrigin


@dataclass(frozen=True)
class DescribedModel:
    """What `load_model` would give, without its weights."""

    name: str
    config: ModelConfig
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
    """Build a model from its config, in eval mode, on the current default device ("meta" allocates nothing).

    Its parameters can be trained, after `train()`; `load_model` gives one that is only run.
    """
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
    return module.eval()


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


def load_model(
    name: str | None = None,
    *,
    checkpoint: Path | str | None = None,
    seed: int = 0,
    sizes: Mapping[str, int] | None = None,
) -> NamedModel:
    """Build a model and give it weights, to be run: none of them is watched for gradients.

    To train it further, call `module.requires_grad_().train()`.

    Args:
        name: A name of `list_models`; with a checkpoint it may be left out, as the checkpoint knows its model, or be
            the name of a part of it.
        checkpoint: Folder in the format of `minivlm.weights.checkpoint`. Without one, weights are random.
        seed: Of the random weights.
        sizes: Of random weights, where they differ from the model's own; see `minivlm.sizes`.

    Raises:
        UserError: Unknown model or size; or a checkpoint that is missing, damaged or for another model.
    """
    if checkpoint == "":  # as a path it would mean the current folder
        raise UserError("the checkpoint's name is empty: give a folder")
    if checkpoint is not None:
        return _from_checkpoint(name, Path(checkpoint))
    if name is None:
        raise UserError("no model given: name one, or a checkpoint folder, which knows its model")
    config = with_sizes(get_config(name), sizes or {})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build(config)
    module.randomize(torch.Generator().manual_seed(seed))
    return NamedModel(name, module.requires_grad_(False), WeightsOrigin.of_seed(seed))


def describe_model(name: str | None, *, checkpoint: Path | None = None, seed: int = 0) -> DescribedModel:
    """Return what `load_model` would give with these arguments, without building anything.

    Raises:
        UserError: As `load_model`, of weights only that they are not there.
    """
    if checkpoint is None:
        if name is None:
            raise UserError("no model given: name one, or a checkpoint folder, which knows its model")
        return DescribedModel(name, get_config(name), WeightsOrigin.of_seed(seed))
    info = checkpoints.read_info(checkpoint)
    whole = _checkpoint_config(info, checkpoint)
    part = _part_of(name, info, checkpoint)
    config = whole if part is None else getattr(whole, part)
    digest = sha256(checkpoints.weights_file(checkpoint))
    return DescribedModel(name or info.model, config, _checkpoint_origin(info, digest))


def _from_checkpoint(name: str | None, folder: Path) -> NamedModel:
    info = checkpoints.read_info(folder)
    part = _part_of(name, info, folder)
    module: nn.Module = build(_checkpoint_config(info, folder))
    digest = checkpoints.load_weights(folder, module)
    if part is not None:
        module = module.get_submodule(part)
    return NamedModel(name or info.model, module.requires_grad_(False), _checkpoint_origin(info, digest))


def _checkpoint_origin(info: checkpoints.CheckpointInfo, digest: str) -> WeightsOrigin:
    return WeightsOrigin(f"{info.origin}, sha256 {digest[:12]}", info.random, digest)


def _checkpoint_config(info: checkpoints.CheckpointInfo, folder: Path) -> ModelConfig:
    """Return the config of a checkpoint's model: its sizes, and those heads only that it holds."""
    base = get_config(info.model)
    if info.heads and not isinstance(base, VisionLanguageConfig):
        raise UserError(f"checkpoint {folder} lists heads, and {info.model!r} has none: take them out of its config")
    try:
        config = with_sizes(base, info.sizes)
    except UserError as error:
        raise UserError(f"{folder / checkpoints.CONFIG} does not fit its model {info.model!r}: {error}") from None
    return replace(config, heads=info.heads) if isinstance(config, VisionLanguageConfig) else config


def parts_of(model: str) -> dict[str, str]:
    """Return the models that are parts of a model, by name, with the attribute that holds each; none of a part."""
    whole = get_config(model)
    if not isinstance(whole, VisionLanguageConfig):
        return {}
    region_dim = whole.language.region_dim
    found = {}
    for name, config in MODELS.items():
        if config == whole.vision:
            found[name] = "vision"
        elif isinstance(config, TransformerConfig) and replace(config, region_dim=region_dim) == whole.language:
            found[name] = "language"
    return found


def _part_of(name: str | None, info: checkpoints.CheckpointInfo, folder: Path) -> str | None:
    """Return the attribute of a checkpoint's model that is the model of this name; None where that is the whole."""
    if name is None or name == info.model:
        return None
    get_config(name)  # a misspelt name deserves that message, not this one
    parts = parts_of(info.model)
    if name not in parts:
        held = " or ".join([info.model, *parts])
        raise UserError(f"checkpoint {folder} holds {info.model!r}, not {name!r}: pass --model {held}")
    return parts[name]


def create_model(name: str, *, checkpoint: Path | str | None = None, seed: int = 0) -> nn.Module:
    """Return a model by name, ready to be run; see `load_model` for the arguments and errors."""
    return load_model(name, checkpoint=checkpoint, seed=seed).module
