"""Which artifact is the one that was asked for, and where: a file name only finds it, its sidecar says what it is.

An artifact is of one model, runtime, delegate, precision, image size and set of weights, and of one set of
labels if it is whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from export.core.formats import FORMATS, artifact_path, runtime_name
from export.core.request import ExportRequest
from export.core.sidecar import Sidecar
from minivlm.errors import UserError
from minivlm.inference.backend import labels_of
from minivlm.models.sizes import ModelConfig, sizes_of
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.storage.files import exists
from minivlm.vision.tee_config import TEEConfig
from minivlm.weights.labels import read_labels
from minivlm.weights.loading import DescribedModel, describe_model


@dataclass(frozen=True)
class Identity:
    """What tells an artifact from others.

    Attributes:
        model: Name in the registry.
        runtime: That runs it.
        target: That and the delegate, see `Sidecar.target`.
        precision: Such as "fp32".
        sizes: See `minivlm.models.sizes`.
        weights: Hash of the checkpoint's file and seed, of which one is None. Random weights go by their seed: their
            last bits differ with the number of threads that made them.
        image_size: Height and width of the vision input in pixels; None for a transformer.
        labels: Hash of vocabulary and names; None for a part of a model.
        attributes: Whether its regions come with attributes; in artifacts of earlier versions they never do.
    """

    model: str
    runtime: str
    target: str
    precision: str
    sizes: dict[str, int]
    weights: tuple[str | None, int | None]
    image_size: tuple[int, int] | None
    labels: str | None
    attributes: bool

    @classmethod
    def of_request(cls, request: ExportRequest) -> "Identity":
        """Return the identity of what an export makes.

        Raises:
            UserError: The model or checkpoint is not there.
        """
        described = describe_model(request.model, checkpoint=request.checkpoint, seed=request.seed)
        return cls(
            described.name,
            request.runtime,
            runtime_name(FORMATS[request.runtime], request.delegate),
            request.precision,
            sizes_of(described.config),
            described.origin.identity,
            input_size(described.config, request.image_size),
            _labels_hash(described, request.checkpoint),
            _describes_regions(described.config),
        )

    @classmethod
    def of_artifact(cls, path: Path) -> "Identity":
        """Return what an artifact is by its sidecar and the labels beside it.

        Raises:
            UserError: One of them is missing, or does not belong to the file.
        """
        sidecar, labels = Sidecar.read(path), None
        config = sidecar.config
        if isinstance(config, VisionLanguageConfig):
            labels = read_labels(sidecar.check_labels(path), config).sha256
        return cls(
            sidecar.model,
            sidecar.runtime,
            sidecar.target,
            sidecar.precision,
            sizes_of(config),
            sidecar.weights.identity,
            sidecar.image_size,
            labels,
            any(spec.name == "attributes" for method in sidecar.methods for spec in method.outputs),
        )


def input_size(config: ModelConfig, asked: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return the (height, width) in pixels that a model's artifact is fixed to; None for a transformer.

    Args:
        config: Of the model.
        asked: Size that was asked for; None takes the model's own.
    """
    vision = config.vision if isinstance(config, VisionLanguageConfig) else config
    return (asked or vision.image_size) if isinstance(vision, TEEConfig) else None


def _describes_regions(config: ModelConfig) -> bool:
    vision = config.vision if isinstance(config, VisionLanguageConfig) else config
    return isinstance(vision, TEEConfig) and vision.attributes > 0


def find_artifact(request: ExportRequest) -> Path:
    """Return where the artifact of a request is, or where it can be made without touching another.

    That is `artifact_path` if what is there fits or nothing is there. Otherwise the name goes on with the weights and
    the image size.

    Raises:
        UserError: The model or checkpoint is not there.
    """
    wanted = Identity.of_request(request)
    free: Path | None = None
    for number, path in enumerate(_candidates(request, wanted)):
        if not exists(path):
            free = free or path
            if number:
                break
        elif _fits(path, wanted):
            return path
    assert free is not None
    return free


def _fits(path: Path, wanted: Identity) -> bool:
    try:
        return Identity.of_artifact(path) == wanted
    except UserError:  # damaged, or what belongs to it is missing
        return False


def _candidates(request: ExportRequest, wanted: Identity) -> Iterator[Path]:
    """Yield the short name, then one of its own, then others in case even that is taken."""
    plain = artifact_path(request.output, wanted.model, FORMATS[wanted.runtime], wanted.precision, request.delegate)
    digest, seed = wanted.weights
    own = f"{plain.stem}-{digest[:8] if digest else f'seed{seed}'}"
    if wanted.image_size is not None:
        own += "-{}x{}".format(*wanted.image_size)
    yield plain
    yield plain.with_name(own + plain.suffix)
    for number in count(2):
        yield plain.with_name(f"{own}-{number}{plain.suffix}")


def _labels_hash(described: DescribedModel, checkpoint: Path | None) -> str | None:
    config = described.config
    return labels_of(config, checkpoint).sha256 if isinstance(config, VisionLanguageConfig) else None
