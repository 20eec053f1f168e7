"""Heads on pooled regions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivlm.vision import random_weights
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
    """What a region is like, given what it is (Anderson et al. 2018): no part of the paper's counts."""

    def __init__(self, feature_dim: int, *, classes: int, embedding: int, hidden: int, attributes: int) -> None:
        super().__init__()
        self.class_embedding = nn.Embedding(classes, embedding)
        self.hidden = nn.Linear(feature_dim + embedding, hidden)
        self.classifier = nn.Linear(hidden, attributes)

    def forward(self, features: Tensor, classes: Tensor) -> Tensor:
        """Map (R, D) features and (R,) int64 classes, background 0, to (R, attributes) logits."""
        return self.classifier(F.relu(self.hidden(self._join(features, classes))))

    def _join(self, features: Tensor, classes: Tensor) -> Tensor:
        return torch.cat([features, self.class_embedding(classes)], dim=1)

    @torch.no_grad()
    def spread(self, features: Tensor, classes: Tensor, std: float) -> None:
        """Rescale random weights so that logits on these inputs differ by `std`; see `random_weights.spread`."""
        joined = self._join(features, classes)
        random_weights.spread(self.hidden, joined, mean=0.0, std=1.0)
        random_weights.spread(self.classifier, F.relu(self.hidden(joined)), mean=0.0, std=std)


def with_attributes(head: AttributeHead | None, regions: Regions) -> Regions:
    """Judge the regions that a detector kept, each as an object of its tag.

    Returns:
        The regions with the most probable attribute of each; as they are where the detector has no head for them.
    """
    if head is None:
        return regions
    logits = head(regions.features, regions.tags + 1)  # tags leave the background out
    scores, attributes = logits.softmax(dim=1).max(dim=1)
    return regions._replace(attributes=attributes, attribute_scores=scores)
