"""Models with their weights: a checkpoint's, or random ones of a seed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from minivlm.errors import UserError
from minivlm.models.registry import build, get_config, parts_of
from minivlm.models.sizes import ModelConfig, with_sizes
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.storage.files import sha256
from minivlm.vision.tee import TEE
from minivlm.vision.tee_config import TEEConfig
from minivlm.weights import checkpoint as checkpoints

BLIND = "--blind"
"""In the description of weights that learnt, at least in part, without seeing a picture."""


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
    def blind(self) -> bool:
        """Whether some of the weights learnt without seeing a picture."""
        return BLIND in self.description

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
        sizes: Of random weights, where they differ from the model's own; see `minivlm.models.sizes`.

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


def draw_detector(config: TEEConfig, seed: int) -> TEE:
    """Build a detector with weights to start training from, see `TEE.initialize`.

    Args:
        config: Of the detector.
        seed: Of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = TEE(config).eval()
    module.initialize(torch.Generator().manual_seed(seed))
    return module


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
