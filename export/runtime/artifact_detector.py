"""A detector out of an artifact of a detector alone. Names of its classes are its checkpoint's: it has none inside."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from export.core.sidecar import Sidecar
from export.runtime.program import Program, load_program, require_artifact
from minivlm.errors import UserError
from minivlm.images.preprocess import NetworkInput, letterbox
from minivlm.inference.detector import DetectorAlone, DetectorConfig
from minivlm.vision.faster_rcnn import FasterRCNNConfig
from minivlm.vision.regions import Regions
from minivlm.vision.tee_config import TEEConfig
from minivlm.weights.labels import DetectorLabels
from minivlm.weights.loading import WeightsOrigin

METHOD = "forward"


@dataclass(frozen=True, kw_only=True)
class ArtifactDetector(DetectorAlone):
    """Implements `minivlm.inference.detector.Detector`; see there for what is not said here.

    Attributes:
        program: The artifact.
        image_size: Height and width in pixels of the photos it takes.
        model: See `Detector`.
        vision: Likewise.
        origin: Likewise.
        tags: Likewise.
        attributes: Likewise.
        detector_hash: Of the file.
    """

    program: Program
    image_size: tuple[int, int]
    model: str
    vision: DetectorConfig
    origin: WeightsOrigin
    tags: tuple[str, ...]
    attributes: tuple[str, ...]
    detector_hash: str

    def fit(self, photo: Image.Image) -> NetworkInput:
        """See `Detector`; the artifact is fixed to one size."""
        return letterbox(photo, self.image_size, self.vision.pixels)

    def regions(self, fitted: NetworkInput) -> Regions:
        """See `Detector`."""
        *regions, _ = self.program.run(METHOD, [fitted.image, fitted.extent])  # the last are proposals
        return Regions(*regions)


def open_detector(path: Path, labels: DetectorLabels, threads: int | None = None) -> ArtifactDetector:
    """Open an artifact of a detector alone.

    Args:
        path: Of any format, with its sidecar beside it.
        labels: Names of its classes and attributes.
        threads: Of the runtime; None leaves its default.

    Raises:
        UserError: A file is missing, the artifact is not what its sidecar describes, or it is no detector that takes
            letterboxed photos.
    """
    require_artifact(path)
    sidecar = Sidecar.read(path)
    config = sidecar.config
    if not isinstance(config, TEEConfig | FasterRCNNConfig) or sidecar.image_size is None:
        raise UserError(f"{path} holds {sidecar.model}, which is no detector: export one")
    program = load_program(path, threads)
    sidecar.check_interface(path, {METHOD: program.interface(METHOD)})
    return ArtifactDetector(
        program=program,
        image_size=sidecar.image_size,
        model=sidecar.model,
        vision=config,
        origin=sidecar.weights,
        tags=labels.tags,
        attributes=labels.attributes,
        detector_hash=sidecar.sha256,
    )
