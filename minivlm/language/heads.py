"""Task heads on the pooled vector, one linear layer each (MiniVLM section 4; microsoft/Oscar `oscar/run_*.py`).

As in BERT's classifiers, training drops a share of the pooled vector before that layer.
"""

import torch
from torch import Tensor, nn

from minivlm.language.initial_weights import initialize_layer

VQA_ANSWERS = 3129
"""Answers that occur at least 9 times in VQA v2's training set, the usual label set."""


class AnswerHead(nn.Module):
    """Visual question answering: independent logits over a fixed list of answers, to be read through a sigmoid."""

    def __init__(self, hidden: int, answers: int = VQA_ANSWERS, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = _linear(hidden, answers)

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, h) -> (B, answers)."""
        return self.classifier(self.dropout(pooled) if self.training else pooled)


class PairHead(nn.Module):
    """NLVR2: whether a statement about two images is true.

    The transformer runs once an image, both times with the statement. Oscar's released model has two layers here;
    MiniVLM has one.
    """

    def __init__(self, hidden: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = _linear(2 * hidden, 2)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Two (B, h) pooled vectors -> (B, 2) logits of false and true."""
        both = torch.cat([left, right], dim=1)
        return self.classifier(self.dropout(both) if self.training else both)


class MatchHead(nn.Module):
    """Retrieval: whether a caption describes an image. The probability of "yes" ranks candidates."""

    def __init__(self, hidden: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = _linear(hidden, 2)

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, h) -> (B, 2) logits of no and yes."""
        return self.classifier(self.dropout(pooled) if self.training else pooled)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with BERT's initialisation."""
    linear = nn.Linear(inputs, outputs)
    initialize_layer(linear)
    return linear
