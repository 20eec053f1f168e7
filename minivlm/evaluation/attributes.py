"""Whether what is said of found objects is right: the share of right attributes.

An object counts if it is annotated with attributes and a detection of its class finds it, by the rule of the mAP in
`minivlm.evaluation.detection`. It is right if the one attribute that is said of that detection is among those that are
annotated; "no attribute" never is.
"""

from collections.abc import Collection, Sequence

from minivlm.evaluation.detection import Found, Truth, matches


def judge(
    truth: Truth, found: Found, annotated: Sequence[Collection[str]], said: Sequence[str | None]
) -> dict[int, bool]:
    """Judge what is said of one picture's objects.

    Args:
        truth: The picture's boxes.
        found: Detections.
        annotated: Attributes of each box, in any number.
        said: The one attribute of each detection, or None.

    Returns:
        Row of each box that counts -> whether it is right.
    """
    pairs = sorted(matches(truth, found).items())
    return {box: said[detection] in annotated[box] for box, detection in pairs if annotated[box]}
