"""BLEU-4 and CIDEr-D over captions that are cut into words.

Both agree with pycocoevalcap 1.2, which papers on COCO report: BLEU as Papineni et al. 2002 over a whole set, with the
reference of the closest length, and CIDEr-D as Vedantam et al. 2015 (section 6.2), with document frequencies from the
references that are scored.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Caption = Sequence[str]
Grams = tuple[str, ...]

LONGEST = 4
"""Labels of an n-gram."""
SIGMA = 6.0
"""Of the Gaussian with which CIDEr-D judges a difference of lengths."""
SCALE = 10.0
"""Of CIDEr-D, which ranges from 0 to 10; papers print 100 times it."""


def bleu4(candidates: Sequence[Caption], references: Sequence[Sequence[Caption]]) -> float:
    """Return BLEU-4 of a whole set, 0 to 1.

    Args:
        candidates: The words of one caption a picture.
        references: The words of at least one caption of each picture.

    Returns:
        The geometric mean of the clipped precisions of 1- to 4-grams, times the penalty of being short. 0 where no
        4-gram is right; pycocoevalcap then gives some 1e-4, as it adds a tiny number to every count.
    """
    right, said = [0] * LONGEST, [0] * LONGEST
    length, closest = 0, 0
    for candidate, wanted in zip(candidates, references, strict=True):
        length += len(candidate)
        closest += min((abs(len(one) - len(candidate)), len(one)) for one in wanted)[1]
        most: Counter[Grams] = Counter()
        for one in wanted:
            most |= _grams(one)
        for gram, count in _grams(candidate).items():
            said[len(gram) - 1] += count
            right[len(gram) - 1] += min(count, most[gram])
    if not all(right):
        return 0.0
    precision = math.exp(sum(math.log(hits / count) for hits, count in zip(right, said, strict=True)) / LONGEST)
    return precision * min(1.0, math.exp(1.0 - closest / length))


def cider_d(candidates: Sequence[Caption], references: Sequence[Sequence[Caption]]) -> list[float]:
    """Return CIDEr-D of every picture, 0 to 10; the score of a set is their mean.

    Args:
        candidates: The words of one caption a picture.
        references: The words of at least one caption of each picture. How rare an n-gram is counts by them, so a
            picture's score depends on which others are scored; of a single picture, every score is 0.
    """
    rarity = Rarity(references)
    return [rarity.score(candidate, wanted) for candidate, wanted in zip(candidates, references, strict=True)]


class Rarity:
    """How much an n-gram tells about a picture, by the number of pictures that it is said of.

    Args:
        references: The words of the captions of each picture.
    """

    def __init__(self, references: Sequence[Sequence[Caption]]) -> None:
        pictures_with = Counter(gram for wanted in references for gram in set().union(*map(_grams, wanted)))
        self._weights = {gram: math.log(len(references) / count) for gram, count in pictures_with.items()}
        self._unseen = math.log(max(len(references), 1))

    def score(self, candidate: Caption, wanted: Sequence[Caption]) -> float:
        """Return CIDEr-D of a caption, 0 to 10.

        Args:
            candidate: Its words.
            wanted: The words of at least one caption that people wrote.
        """
        said = self._vector(candidate)
        likeness = [_likeness(said, self._vector(one)) for one in wanted]
        return SCALE * sum(likeness) / len(likeness)

    def _vector(self, words: Caption) -> "_Vector":
        counts = _grams(words)
        parts: tuple[dict[Grams, float], ...] = tuple({} for _ in range(LONGEST))
        for gram, count in counts.items():
            parts[len(gram) - 1][gram] = count * self._weights.get(gram, self._unseen)
        norms = tuple(math.sqrt(sum(weight * weight for weight in part.values())) for part in parts)
        return _Vector(parts, norms, sum(count for gram, count in counts.items() if len(gram) == 2))


@dataclass(frozen=True)
class _Vector:
    """A caption as weights of n-grams.

    Attributes:
        weights: For each length of n-gram, n-gram -> weight.
        norms: Of these.
        bigrams: Number of them, by which the original measures how long a caption is.
    """

    weights: tuple[dict[Grams, float], ...]
    norms: tuple[float, ...]
    bigrams: int


def _grams(words: Caption) -> Counter[Grams]:
    """Count all n-grams of 1 to `LONGEST` words."""
    return Counter(
        tuple(words[start : start + length])
        for length in range(1, LONGEST + 1)
        for start in range(len(words) - length + 1)
    )


def _likeness(said: _Vector, wanted: _Vector) -> float:
    """Return the mean over n-gram lengths of the clipped cosine, times the penalty for another length."""
    total = 0.0
    for part, other, norm, other_norm in zip(said.weights, wanted.weights, said.norms, wanted.norms, strict=True):
        if norm > 0.0 and other_norm > 0.0:
            shared = part.keys() & other.keys()
            total += sum(min(part[gram], other[gram]) * other[gram] for gram in sorted(shared)) / (norm * other_norm)
    return total / LONGEST * math.exp(-((said.bigrams - wanted.bigrams) ** 2) / (2.0 * SIGMA**2))
