"""timm's published EfficientNet weights, read into the backbone of a TEE.

timm publishes classifiers. What a backbone lacks of one, the head convolution, its BatchNorm and the linear layer, is
left out; everything else must be there (huggingface/pytorch-image-models `timm/models/efficientnet.py`).

Weights mean something together with the conventions they were trained with. BatchNorm's eps is carried over: timm's
own goes into the scale, so that features are timm's although the backbone adds another eps. Other padding and other
pixels cannot be carried over; where a source says which it had, another one is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from minivlm.errors import UserError
from minivlm.storage.files import exists
from minivlm.storage.json_files import read_object
from minivlm.vision.efficientnet import EfficientNetFeatures, import_timm
from minivlm.vision.pixels import IMAGENET_RGB
from minivlm.weights.hub import NAME, Repository
from minivlm.weights.state_dicts import (
    SUFFIXES,
    check_values,
    check_weights_file,
    fitting,
    read_state_file,
    refuse_quantized,
    shown,
    without_wrappers,
)

HUB_FILE = "model.safetensors"
HUB_CONFIG = "config.json"
CLASSIFIER = ("conv_head.", "bn2.", "classifier.")
COUNTER = ".num_batches_tracked"
"""BatchNorm's count of training steps, which old files lack and inference does not use."""
VARIANCE = "running_var"

ARCHITECTURE_KEYS = ("architecture", "arch")
"""Where a source may name its network: timm's config.json and timm's training script."""
PADDED_LIKE_TENSORFLOW = re.compile(r"tf_(efficientnet|mobilenet|mixnet)", re.IGNORECASE)
PIXELS_TOLERANCE = 1e-3
"""Of mean and standard deviation on the scale 0..1; configs round to three digits."""


@dataclass(frozen=True)
class BackboneReport:
    """What became of a file of timm's.

    Attributes:
        convention: How the weights were taken, and who says so.
        ignored: Keys that a backbone has no place for.
    """

    convention: str
    ignored: tuple[str, ...]


def load_backbone(backbone: EfficientNetFeatures, source: str | Path) -> BackboneReport:
    """Read weights from a local file or from timm's pages on the Hugging Face hub.

    Args:
        backbone: Changed in place, only if everything fits; then it gives the features that timm's model of this name
            gives.
        source: A .safetensors or .pth file of the classifier or of the backbone alone, or a name on the hub such as
            `timm/efficientnet_b0.ra_in1k`.

    Raises:
        UserError: The source cannot be had, is not this EfficientNet, or says that it was trained with another padding
            or other pixels.
    """
    _check_name(backbone, source)
    path = _local_file(source)
    found = read_state_file(path)
    said = {**found.said, **_read_config(path)}
    names = [str(said[key]) for key in ARCHITECTURE_KEYS if isinstance(said.get(key), str)]
    for name in names:
        _check_architecture(backbone, name, str(source))
    _check_pixels(said, str(source))
    ignored = load_backbone_state(backbone, found.state, str(source))
    known = bool(names) or Path(source).name.startswith(backbone.name)
    who = "as its name says" if known else "which it does not say"
    convention = f"as timm's {backbone.name}: symmetric padding, timm's BatchNorm eps, ImageNet's pixels, {who}"
    return BackboneReport(convention, ignored)


def load_backbone_state(backbone: EfficientNetFeatures, state: Mapping[str, Tensor], source: str) -> tuple[str, ...]:
    """Copy the weights of a timm EfficientNet; see `load_backbone`.

    Args:
        backbone: Changed in place, only if everything fits.
        state: With or without the keys of the classifier, and with or without wrappers such as "module.".
        source: What an error message calls the state.

    Returns:
        The keys of the classifier, which are left out.

    Raises:
        UserError: A key is missing or unknown, a shape is not this backbone's, or a value is not finite or no float.
    """
    taken, ignored = fitted(backbone, state, source, f"give timm's weights of {backbone.name}")
    _carry_eps(backbone, taken, source)
    backbone.body.load_state_dict({**backbone.body.state_dict(), **taken})
    return ignored


