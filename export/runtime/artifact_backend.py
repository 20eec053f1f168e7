"""A whole model out of one artifact: the networks behind `minivlm caption PHOTO --artifact FILE` and its sisters.

Nothing of the PyTorch model is built: its sizes come from the registry, the weights from the file, and what the ids
mean from the folder beside it.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from export.core.acceleration import CPU
from export.core.sidecar import Sidecar
from export.runtime.program import Program, load_accelerated, load_program, require_artifact
from minivlm.errors import UserError
from minivlm.images.preprocess import NetworkInput, letterbox
from minivlm.inference.detector import DetectorConfig
from minivlm.language.decoding import CaptionSession
from minivlm.language.exportable import CompiledSession
from minivlm.language.layout import CAPTIONING, CaptionContext, CaptionLayout, TransformerInputs
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.vision.regions import Regions
from minivlm.weights.labels import Labels, read_labels
from minivlm.weights.loading import WeightsOrigin


class ArtifactBackend:
    """Implements `minivlm.inference.backend.Backend`; see there for what each member means.

    Args:
        program: The artifact of a whole model.
        model: Name in the registry.
        config: Of the model, with the heads that the artifact has.
        origin: Where its weights come from.
        labels: What its ids mean.
        image_size: Height and width in pixels of the photos it takes.
        detector_hash: Of the artifact.
    """

    caption_layout: CaptionLayout = CAPTIONING

    def __init__(
        self,
        program: Program,
        *,
        model: str,
        config: VisionLanguageConfig,
        origin: WeightsOrigin,
        labels: Labels,
        image_size: tuple[int, int],
        detector_hash: str,
    ) -> None:
        self._program = program
        self.model = model
        self.origin = origin
        self.labels = labels
        self.image_size = image_size
        self.detector_hash = detector_hash
        self.config = config

    @property
    def threads(self) -> int:
        """Threads of the runtime's pool."""
        return self._program.threads

    @property
    def vision(self) -> DetectorConfig:
        """See `Backend`."""
        return self.config.vision

    @property
    def tags(self) -> tuple[str, ...]:
        """See `Backend`."""
        return self.labels.tags

    @property
    def attributes(self) -> tuple[str, ...]:
        """See `Backend`."""
        return self.labels.attributes

    def fit(self, photo: Image.Image) -> NetworkInput:
        """See `Backend`; the artifact is fixed to one size."""
        return letterbox(photo, self.image_size, self.vision.pixels)

    def regions(self, fitted: NetworkInput) -> Regions:
        """See `Backend`."""
        return self.find(fitted.image, fitted.extent)

    def find(self, image: Tensor, extent: Tensor) -> Regions:
        """Run the detector on an image of its size; see `TEE.forward`."""
        return self.detect(image, extent)[0]

    def detect(self, image: Tensor, extent: Tensor) -> tuple[Regions, Tensor]:
        """Run the detector and return its proposals, too; see `TEE.detect`."""
        *regions, proposals = self._program.run("regions", [image, extent])
        return Regions(*regions), proposals

    def session(self, context: CaptionContext) -> CaptionSession:
        """See `Backend`."""
        return CompiledSession(self._prefill, self._step, self.caption_layout, context)

    def _prefill(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        keys, values = self._program.run("prefill", inputs)
        return keys, values

    def _step(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, keys, values = self._program.run("step", inputs)
        return logits, keys, values

    def vqa(self, inputs: TransformerInputs) -> Tensor:
        """See `Backend`."""
        return self._head("vqa", [inputs])

    def nlvr2(self, left: TransformerInputs, right: TransformerInputs) -> Tensor:
        """See `Backend`."""
        return self._head("nlvr2", [left, right])

    def match(self, inputs: TransformerInputs) -> Tensor:
        """See `Backend`."""
        return self._head("match", [inputs])

    def _head(self, name: str, sequences: Sequence[TransformerInputs]) -> Tensor:
        """Run a head on every example of a batch: the artifact takes one at a time."""
        if name not in self.config.heads:
            raise UserError(
                f"this artifact has no method {name!r} for the task: it has {', '.join(self._program.methods)}; "
                "export a checkpoint with that head"
            )
        rows = []
        for index in range(sequences[0].token_ids.shape[0]):
            fields = [torch.cat([item[index : index + 1] for item in items]) for items in zip(*sequences, strict=True)]
            rows.append(self._program.run(name, fields)[0])
        return torch.cat(rows)


def open_backend(
    path: Path, threads: int | None = None, accelerator: str = CPU, note: Callable[[str], None] | None = None
) -> ArtifactBackend:
    """Open an artifact for the pipeline.

    Args:
        path: An artifact of a whole model, of any format, with its sidecar and labels beside it.
        threads: Of the runtime; None leaves its default.
        accelerator: That runs its convolutions and matrix products.
        note: Told what the accelerator is.

    Raises:
        UserError: A file is missing, the artifact is not what its sidecar describes, it is of a part only, or the
            accelerator does not go with it.
    """
    require_artifact(path)
    sidecar = Sidecar.read(path)
    if accelerator == CPU:
        return backend_of(path, sidecar, load_program(path, threads))
    program = load_accelerated(path, sidecar.precision, accelerator, threads)
    backend = backend_of(path, sidecar, program)
    # Regions that are kept for later are those of one device: others compute others.
    backend.detector_hash = hashlib.sha256(f"{accelerator} {sidecar.sha256}".encode()).hexdigest()
    program.load("regions")
    if note is not None:
        slow = ": its seconds say nothing of a device's" if program.adapter.software else ""
        note(f"ran on {accelerator}, {program.adapter}{slow}")
    return backend


def backend_of(path: Path, sidecar: Sidecar, program: Program) -> ArtifactBackend:
    """Put a backend around an artifact that was read and opened already; see `open_backend`."""
    config = sidecar.config
    if not isinstance(config, VisionLanguageConfig):
        raise UserError(f"{path} holds {sidecar.model}, only a part of a vision-language model: export a whole one")
    if sidecar.image_size is None or "regions" not in program.methods:
        raise UserError(f"{path} has no method from an image to regions: export a whole model")
    sidecar.check_interface(path, {"regions": program.interface("regions")})
    return ArtifactBackend(
        program,
        model=sidecar.model,
        config=config,
        origin=sidecar.weights,
        labels=read_labels(sidecar.check_labels(path), config),
        image_size=sidecar.image_size,
        detector_hash=sidecar.sha256,
    )
