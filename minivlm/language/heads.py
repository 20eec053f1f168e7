"""Task heads on the pooled vector, one linear layer each (MiniVLM section 4; microsoft/Oscar `oscar/run_*.py`)."""

import torch
from torch import Tensor, nn

VQA_ANSWERS = 3129
"""Answers that occur at least 9 times in VQA v2's training set, the usual label set."""


class AnswerHead(nn.Module):
    """Visual question answering: independent logits over a fixed list of answers, to be read through a sigmoid."""

    def __init__(self, hidden: int, answers: int = VQA_ANSWERS) -> None:
        super().__init__()
        self.classifier = _linear(hidden, answers)

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, h) -> (B, answers)."""
        return self.classifier(pooled)


class PairHead(nn.Module):
    """NLVR2: whether a statement about two images is true.

    The transformer runs once an image, both times with the statement. Oscar's released model has two layers here;
    MiniVLM has one.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.classifier = _linear(2 * hidden, 2)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Two (B, h) pooled vectors -> (B, 2) logits of false and true."""
        return self.classifier(torch.cat([left, right], dim=1))


class MatchHead(nn.Module):
    """Retrieval: whether a caption describes an image. The probability of "yes" ranks candidates."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.classifier = _linear(hidden, 2)

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, h) -> (B, 2) logits of no and yes."""
        return self.classifier(pooled)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with BERT's initialisation."""
    linear = nn.Linear(inputs, outputs)
    nn.init.normal_(linear.weight, std=0.02)
    nn.init.zeros_(linear.bias)
    return linear
