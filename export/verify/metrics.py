"""Does an artifact compute what its PyTorch model computes?

Regions are judged after matching by box: the order of nearly equal scores may differ between two correct runtimes, so
a comparison by position would compare one region with another. Everything else is compared by position.
"""

import math
import statistics
from collections.abc import Sequence

import torch
from torch import Tensor

from export.core.metric import Metric
from export.verify.tolerances import Tolerances
from minivlm.ops import box_iou, match
from minivlm.vision.regions import Regions

MATCH_IOU = 0.9
EQUAL = 200.0
"""What stands for the infinite ratio of equal tensors, as JSON has no infinity; fp32 cannot reach it otherwise."""


def sqnr(reference: Tensor, other: Tensor) -> float:
    """Return the signal-to-quantization-noise ratio in dB, within +-`EQUAL`; NaN where `other` has NaN."""
    signal = reference.double().square().sum()
    noise = (reference.double() - other.double()).square().sum()
    return float((10.0 * torch.log10(signal / noise)).clamp(-EQUAL, EQUAL)) if noise != 0 else EQUAL


def match_regions(reference: Regions, other: Regions) -> list[tuple[int, int]]:
    """Pair regions by box, each at most once, best overlaps first, from IoU 0.9 up.

    Returns:
        (row of `reference`, row of `other`) pairs; rows that only fill the fixed number (score 0) take no part.
    """
    iou = torch.nan_to_num(box_iou(reference.boxes, other.boxes))
    return match(iou * reference.valid[:, None] * other.valid, MATCH_IOU)


def compare_proposals(reference: Tensor, other: Tensor, tolerances: Tolerances) -> Metric:
    """Compare two sets of (P, 4) xyxy proposals of one image; empty boxes only fill.

    The metric is the share of either side's that the other has, whichever is less: nothing is missing, nothing made up.
    """
    sides = [boxes[(boxes[:, 2:] > boxes[:, :2]).all(dim=1)] for boxes in (reference, other)]
    if not all(map(len, sides)):
        return Metric("proposals found at IoU 0.9", float(not any(map(len, sides))), tolerances.proposals)
    same = torch.nan_to_num(box_iou(*sides)) >= MATCH_IOU
    shares = [same.any(dim=dim).double().mean().item() for dim in (0, 1)]
    return Metric("proposals found at IoU 0.9", min(shares), tolerances.proposals)


def compare_regions(reference: Regions, other: Regions, tolerances: Tolerances) -> list[Metric]:
    """Compare two sets of regions of one image; one value that is not finite fails the whole."""
    finite = min(field.isfinite().double().mean().item() for field in other.present.values())
    if finite < 1.0:
        return [Metric("share of finite values", finite, 1.0)]
    pairs = match_regions(reference, other)
    found = max(int(regions.valid.sum()) for regions in (reference, other))
    share = len(pairs) / found if found else 1.0  # nothing on both sides is agreement
    matched = Metric("regions matched at IoU 0.9", share, tolerances.matched)
    if not pairs:
        return [matched]
    rows, columns = ([pair[side] for pair in pairs] for side in (0, 1))
    cosine = torch.cosine_similarity(reference.features[rows].double(), other.features[columns].double())
    features = [sqnr(reference.features[row], other.features[column]) for row, column in pairs]
    geometry = [sqnr(reference.geometry[row], other.geometry[column]) for row, column in pairs]
    scores = (reference.scores[rows] - other.scores[columns]).abs().double()
    return [
        matched,
        Metric("tags equal", (reference.tags[rows] == other.tags[columns]).double().mean().item(), tolerances.tags),
        Metric("median feature cosine", cosine.median().item(), tolerances.feature_cosine),
        Metric("median feature SQNR dB", statistics.median(features), tolerances.feature_sqnr),
        Metric("median geometry SQNR dB", statistics.median(geometry), tolerances.feature_sqnr),
        Metric("95 % of scores within", scores.quantile(0.95).item(), tolerances.score, at_least=False),
        *compare_attributes(reference, other, pairs, tolerances),
    ]


