"""The JSON file beside an artifact: what is in it, how exact it is, how it was made."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch import Tensor

from export.methods import Method
from export.parity import Figure
from minivlm.errors import UserError
from minivlm.files import exists, sha256, write_text
from minivlm.json_text import json_text
from minivlm.model import HEADS, VisionLanguageConfig
from minivlm.registry import ModelConfig, WeightsOrigin, get_config
from minivlm.sizes import with_sizes

FORMAT = 2


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
        delegated_macs: Share of them that the runtime's accelerated kernels run.
    """

    name: str
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    parity: list[Figure]
    macs: int
    delegated_macs: float


@dataclass(frozen=True)
class Sidecar:
    """Everything known about an artifact; written as JSON under the artifact's name.

    Attributes:
        methods: Each entry point with its shapes and how exact it is.
        kept_float: Layers that stay in float in an int8 artifact.
        calibration: Photos that ranges were measured on, and their hash; None where nothing was calibrated.
        proof: How exact the whole is, all methods together; empty for an artifact with one method.
        photo: The first photo of the proof.
        bytes: Of the artifact, all its files.
        sha256: See `minivlm.files.sha256`.
        seconds: By step of the export.
        versions: Of the tools.
        quantization: By rule in the order of the recipe, which layers with weights it decided; see `by_rule`.
        sizes: Of the model, see `minivlm.sizes`; those that are missing are the registry's.
    """

    model: str
    runtime: str
    precision: str
    weights: WeightsOrigin
    methods: list[MethodReport]
    kept_float: Sequence[str]
    calibration: Mapping[str, Any] | None
    proof: Sequence[Figure]
    photo: str
    bytes: int
    sha256: str
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    quantization: Sequence[Mapping[str, Any]] = field(default_factory=list)
    sizes: Mapping[str, int] = field(default_factory=dict)
    format: int = FORMAT

    def write(self, artifact: Path) -> None:
        """Write the file beside its artifact, as a whole or not at all."""
        write_text(sidecar_path(artifact), json_text(asdict(self)) + "\n")

    @classmethod
    def read(cls, artifact: Path) -> "Sidecar":
        """Read the sidecar of an artifact and hold it against the file.

        Raises:
            UserError: It is missing, damaged, of another version, or describes other bytes.
        """
        path = sidecar_path(artifact)
        try:
            sidecar = cls(**_parsed(json.loads(path.read_text(encoding="utf-8"))))
        except FileNotFoundError:
            raise UserError(f"{artifact} has no {path.name} beside it: copy it there, or export again") from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path} is not a sidecar of format {FORMAT} ({error}): export again") from None
        if not exists(artifact):
            raise UserError(f"{artifact} is not there, only its {path.name}: export again")
        if sidecar.sha256 != sha256(artifact):
            raise UserError(f"{path.name} describes other bytes than {artifact} holds: export again")
        return sidecar

    @property
    def config(self) -> ModelConfig:
        """The model's config: its sizes, and those heads that the artifact has a method for.

        Raises:
            UserError: There is no such model, or it has no such sizes.
        """
        config = with_sizes(get_config(self.model), self.sizes)
        if not isinstance(config, VisionLanguageConfig):
            return config
        methods = [method.name for method in self.methods]
        return replace(config, heads=tuple(name for name in HEADS if name in methods))

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Height and width of the vision input in pixels, None for a transformer."""
        shapes = [spec.shape for method in self.methods for spec in method.inputs if spec.name == "image"]
        return (shapes[0][2], shapes[0][3]) if shapes else None


def _parsed(fields: dict[str, Any]) -> dict[str, Any]:
    """Turn what JSON gives back into the dataclasses that were written."""
    if fields["format"] != FORMAT:
        raise ValueError(f"format {fields['format']}")
    methods = [
        MethodReport(
            **{
                **method,
                "inputs": [TensorSpec(**spec) for spec in method["inputs"]],
                "outputs": [TensorSpec(**spec) for spec in method["outputs"]],
                "parity": [Figure(**figure) for figure in method["parity"]],
            }
        )
        for method in fields["methods"]
    ]
    proof = [Figure(**figure) for figure in fields["proof"]]
    return {**fields, "methods": methods, "proof": proof, "weights": WeightsOrigin(**fields["weights"])}


def sidecar_path(artifact: Path) -> Path:
    """Return where an artifact's sidecar is: the same name with .json."""
    return artifact.with_suffix(".json")


def words_folder(artifact: Path) -> Path:
    """Return where a whole model's vocabulary, tags and answers are: a folder of the same name with -words."""
    return artifact.with_name(f"{artifact.stem}-words")


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
