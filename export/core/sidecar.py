"""The JSON file beside an artifact: what is in it, how exact it is, how it was made."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from export.core.acceleration import AcceleratorProof
from export.core.feeding import Feeding
from export.core.formats import FORMATS, runtime_name
from export.core.interface import Interface, TensorSpec
from export.core.lowering import Lowering
from export.core.metric import Metric
from export.core.task_proof import TaskProof
from minivlm.errors import UserError, printable
from minivlm.models.registry import get_config
from minivlm.models.sizes import ModelConfig, with_sizes
from minivlm.models.vision_language import HEADS, VisionLanguageConfig
from minivlm.storage.files import exists, is_file, sha256, write_text
from minivlm.storage.json_files import read_object
from minivlm.weights.loading import WeightsOrigin

FORMAT = 2
PROVEN = "proven"


@dataclass(frozen=True)
class MethodReport:
    """One method of an artifact, as measured.

    Attributes:
        inputs: As the artifact itself declares them, in order.
        outputs: Likewise.
        macs: Multiply-adds of one call's convolutions and matrix products.
        delegated_macs: Share of them that the runtime's accelerated kernels run.
        lowering: What delegates took; None where the format has none.
    """

    name: str
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    parity: list[Metric]
    macs: int
    delegated_macs: float
    lowering: Lowering | None = None

    @property
    def metrics(self) -> list[Metric]:
        """Of the method, and of its pieces where these were compared on their own."""
        pieces = self.lowering.pieces if self.lowering is not None else ()
        return [*self.parity, *(metric for piece in pieces for metric in piece.parity)]

    def share(self, delegate: str) -> float:
        """Return the share of a lowered method's multiply-adds that a delegate takes.

        Of those that are in the artifact: tracing leaves out what nobody reads, such as the last layer's queries of
        `prefill`, and `macs` counts it.
        """
        assert self.lowering is not None  # of a format with delegates
        outside = (1.0 - self.delegated_macs) * self.macs
        whole = outside + sum(piece.macs for piece in self.lowering.pieces)
        return self.lowering.macs(delegate) / whole if whole else 1.0

    @property
    def names(self) -> tuple[list[str], list[str]]:
        """Of the inputs and of the outputs."""
        return [spec.name for spec in self.inputs], [spec.name for spec in self.outputs]


@dataclass(frozen=True)
class Sidecar:
    """Everything known about an artifact; written as JSON under the artifact's name.

    Attributes:
        methods: Each entry point with its shapes and how exact it is.
        kept_float: Layers that stay in float in an int8 artifact.
        calibration: Photos that ranges were measured on, and their hash; None where nothing was calibrated.
        proof: How exact the whole is, all methods together; empty for an artifact with one method.
        photo: The first photo of the verification.
        bytes: Of the artifact, all its files.
        sha256: See `minivlm.storage.files.sha256`.
        seconds: By step of the export.
        versions: Of the tools.
        labels: Of a whole model, by name, the hash of each file that gives its ids a meaning; see `labels_folder`.
        feeding: How inputs are made and what outputs mean.
        quantization: By rule in the order of the recipe, which layers with weights it decided; see `by_rule`.
        sizes: Of the model, see `minivlm.models.sizes`; those that are missing are the registry's.
        delegate: What it is lowered to first; "" where the format has no delegates, or an earlier version wrote this.
        status: `PROVEN`, or `export.core.lowering.LOWERED`; then `parity` and `proof` are empty.
        tasks: What it keeps of its model's scores; None where they were not compared.
        accelerators: On which other devices than the CPU it was proven, and in what they computed.
    """

    model: str
    runtime: str
    precision: str
    weights: WeightsOrigin
    methods: list[MethodReport]
    kept_float: Sequence[str]
    calibration: Mapping[str, Any] | None
    proof: Sequence[Metric]
    photo: str
    bytes: int
    sha256: str
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    words: Mapping[str, str] = field(default_factory=dict)
    feeding: Feeding = field(default_factory=Feeding)
    quantization: Sequence[Mapping[str, Any]] = field(default_factory=list)
    sizes: Mapping[str, int] = field(default_factory=dict)
    tasks: TaskProof | None = None
    delegate: str = ""
    status: str = PROVEN
    accelerators: Sequence[AcceleratorProof] = field(default_factory=list)
    format: int = FORMAT

    def write(self, artifact: Path) -> None:
        """Write the file beside its artifact, as a whole or not at all."""
        write_text(sidecar_path(artifact), json.dumps(asdict(self), indent=2, allow_nan=False) + "\n")

    @classmethod
    def read(cls, artifact: Path) -> "Sidecar":
        """Read the sidecar of an artifact and hold it against the file, before any runtime opens that.

        Keys that a later version has added are left alone.

        Raises:
            UserError: It is missing, damaged, of another version, or describes other bytes.
        """
        path = sidecar_path(artifact)
        if not exists(path):
            raise UserError(f"{artifact} has no {path.name} beside it: copy it there, or export again")
        wanted = f"a sidecar of format {FORMAT}"
        sidecar = _parsed(read_object(path, wanted, "export again"), f"{path} is not {wanted}")
        if not exists(artifact):
            raise UserError(f"{artifact} is not there, only its {path.name}: export again")
        if sidecar.sha256 != _hash(artifact):
            raise UserError(f"{path.name} describes other bytes than {artifact} holds: export again")
        return sidecar

    def check_labels(self, artifact: Path) -> Path:
        """Hold the labels beside a whole model's artifact against what it was exported with, and return their folder.

        Raises:
            UserError: A file is missing or another one.
        """
        folder = labels_folder(artifact)
        if not self.words:
            raise UserError(f"{sidecar_path(artifact)} does not say which labels belong to the artifact: export again")
        for name, digest in self.words.items():
            if not is_file(folder / name):
                raise UserError(f"there is no {folder / name}, which belongs to {artifact.name}: copy it, too")
            if _hash(folder / name) != digest:
                raise UserError(
                    f"{folder / name} is not the file that {artifact.name} was exported with: copy that one, or export "
                    "again"
                )
        return folder

    def check_interface(self, artifact: Path, methods: Mapping[str, Interface]) -> None:
        """Hold what an artifact says about some of its methods against this.

        Raises:
            UserError: A method, a shape, a name or a type differs.
        """
        described = {method.name: method for method in self.methods}
        for name, told in methods.items():
            method = described.get(name)
            try:
                fits = method is not None and told.named(*method.names) == Interface(method.inputs, method.outputs)
            except ValueError:
                fits = False
            if not fits:
                raise UserError(
                    f"{sidecar_path(artifact)} describes another method {name!r} than {artifact.name} has: export again"
                )

    @property
    def target(self) -> str:
        """What runs it: the runtime's name, with the delegate where that is not the default, "executorch-coreml"."""
        known = FORMATS.get(self.runtime)
        return self.runtime if known is None else runtime_name(known, self.delegate)

    @property
    def delegated(self) -> bool:
        """Whether it is lowered to another delegate than its format's default."""
        return self.target != self.runtime

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


