"""End-to-end verification of a whole model: captions from the artifact's own detections, beside PyTorch's."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from export.core.metric import Metric
from export.runtime.artifact_backend import ArtifactBackend
from export.verify.metrics import compare_logits, mean_divergence
from export.verify.ties import settled
from export.verify.tolerances import Tolerances
from minivlm.inference.backend import Backend, TorchBackend, caption_context
from minivlm.language.layout import CAPTIONING, CaptionContext
from minivlm.vision.regions import Regions
from minivlm.vision.tee import TEE

STEPS = CAPTIONING.caption_length - 1
"""Tokens of a caption of full length after [CLS]."""


def write_freely(backend: Backend, context: CaptionContext) -> list[int]:
    """Return the tokens of a greedy caption of full length, [SEP] or not, so that all have as many."""
    session, tokens = backend.session(context), [backend.labels.tokenizer.special.cls]
    for _ in range(STEPS):
        tokens.append(int(session.advance([0], tokens[-1:]).argmax()))
    return tokens


def follow(backend: Backend, context: CaptionContext, tokens: Sequence[int]) -> Tensor:
    """Return the (len(tokens), V) logits behind each of given tokens, whatever the model would have written itself."""
    session = backend.session(context)
    return torch.cat([session.advance([0], [token]) for token in tokens])


def verify_captions(
    reference: TorchBackend, artifact: ArtifactBackend, image: Tensor, extent: Tensor, tolerances: Tolerances
) -> list[Metric]:
    """Compare captions about one photo.

    The language part is judged alone, on the reference's regions, and under the artifact's own; both along the
    reference's caption, because after one other word every further word is another. Regions of equal scores are in the
    artifact's order: their tags are words of a text.

    Args:
        reference: The PyTorch model.
        artifact: What was made of it.
        image: (1, 3, H, W), the photo as the detector takes it.
        extent: (2,), see `NetworkInput`.
        tolerances: Of the artifact's precision.
    """
    found, proposals = artifact.detect(image, extent)
    detector = cast(TEE, reference.module.vision)  # of others there are no artifacts
    *regions, _ = settled(detector, image, extent, (*found.present.values(), proposals))
    expected = caption_context(reference, Regions(*regions))
    own = caption_context(artifact, found)
    tokens = write_freely(reference, expected)
    wanted = follow(reference, expected, tokens[:-1])
    given = follow(artifact, own, tokens[:-1])
    apart = mean_divergence(*(logits.double().log_softmax(dim=-1) for logits in (wanted, given)))
    free = write_freely(artifact, own)
    equal = sum(first == second for first, second in zip(tokens[1:], free[1:], strict=True)) / STEPS
    return [
        *compare_logits("caption, same regions:", wanted, follow(artifact, expected, tokens[:-1]), tolerances),
        Metric("caption, own regions: KL nats", apart, tolerances.own_divergence, at_least=False),
        Metric("caption tokens equal", equal, tolerances.tokens),
    ]
