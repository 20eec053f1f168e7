"""A whole model out of one artifact: the networks behind `minivlm caption PHOTO --artifact FILE` and its sisters.

Nothing of the PyTorch model is built: its sizes come from the registry, the weights from the file, and what the ids
mean from the folder beside it.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from export.program import open_program
from export.sidecar import Sidecar, words_folder
from minivlm.errors import UserError
from minivlm.language.decoding import CaptionSession
from minivlm.language.exportable import CompiledSession
from minivlm.language.layout import CAPTIONING, CaptionContext, CaptionLayout, TransformerInputs
from minivlm.model import HEADS
from minivlm.preprocess import NetworkInput, letterbox
from minivlm.registry import vision_language_config
from minivlm.vision.regions import Regions
from minivlm.words import read_words


class ArtifactBackend:
    """Implements `minivlm.backend.Backend`; see there for what each member means.

    Args:
        path: An artifact of a whole model, of any format,, with its sidecar and words beside it.
        threads: Of the runtime; None leaves its default.

    Raises:
        UserError: A file is missing, the artifact is not what its sidecar describes, or it is of a part only.
    """

    caption_layout: CaptionLayout = CAPTIONING

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._program = open_program(path, threads)
        sidecar = Sidecar.read(path)
        config = vision_language_config(sidecar.model)
        self.model = sidecar.model
        self.origin = sidecar.weights
        self.config = replace(config, heads=tuple(name for name in HEADS if name in self._program.methods))
        self.words = read_words(words_folder(path), self.config)
        self.detector_hash = sidecar.sha256
        if sidecar.image_size is None:
            raise UserError(f"{path} has no method that takes an image: export a whole model")
        self.image_size = sidecar.image_size

    @property
    def threads(self) -> int:
        """Threads of the runtime's pool."""
        return self._program.threads

    def fit(self, photo: Image.Image) -> NetworkInput:
        """See `Backend`; the artifact is fixed to one size."""
        return letterbox(photo, self.image_size, self.config.vision.pixels)

    def regions(self, fitted: NetworkInput) -> Regions:
        """See `Backend`."""
        *regions, _ = self._program.run("regions", [fitted.image, fitted.extent])
        return Regions(*regions)

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


def open_backend(path: Path, threads: int | None = None) -> ArtifactBackend:
    """Open an artifact for the pipeline; arguments and errors as for `ArtifactBackend`."""
    return ArtifactBackend(path, threads)
