"""Heads are one linear layer each; sizes by the paper's section 4 and the data sets."""

import pytest
import torch
from torch import nn

from minivlm.language.heads import AnswerHead, MatchHead, PairHead

HIDDEN = 384


@pytest.mark.parametrize(
    ("head", "inputs", "outputs"),
    [(AnswerHead(HIDDEN), 1, 3129), (PairHead(HIDDEN), 2, 2), (MatchHead(HIDDEN), 1, 2)],
    ids=["vqa", "nlvr2", "retrieval"],
)
def test_shapes_and_parameters(head: nn.Module, inputs: int, outputs: int) -> None:
    pooled = [torch.randn(3, HIDDEN) for _ in range(inputs)]
    assert head(*pooled).shape == (3, outputs)
    assert sum(p.numel() for p in head.parameters()) == (inputs * HIDDEN + 1) * outputs


def test_the_pair_head_tells_left_from_right() -> None:
    head = PairHead(8)
    left, right = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(0))
    expected = left @ head.classifier.weight[:, :8].T + right @ head.classifier.weight[:, 8:].T
    torch.testing.assert_close(head(left, right), expected, atol=1e-6, rtol=1e-5)  # rounding of another order
    assert not torch.allclose(head(left, right), head(right, left))


@pytest.mark.parametrize(("kind", "inputs"), [(AnswerHead, 1), (PairHead, 2), (MatchHead, 1)])
def test_training_drops_the_pooled_vector_and_nothing_else(kind: type[nn.Module], inputs: int) -> None:
    """With all of it dropped, what is left is the bias."""
    head = kind(8, dropout=1.0)
    nn.init.normal_(head.classifier.bias)  # type: ignore[union-attr,arg-type]
    pooled = [torch.randn(2, 8) for _ in range(inputs)]
    assert torch.equal(head(*pooled), head.classifier.bias.expand(2, -1))  # type: ignore[union-attr,operator]
    assert not torch.equal(head.eval()(*pooled), head.classifier.bias.expand(2, -1))  # type: ignore[union-attr,operator]
