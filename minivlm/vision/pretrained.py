"""timm's published EfficientNet weights, read into the backbone of a TEE.

timm publishes classifiers. What a backbone lacks of one, the head convolution, its BatchNorm and the linear layer, is
left out; everything else must be there (huggingface/pytorch-image-models `timm/models/efficientnet.py`).
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.files import is_file, is_folder
from minivlm.vision.efficientnet import EfficientNetFeatures

HUB_FILE = "model.safetensors"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
CLASSIFIER = ("conv_head.", "bn2.", "classifier.")
WRAPPERS = ("state_dict_ema", "state_dict", "model")
"""Keys under which training scripts keep a state dict, best first."""
COUNTER = ".num_batches_tracked"
"""BatchNorm's count of training steps, which old files lack and inference does not use."""


def load_backbone(backbone: EfficientNetFeatures, source: str | Path) -> None:
    """Read weights from a local file or from timm's pages on the Hugging Face hub.

    Args:
        backbone: Changed in place, only if everything fits.
        source: A .safetensors or .pth file of the classifier or of the backbone alone, or a name on the hub such as
            `timm/efficientnet_b0.ra_in1k`.

    Raises:
        UserError: The source cannot be had, or is not this EfficientNet.
    """
    path = _local_file(source)
    load_backbone_state(backbone, _read_state(path), str(source))


def load_backbone_state(backbone: EfficientNetFeatures, state: Mapping[str, Tensor], source: str) -> None:
    """Copy the weights of a timm EfficientNet; see `load_backbone`.

    Args:
        backbone: Changed in place, only if everything fits.
        state: With or without the keys of the classifier, and with or without a "module." before each key.
        source: What an error message calls the state.

    Raises:
        UserError: A key is missing or unknown, or a shape is not this backbone's.
    """
    given = {key.removeprefix("module."): tensor for key, tensor in state.items()}
    given = {key: tensor for key, tensor in given.items() if not key.startswith(CLASSIFIER)}
    wanted = backbone.body.state_dict()
    for key, current in wanted.items():
        if key not in given and not key.endswith(COUNTER):
            raise UserError(f"{source} has no weights for {key}: give timm's weights of {backbone.name}")
        if key in given and given[key].shape != current.shape:
            raise UserError(
                f"{source}: {key} has shape {tuple(given[key].shape)} and {backbone.name} needs"
                f" {tuple(current.shape)}: give timm's weights of {backbone.name}"
            )
    extra = sorted(given.keys() - wanted.keys())
    if extra:
        raise UserError(f"{source} holds {extra[0]}, which {backbone.name} lacks: give timm's weights of it")
    backbone.body.load_state_dict({**wanted, **given})


def _local_file(source: str | Path) -> Path:
    path = Path(source)
    if is_file(path):
        return path
    if is_folder(path):
        raise UserError(f"{source} is a folder: give the weights file in it, {' or '.join(SUFFIXES)}")
    if isinstance(source, Path) or path.suffix in SUFFIXES or not re.fullmatch(r"[\w][\w.-]*/[\w.-]+", source):
        raise UserError(f"no file {source}: give one, or a name on the hub such as timm/efficientnet_b0.ra_in1k")
    return _download(source)


def _download(name: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, HUB_FILE))
    except Exception as error:  # the hub's errors and its HTTP client's have no base class in common
        file = f"{name.partition('/')[2]}.safetensors"
        raise UserError(
            f"cannot get {name} from the Hugging Face hub ({type(error).__name__}): get {HUB_FILE} from its page"
            f" elsewhere, save it here as {file} and pass --backbone {file}"
        ) from error


def _read_state(path: Path) -> Mapping[str, Tensor]:
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path} is not a file of weights: give one that ends in {' or '.join(SUFFIXES)}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both readers raise many kinds, by what is broken
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path} cannot be read ({reason}): get the file again") from error
    for wrapper in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
            break
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path} is not a state dict of tensors: save model.state_dict() there")
    return state
