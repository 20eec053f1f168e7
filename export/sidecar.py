"""The JSON file beside an artifact: what is in it, how exact it is, how it was made."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch import Tensor

from export.methods import Method
from export.parity import Figure
from minivlm.files import write_text
from minivlm.registry import WeightsOrigin

FORMAT = 1


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape and element type of one input or output."""

    name: str
    shape: list[int]
    dtype: str

    @classmethod
    def of(cls, name: str, tensor: Tensor) -> "TensorSpec":
        """Describe a tensor."""
        return cls(name, list(tensor.shape), str(tensor.dtype).removeprefix("torch."))


@dataclass(frozen=True)
class MethodReport:
    """One method of an artifact, as measured.

    Attributes:
        macs: Multiply-adds of one call's convolutions and matrix products.
        delegated_macs: Share of them that the accelerated backend runs.
    """

    name: str
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    parity: list[Figure]
    macs: int
    delegated_macs: float


@dataclass(frozen=True)
class Sidecar:
    """Everything known about an artifact; written as JSON under the artifact's name."""

    model: str
    runtime: str
    precision: str
    weights: WeightsOrigin
    methods: list[MethodReport]
    photo: str
    bytes: int
    sha256: str
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    format: int = FORMAT

    def write(self, path: Path) -> None:
        """Write the file as a whole or not at all."""
        write_text(path, json.dumps(asdict(self), indent=2, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} has no JSON form")


def tensor_specs(method: Method, outputs: tuple[Tensor, ...]) -> tuple[list[TensorSpec], list[TensorSpec]]:
    """Describe a method's inputs and outputs."""
    inputs = [TensorSpec.of(name, tensor) for name, tensor in method.inputs.items()]
    return inputs, [TensorSpec.of(name, tensor) for name, tensor in zip(method.outputs, outputs, strict=True)]


def tool_versions(*packages: str) -> dict[str, str]:
    """Return Python's version and those of the given packages that are installed."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def artifact_path(folder: Path, model: str, runtime: str, precision: str, suffix: str) -> Path:
    """Return where an artifact is kept: {model}-{runtime}-{precision}.{suffix}."""
    return folder / f"{model}-{runtime}-{precision}.{suffix}"
