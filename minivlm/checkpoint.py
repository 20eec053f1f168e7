"""The checkpoint folder: everything a model needs at run time, and nothing about how it was trained.

config.json         format version, the model's name, where the weights come from
model.safetensors   the state dict
vocab.txt           WordPiece vocabulary, one token a line       (models with a transformer)
tags.txt            object class names, one a line, no background (models with a detector)
answers.txt         VQA answers, one a line                       (models with that head)
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import nn

from minivlm.errors import UserError
from minivlm.files import replacing, sha256, write_text

FORMAT = 1
CONFIG = "config.json"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class CheckpointInfo:
    """What `config.json` says.

    Attributes:
        model: A name of the registry.
        origin: Where the weights come from, for people.
        random: Whether nothing was learned.
        format: Version of the folder's layout.
    """

    model: str
    origin: str
    random: bool
    format: int = FORMAT


def read_info(folder: Path) -> CheckpointInfo:
    """Read a checkpoint's `config.json`.

    Raises:
        UserError: No such folder or file, or not a checkpoint's.
    """
    path = folder / CONFIG
    if not folder.is_dir():
        raise UserError(f"checkpoint {folder} is not a folder: give the folder that holds {CONFIG} and {WEIGHTS}")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        info = CheckpointInfo(**fields)
    except FileNotFoundError:
        raise UserError(f"checkpoint {folder} has no {CONFIG}: it must name the model") from None
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path} is not a checkpoint's config ({error}): expected the fields of docs/checkpoint.md"
        ) from None
    if info.format != FORMAT:
        raise UserError(f"{path} has format {info.format!r}: this version reads format {FORMAT}")
    return info


def load_weights(folder: Path, module: nn.Module) -> str:
    """Fill a module from `model.safetensors` and return the file's SHA-256.

    Raises:
        UserError: The file is missing, truncated, or its tensors are not this module's.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS
    if not path.is_file():
        raise UserError(f"checkpoint {folder} has no {WEIGHTS}: copy it there, or save the checkpoint again")
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read ({error}): it is truncated or damaged; copy it again") from None
    expected = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    given = {key: tuple(tensor.shape) for key, tensor in state.items()}
    wrong = sorted(key for key in expected.keys() | given.keys() if expected.get(key) != given.get(key))
    if wrong:
        first = wrong[0]
        raise UserError(
            f"{path} does not fit its model: {len(wrong)} tensors differ, first {first} "
            f"(expected {expected.get(first, 'none')}, found {given.get(first, 'none')}); save the checkpoint again"
        )
    module.load_state_dict(state)
    return sha256(path)


def save(folder: Path, module: nn.Module, info: CheckpointInfo) -> None:
    """Write `config.json` and `model.safetensors`; loading them gives the same weights bit for bit.

    Raises:
        UserError: The folder cannot be written.
    """
    from safetensors.torch import save_file

    with replacing(folder / WEIGHTS) as partial:
        save_file({key: tensor.contiguous() for key, tensor in module.state_dict().items()}, partial)
    write_text(folder / CONFIG, json.dumps(asdict(info), indent=2) + "\n")