def _parsed(content: Mapping[str, Any], refused: str) -> Sidecar:
    """Turn what JSON gives back into the dataclasses that were written.

    Raises:
        UserError: A field is missing or of another type, or the image has no size.
    """
    if content.get("format") != FORMAT:
        raise UserError(f"{refused} but of format {content.get('format')!r:.40}: export again")
    try:
        sidecar = _reader().validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = printable(".".join(str(part) for part in first["loc"]))
        raise UserError(f"{refused} ({place:.80}: {first['msg']}): export again") from None
    images = [spec.shape for method in sidecar.methods for spec in method.inputs if spec.name == "image"]
    if any(len(shape) != 4 or min(shape) < 1 for shape in images):
        raise UserError(f"{refused} (an image of shape {images[0]!s:.80}): export again")
    return sidecar


@cache
def _reader() -> TypeAdapter[Sidecar]:
    return TypeAdapter(Sidecar)


def _hash(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror or error}): allow it, or export again") from None


def sidecar_path(artifact: Path) -> Path:
    """Return where an artifact's sidecar is: the same name with .json."""
    return artifact.with_suffix(".json")


def labels_folder(artifact: Path) -> Path:
    """Return where a whole model's vocabulary and names are: a folder of the same name with -words."""
    return artifact.with_name(f"{artifact.stem}-words")


def tool_versions(*packages: str) -> dict[str, str]:
    """Return Python's version and those of the given packages that are installed."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
