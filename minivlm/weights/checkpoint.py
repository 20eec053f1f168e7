"""The checkpoint folder: everything a model needs at run time, and nothing about how it was trained.

config.json         format version, the model's name and heads, where the weights come from
model.safetensors   the state dict
vocab.txt           WordPiece vocabulary, one token a line        (vision-language models)
tags.txt            object class names, one a line, no background (vision-language models)
attributes.txt      attribute names, one a line, no "no attribute" (detectors that were trained on them)
answers.txt         VQA answers, one a line                       (models with that head)

`minivlm.weights.labels` reads and writes the text files; docs/checkpoint.md describes the format.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from minivlm.errors import UserError, closest
from minivlm.models.sizes import sizes_of
from minivlm.storage.files import exists, is_folder, replacing, sha256, write_text
from minivlm.storage.json_files import read_object
from minivlm.weights.state_dicts import check_values, read_state_file, shown

FORMAT = 1
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
STORED = torch.float16
"""What weights may be stored in that are computed with in float32."""


@dataclass(frozen=True)
class CheckpointInfo:
    """What `config.json` says.

    Attributes:
        model: A name of the registry.
        origin: Where the weights come from, for people.
        random: Whether any part was never trained: then outputs mean nothing.
        heads: Task heads whose weights the checkpoint holds; empty for a model that is no vision-language model.
        sources: Part of the model -> where its weights come from, for a checkpoint put together from several.
        sizes: By a name of `minivlm.models.sizes`; those that are left out are the registry's.
        format: Version of the folder's layout.
    """

    model: str
    origin: str
    random: bool
    heads: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    format: int = FORMAT


def read_info(folder: Path) -> CheckpointInfo:
    """Read a checkpoint's `config.json`.

    Raises:
        UserError: No such folder or file, or not a checkpoint's.
    """
    path = folder / CONFIG
    if not is_folder(folder):
        raise UserError(f"checkpoint {folder} is not a folder: give the folder that holds {CONFIG} and {WEIGHTS}")
    if not exists(path):
        raise UserError(f"checkpoint {folder} has no {CONFIG}: it must name the model")
    content = read_object(path, "a checkpoint's config", "docs/checkpoint.md says what it must hold")
    if content.get("format", FORMAT) != FORMAT:
        raise UserError(f"{path} has format {shown(repr(content['format']))}: this version reads format {FORMAT}")
    _check_fields(path, content)
    return CheckpointInfo(**{**content, "heads": tuple(content.get("heads", ()))})


def load_weights(folder: Path, module: nn.Module) -> str:
    """Fill a module from `model.safetensors` and return the file's SHA-256.

    Matrices and kernels that `save_halved` wrote are computed with in float32.

    Raises:
        UserError: The file is missing or truncated, its tensors are not this module's, or a value is not finite.
    """
    path = weights_file(folder)
    state = read_state_file(path).state
    expected = {key: (tuple(tensor.shape), tensor.dtype) for key, tensor in module.state_dict().items()}
    given = {key: (tuple(tensor.shape), _computed(tensor)) for key, tensor in state.items()}
    wrong = sorted(key for key in expected.keys() | given.keys() if expected.get(key) != given.get(key))
    if wrong:
        first = wrong[0]
        raise UserError(
            f"{path} does not fit its model: {len(wrong)} tensors differ, first {shown(first)} "
            f"(expected {expected.get(first, 'none')}, found {given.get(first, 'none')}); save the checkpoint again"
        )
    for key, tensor in state.items():
        check_values(tensor, key, str(path))
    module.load_state_dict(state)
    return sha256(path)


def _computed(tensor: Tensor) -> torch.dtype:
    """Return what a tensor's numbers are computed in; all of them are exact there."""
    return torch.float32 if tensor.dtype == STORED and tensor.ndim > 1 else tensor.dtype


def weights_file(folder: Path) -> Path:
    """Return the path of a checkpoint's weights.

    Raises:
        UserError: They are not there.
    """
    path = folder / WEIGHTS
    if not exists(path):
        raise UserError(f"checkpoint {folder} has no {WEIGHTS}: copy it there, or save the checkpoint again")
    return path


def save(folder: Path, module: nn.Module, info: CheckpointInfo) -> None:
    """Write `model.safetensors` and, when that is complete, `config.json` with the module's own sizes.

    Loading them gives the same weights bit for bit. A vision-language model also needs `labels.write_labels`, first.

    Raises:
        UserError: The folder cannot be written, or a value is not finite: nobody could load it.
    """
    _write_weights(folder, {key: tensor.contiguous() for key, tensor in module.state_dict().items()})
    config: Any = module.config
    _write_config(folder, replace(info, sizes=sizes_of(config)))


def save_halved(folder: Path, module: nn.Module, info: CheckpointInfo) -> None:
    """Write a checkpoint of half the size: matrices and kernels in float16, which `load_weights` widens.

    Vectors, a hundredth of the weights, stay as they are: BatchNorm's variances can be too small for float16.

    Raises:
        UserError: As `save`; too large a weight is not finite in float16.
    """
    state = module.state_dict().items()
    _write_weights(folder, {key: (one.to(STORED) if one.ndim > 1 else one).contiguous() for key, one in state})
    config: Any = module.config
    _write_config(folder, replace(info, sizes=sizes_of(config)))


def _write_config(folder: Path, info: CheckpointInfo) -> None:
    write_text(folder / CONFIG, json.dumps(asdict(info), indent=2) + "\n")


def _write_weights(folder: Path, state: Mapping[str, Tensor]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    for key, tensor in state.items():
        check_values(tensor, key, "the model")
    with replacing(folder / WEIGHTS) as partial:
        try:
            save_file(dict(state), partial)
        except SafetensorError as error:  # a full disk, too, is one of these
            raise UserError(
                f"cannot write {folder / WEIGHTS} ({error}): free space, or choose another folder"
            ) from None


def _check_fields(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse keys that are unknown or missing, and values of another type."""
    known = [item.name for item in fields(CheckpointInfo)]
    for key in content:
        if key not in known:
            raise UserError(f"{path} has the unknown key {key!r}: {closest(key, known)}")
    for key in ("model", "origin", "random"):
        if key not in content:
            raise UserError(f"{path} lacks the key {key!r}: docs/checkpoint.md lists what it must say")
    heads, sources = content.get("heads", []), content.get("sources", {})
    right = {
        "model": isinstance(content["model"], str),
        "origin": isinstance(content["origin"], str),
        "random": isinstance(content["random"], bool),
        "heads": isinstance(heads, list) and all(isinstance(name, str) for name in heads),
        "sources": isinstance(sources, dict) and all(isinstance(text, str) for text in sources.values()),
        "sizes": isinstance(content.get("sizes", {}), dict),
    }
    for key, fits in right.items():
        if not fits:
            raise UserError(f"{path} has a {key!r} of the wrong type: docs/checkpoint.md says what it must be")