def compare_attributes(
    reference: Regions, other: Regions, pairs: Sequence[tuple[int, int]], tolerances: Tolerances
) -> list[Metric]:
    """Compare what is said of matched regions of one tag; of an object of another tag, other things are said.

    Args:
        reference: Of one side.
        other: Of the other; nothing is compared where it gives no attributes, as artifacts of earlier versions do not.
        pairs: Rows of both, see `match_regions`.
        tolerances: That hold.
    """
    same = [(row, column) for row, column in pairs if reference.tags[row] == other.tags[column]]
    if reference.attributes is None or other.attributes is None or not same:
        return []
    assert reference.attribute_scores is not None
    assert other.attribute_scores is not None
    rows, columns = ([pair[side] for pair in same] for side in (0, 1))
    equal = (reference.attributes[rows] == other.attributes[columns]).double().mean().item()
    scores = (reference.attribute_scores[rows] - other.attribute_scores[columns]).abs().double()
    return [
        Metric("attributes equal", equal, tolerances.attributes),
        Metric("95 % of attribute scores within", scores.quantile(0.95).item(), tolerances.score, at_least=False),
    ]


FEW = 10
"""Of fewer numbers, a ratio of signal to noise is a matter of how large one of them happens to be."""


def compare_tensors(
    names: Sequence[str], reference: Sequence[Tensor], other: Sequence[Tensor], tolerances: Tolerances
) -> list[Metric]:
    """Compare outputs by position; of logits also the best entry of each row and the distribution."""
    metrics = []
    for name, expected, given in zip(names, reference, other, strict=True):
        least = tolerances.few_sqnr if expected.numel() < FEW else tolerances.tensor_sqnr
        metrics.append(Metric(f"{name} SQNR dB", sqnr(expected, given), least))
        if name.endswith("logits"):
            metrics += compare_logits(name, expected, given, tolerances)
    return metrics


MANY_ROWS = 10
"""Of fewer rows, the share with the same best entry is a matter of one or two that hang by a thread."""


def compare_logits(name: str, reference: Tensor, other: Tensor, tolerances: Tolerances) -> list[Metric]:
    """Compare (..., V) logits: how probable all entries are, and of many rows which is best."""
    expected, given = (logits.double().flatten(0, -2).log_softmax(dim=-1) for logits in (reference, other))
    divergence = Metric(f"{name} KL nats", mean_divergence(expected, given), tolerances.divergence, at_least=False)
    if len(expected) < MANY_ROWS:
        return [divergence]
    agreement = (expected.argmax(dim=-1) == given.argmax(dim=-1)).double().mean().item()
    return [Metric(f"{name} best entry equal", agreement, tolerances.top_1), divergence]


def mean_divergence(reference: Tensor, other: Tensor) -> float:
    """Return the mean Kullback-Leibler divergence in nats of (N, V) log-probabilities from the reference's."""
    return (reference.exp() * (reference - other)).sum(dim=-1).mean().item()


def worst(comparisons: Sequence[Sequence[Metric]]) -> list[Metric]:
    """Return, of the same metrics on several inputs, the worst of each; a metric that only some have counts too."""
    found: dict[str, Metric] = {}
    for metric in (metric for metrics in comparisons for metric in metrics):
        known = found.get(metric.name)
        if known is None or not _is_better(metric, known):
            found[metric.name] = metric
    return list(found.values())


def _is_better(metric: Metric, than: Metric) -> bool:
    """Whether a metric beats another of its name; NaN never does, and nothing is worse than NaN."""
    if math.isnan(than.value) or math.isnan(metric.value):
        return math.isnan(than.value) and not math.isnan(metric.value)
    return metric.value > than.value if metric.at_least else metric.value < than.value
