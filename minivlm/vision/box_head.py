"""Heads on pooled regions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BoxHead(nn.Module):
    """Two linear layers to the region feature, then class logits and class-agnostic box deltas (section 3.1)."""

    def __init__(self, in_features: int, feature_dim: int, classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(in_features, feature_dim)
        self.fc2 = nn.Linear(feature_dim, feature_dim)
        self.classifier = nn.Linear(feature_dim, classes)
        self.deltas = nn.Linear(feature_dim, 4)

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Describe and classify.

        Args:
            pooled: (R, C, P, P).

        Returns:
            features: (R, D), class_logits: (R, classes) with the background first, deltas: (R, 4).
        """
        hidden = F.relu(self.fc1(pooled.flatten(1)))
        features = F.relu(self.fc2(hidden))
        return features, self.classifier(features), self.deltas(features)


class AttributeHead(nn.Module):
    """The attribute branch of training (Anderson et al. 2018): no part of inference and of the paper's counts."""

    def __init__(self, feature_dim: int, *, classes: int, embedding: int, hidden: int, attributes: int) -> None:
        super().__init__()
        self.class_embedding = nn.Embedding(classes, embedding)
        self.hidden = nn.Linear(feature_dim + embedding, hidden)
        self.classifier = nn.Linear(hidden, attributes)

    def forward(self, features: Tensor, classes: Tensor) -> Tensor:
        """Map (R, D) features and (R,) int64 classes, background 0, to (R, attributes) logits."""
        hidden = F.relu(self.hidden(torch.cat([features, self.class_embedding(classes)], dim=1)))
        return self.classifier(hidden)
