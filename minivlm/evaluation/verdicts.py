"""NLVR2: accuracy, and consistency over the pairs of pictures that one sentence is about (Suhr et al. 2019)."""

from collections.abc import Sequence


def accuracy(right: Sequence[bool]) -> float:
    """Return the share of right verdicts; 0 of none."""
    return sum(right) / len(right) if right else 0.0


def consistency(right: Sequence[bool], groups: Sequence[str]) -> float:
    """Return the share of sentences that are judged right about all their pairs; 0 of none.

    Args:
        right: Of each example.
        groups: What examples of one sentence share; see `minivlm.datasets.nlvr2.group_of`.
    """
    whole: dict[str, bool] = {}
    for one, group in zip(right, groups, strict=True):
        whole[group] = whole.get(group, True) and one
    return accuracy(list(whole.values()))
