"""The verification of a whole model: captions of the held-out photos by its artifact, beside PyTorch's."""

import torch

from export.core.job import Job
from export.core.metric import Metric
from export.runtime.artifact_backend import ArtifactBackend
from export.runtime.program import Program
from export.verify.captions import verify_captions
from export.verify.metrics import worst
from export.verify.tolerances import Tolerances
from minivlm.inference.backend import TorchBackend


@torch.no_grad()
def verify_whole(job: Job, program: Program, tolerances: Tolerances) -> list[Metric]:
    """Compare captions of the held-out photos; a model that writes none has nothing to compare."""
    if job.labels is None:
        return []
    finder = next(method for method in job.methods if method.detector)
    height, width = finder.inputs["image"].shape[2:]
    reference = TorchBackend(job.model, job.labels)
    artifact = ArtifactBackend(
        program,
        model=job.model.name,
        config=reference.config,
        origin=job.model.origin,
        labels=job.labels,
        image_size=(height, width),
        detector_hash="",
    )
    return worst(
        [
            verify_captions(reference, artifact, image, extent, tolerances)
            for image, extent in finder.verification_inputs
        ]
    )
