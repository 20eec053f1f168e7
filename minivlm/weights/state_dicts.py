"""State dicts in other people's files: read, freed of what training scripts wrap around them, and looked at."""

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minivlm.errors import UserError, printable
from minivlm.storage.files import exists, is_file, is_folder

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

HOLDERS = ("state_dict_ema", "model_ema", "ema", "state_dict", "model_state_dict", "model", "module", "net", "network")
"""Keys under which training scripts keep a state dict, best first: averaged weights are what they publish."""
MOST_HOLDERS = 4

WRAPPERS = ("module", "model", "net", "network")
"""Attributes under which training scripts keep a model: the first part of every key, or of none."""
TRANSPARENT = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
"""What torch itself puts into keys, anywhere: `torch.compile`, FSDP, activation checkpointing."""

DAMAGED = "it is truncated or damaged"

QUANTIZED = re.compile(
    r"(^|\.)(SCB|CB|weight_format|qweight|qzeros|g_idx|scales?|zeros|zero_points?|absmax|nested_absmax|quant_map"
    r"|nested_quant_map|quant_state|weight_scale(_inv)?|input_scale|_packed_params|bitsandbytes__\w+)(\.|$)"
)
"""Keys that only a file with quantized weights has."""


@dataclass(frozen=True)
class StateFile:
    """What was found in a file.

    Attributes:
        state: Key -> tensor, as they stand in the file.
        said: What the file says in words beside its tensors: metadata of safetensors, texts of a training script.
    """

    state: Mapping[str, Tensor]
    said: Mapping[str, str] = field(default_factory=dict)


def read_state_file(path: Path) -> StateFile:
    """Read a file of weights; code in it is never run.

    Args:
        path: In the format of safetensors, or what `torch.save` made of a state dict or of a dict that holds one.

    Raises:
        UserError: It cannot be read, or holds anything but tensors under names.
    """
    check_weights_file(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    content = _unpickled(path)
    said = {key: value for key, value in _entries(content).items() if isinstance(key, str) and isinstance(value, str)}
    return StateFile(_state_dict(_held(content), path), said)


def check_weights_file(path: Path) -> None:
    """Refuse what cannot be a readable file of weights, before its content is looked at.

    Raises:
        UserError: It is not there, no file, of another suffix, or may not be read.
    """
    if is_folder(path):
        raise UserError(f"{path} is a folder: give the file of weights in it, {' or '.join(SUFFIXES)}")
    if not exists(path):
        raise UserError(f"there is no file {path}: give one that ends in {' or '.join(SUFFIXES)}")
    if not is_file(path):
        raise UserError(f"{path} is no regular file: give one that ends in {' or '.join(SUFFIXES)}")
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path} is not a file of weights: give one that ends in {' or '.join(SUFFIXES)}")
    try:
        path.open("rb").close()
    except OSError as error:
        raise UserError(
            f"cannot read {path} ({error.strerror or error}): allow it, or use a copy of your own"
        ) from None


