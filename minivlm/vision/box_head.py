"""Heads on pooled regions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivlm.errors import UserError
from minivlm.vision.regions import Regions


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
            pooled: (R, C, P, P), of any number of pictures.

        Returns:
            features: (R, D), class_logits: (R, classes) with the background first, deltas: (R, 4).
        """
        hidden = F.relu(self.fc1(pooled.flatten(1)))
        features = F.relu(self.fc2(hidden))
        return features, self.classifier(features), self.deltas(features)


class AttributeHead(nn.Module):
    """What a region is like, given what it is (Anderson et al. 2018): no part of artifacts and the paper's counts."""

    def __init__(self, feature_dim: int, *, classes: int, embedding: int, hidden: int, attributes: int) -> None:
        super().__init__()
        self.class_embedding = nn.Embedding(classes, embedding)
        self.hidden = nn.Linear(feature_dim + embedding, hidden)
        self.classifier = nn.Linear(hidden, attributes)

    def forward(self, features: Tensor, classes: Tensor) -> Tensor:
        """Map (R, D) features and (R,) int64 classes, background 0, to (R, attributes) logits."""
        hidden = F.relu(self.hidden(torch.cat([features, self.class_embedding(classes)], dim=1)))
        return self.classifier(hidden)


def attribute_logits(head: AttributeHead | None, regions: Regions) -> Tensor:
    """Judge the regions that a detector found, each as an object of its tag.

    Returns:
        (N, attributes) logits.

    Raises:
        UserError: The detector has no attribute head.
    """
    if head is None:
        raise UserError("this detector has no attribute head: take one whose config counts its attributes")
    return head(regions.features, regions.tags + 1)  # tags leave the background out