def fitted(
    backbone: EfficientNetFeatures, state: Mapping[str, Tensor], source: str, way_out: str
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the tensors of a state that a backbone needs, all of them, and the keys of the classifier.

    Args:
        backbone: Not changed.
        state: With or without the keys of the classifier, and with or without wrappers such as "module.".
        source: What an error message calls the state.
        way_out: Ending of error messages.

    Raises:
        UserError: As `load_backbone_state`.
    """
    refuse_quantized(state, source)
    named = without_wrappers(state, source)
    given = {key: tensor for key, tensor in named.items() if not key.startswith(CLASSIFIER)}
    wanted = backbone.body.state_dict()
    taken: dict[str, Tensor] = {}
    for key, current in wanted.items():
        if key not in given:
            if not key.endswith(COUNTER):
                raise UserError(f"{source} has no weights for {key}: {way_out}")
            continue
        taken[key] = fitting(given[key], current, key, source, f"and {backbone.name} needs {{}}: {way_out}")
    extra = sorted(given.keys() - wanted.keys())
    if extra:
        raise UserError(f"{source} holds {shown(extra[0])}, which {backbone.name} lacks: {way_out}")
    return taken, tuple(named.keys() - given.keys())


def _carry_eps(backbone: EfficientNetFeatures, taken: dict[str, Tensor], source: str) -> None:
    """Scale each BatchNorm's gamma such that it computes with the backbone's eps what timm's computes with its own."""
    with torch.device("meta"):
        timms = import_timm().create_model(backbone.name, features_only=True, pretrained=False)
    trained = {name: module.eps for name, module in timms.named_modules() if isinstance(module, nn.BatchNorm2d)}
    for name, module in backbone.body.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            variance = taken[f"{name}.{VARIANCE}"].double()
            scale = ((variance + module.eps) / (variance + trained[name])).sqrt()
            key = f"{name}.weight"
            taken[key] = (taken[key].double() * scale).to(taken[key].dtype)
            check_values(taken[key], key, source)


def _check_name(backbone: EfficientNetFeatures, source: str | Path) -> None:
    """Refuse a file whose name, or folder's name, is that of a network with other conventions under the same keys."""
    if any(PADDED_LIKE_TENSORFLOW.match(part) for part in Path(source).parts[-2:]):
        _refuse_tensorflow(backbone, str(source))


def _check_architecture(backbone: EfficientNetFeatures, name: str, source: str) -> None:
    architecture = name.rpartition("/")[2].partition(".")[0]
    if PADDED_LIKE_TENSORFLOW.match(architecture):
        _refuse_tensorflow(backbone, source)
    if architecture != backbone.name:
        raise UserError(f"{source} says that it is {shown(name)}: give timm's weights of {backbone.name}")


def _refuse_tensorflow(backbone: EfficientNetFeatures, source: str) -> None:
    raise UserError(
        f"{source} was trained with TensorFlow's padding (timm's tf_ models), and {backbone.name} pads symmetrically:"
        " take weights without tf_ in their name, such as timm/efficientnet_b0.ra_in1k"
    )


def _check_pixels(said: Mapping[str, Any], source: str) -> None:
    """Refuse weights trained on pixels that were normalised otherwise, where the source says so."""
    trained = said.get("pretrained_cfg")
    trained = {**said, **trained} if isinstance(trained, dict) else said
    for key, ours in (("mean", IMAGENET_RGB.mean), ("std", IMAGENET_RGB.std)):
        value = trained.get(key)
        if value is None:
            continue
        numbers = value if isinstance(value, list) else []
        if len(numbers) != 3 or not all(
            isinstance(one, int | float) and abs(one - of / 255) < PIXELS_TOLERANCE
            for one, of in zip(numbers, ours, strict=True)
        ):
            right = [round(of / 255, 3) for of in ours]
            raise UserError(
                f"{source} was trained with pixels of {key} {shown(str(value))}, and this detector normalises with"
                f" {right}: take weights that were trained so"
            )


def _read_config(path: Path) -> dict[str, Any]:
    """Return timm's config.json beside a file of weights, if there is one."""
    config = path.with_name(HUB_CONFIG)
    return read_object(config, "timm's config of the weights", "get it again") if exists(config) else {}


def _local_file(source: str | Path) -> Path:
    if not str(source) or source == Path():
        raise UserError("no name is given for a backbone: give a file, or a name such as timm/efficientnet_b0.ra_in1k")
    path = Path(source)
    if exists(path) or isinstance(source, Path):
        check_weights_file(path)
        return path
    if path.suffix in SUFFIXES or "/" not in source or not NAME.fullmatch(source):
        raise UserError(
            f"no file {shown(str(source))}: give one, or a name on the hub such as timm/efficientnet_b0.ra_in1k"
        )
    return _download(source)


def _download(name: str) -> Path:
    file = f"{name.partition('/')[2]}.safetensors"
    repository = Repository(
        name, f"get {HUB_FILE} from its page elsewhere, save it here as {file} and pass --backbone {file}"
    )
    path = repository.fetch(HUB_FILE)
    repository.fetch_if_there(HUB_CONFIG)
    return path