def without_wrappers(state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Return a state dict with the keys that the model itself gives its tensors.

    Args:
        state: Keys may begin with "module." or the like, once or several times, and hold the marks of `torch.compile`.
        source: What an error message calls the state.

    Raises:
        UserError: Some keys begin so and others do not, or two are the same without it.
    """
    named = [(tuple(part for part in key.split(".") if part not in TRANSPARENT), key) for key in state]
    while named:
        wrapped = [(parts, key) for parts, key in named if parts[:1] and parts[0] in WRAPPERS and len(parts) > 1]
        if not wrapped:
            break
        bare = [key for parts, key in named if parts[:1] != wrapped[0][0][:1]]
        if bare:
            raise UserError(
                f"{source} mixes keys that begin with {wrapped[0][0][0]!r}, such as {shown(wrapped[0][1])}, and others,"
                f" such as {shown(bare[0])}: save the state dict of one model"
            )
        named = [(parts[1:], key) for parts, key in named]
    first: dict[str, str] = {}
    for parts, key in named:
        name = ".".join(parts)
        if name in first:
            raise UserError(
                f"{source} holds {shown(first[name])} and {shown(key)}, which both mean {shown(name)}: save one model"
            )
        first[name] = key
    return {name: state[key] for name, key in first.items()}


def refuse_quantized(state: Mapping[str, Tensor], source: str) -> None:
    """Refuse a state dict that holds what only quantized weights need, such as scales.

    Raises:
        UserError: Naming the key.
    """
    for key in state:
        if QUANTIZED.search(key):
            raise UserError(f"{source} holds quantized weights ({shown(key)}): give the file with float weights")


def fitting(tensor: Tensor, wanted: Tensor, name: str, source: str, needs: str) -> Tensor:
    """Return a tensor as the model keeps it, after a look at everything that could be wrong with it.

    Args:
        tensor: As it stands in the file.
        wanted: The model's own, of the right shape and dtype.
        name: Of the tensor, for messages.
        source: Of the file, for messages.
        needs: Which model needs another shape, and the way out, with "{}" for that shape.

    Raises:
        UserError: It is no dense tensor of numbers, has another shape, is no float type where weights are, or holds
            values that no trained weight can have.
    """
    _check_plain(tensor, name, source)
    if tensor.shape != wanted.shape:
        raise UserError(f"{source}: {name} has shape {tuple(tensor.shape)}, {needs.format(tuple(wanted.shape))}")
    if wanted.dtype.is_floating_point and tensor.dtype not in FLOATS:
        raise UserError(
            f"{source}: {name} is {_type(tensor)}, no float16, bfloat16, float32 or float64: give the float weights"
        )
    if not wanted.dtype.is_floating_point and (
        tensor.dtype.is_floating_point or tensor.dtype.is_complex or tensor.is_quantized
    ):
        raise UserError(f"{source}: {name} is {_type(tensor)}, and a count is needed: give the float weights")
    kept = tensor.detach().to(wanted.dtype)
    check_values(kept, name, source)
    return kept


def check_values(tensor: Tensor, name: str, source: str) -> None:
    """Refuse values that no trained weight can have.

    Raises:
        UserError: A value is not finite, or a variance negative.
    """
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        count = int((~torch.isfinite(tensor)).sum())
        raise UserError(
            f"{source}: {name} holds {count} values of {tensor.numel()} that are NaN or infinite:"
            " take weights from before the training went wrong"
        )
    if name.endswith("running_var") and bool((tensor < 0).any()):
        raise UserError(f"{source}: {name} holds a negative variance: the file is damaged, get it again")


def shown(key: str) -> str:
    """Return a key for a message: on one line, and no longer than one can read."""
    return printable(key if len(key) <= 80 else f"{key[:77]}...")


def modules_of(keys: Iterable[str]) -> str:
    """Return which modules the keys belong to, for a list that a person reads."""
    modules = list(dict.fromkeys(shown(key.rpartition(".")[0] or key) for key in keys))
    more = f" and {len(modules) - 8} more" if len(modules) > 8 else ""
    return ", ".join(modules[:8]) + more


def _read_safetensors(path: Path) -> StateFile:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            said = dict(file.metadata() or {})
            return StateFile({key: file.get_tensor(key) for key in file.keys()}, said)  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError, RuntimeError, TypeError, AttributeError, KeyError) as error:
        raise UserError(f"{path} cannot be read ({DAMAGED}: {_reason(error)}); get the file again") from error


def _unpickled(path: Path) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # torch wonders about damage before it fails at it
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds, by what is broken, and advises to run code
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        if found:
            reason = f"it holds {found[1]}, and only tensors in dicts and lists are read, never code"
            raise UserError(f"{path} cannot be read ({reason}); save model.state_dict() there") from error
        raise UserError(f"{path} cannot be read ({DAMAGED}, or no file of PyTorch's); get the file again") from error


def _reason(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return printable(line[:200])


def _entries(content: object) -> Mapping[Any, Any]:
    return content if isinstance(content, Mapping) else {}


def _held(content: object) -> object:
    """Return the dict of tensors that a training script's dict holds."""
    for _ in range(MOST_HOLDERS):
        entries = _entries(content)
        inner = next((entries[key] for key in HOLDERS if isinstance(entries.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    return content


def _state_dict(content: object, path: Path) -> dict[str, Tensor]:
    rule = f"{path} is not a state dict of tensors; save model.state_dict() there"
    if not isinstance(content, Mapping):
        raise UserError(f"{rule} (it holds a {type(content).__name__})")
    for key, value in content.items():
        if not isinstance(key, str):
            raise UserError(f"{rule} (it has the key {shown(repr(key))})")
        if not isinstance(value, Tensor):
            raise UserError(f"{rule} ({shown(key)} is a {type(value).__name__})")
    return dict(content)


def _check_plain(tensor: Tensor, name: str, source: str) -> None:
    if tensor.layout is not torch.strided or tensor.device.type != "cpu":
        kind = "without values" if tensor.device.type == "meta" else f"kept as {tensor.layout}"
        raise UserError(f"{source}: {name} is a tensor {kind}: save it as a plain one, by tensor.to_dense() or .cpu()")


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
