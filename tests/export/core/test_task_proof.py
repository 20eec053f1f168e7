"""What an artifact keeps of its model's scores: shares, the floor, and the line that says it."""

from dataclasses import replace

import pytest

from export.core.task_proof import TaskProof, TaskShare

VQA = TaskShare(
    task="vqa",
    metric="accuracy",
    examples=100,
    data_sha256="ab" * 32,
    pytorch=0.8,
    artifact=0.6,
    share=0.75,
    measure="accuracy of an answer",
    paired_share=0.75,
    low=0.7,
    high=0.8,
)


def with_shares(share: float | None, paired: float | None) -> TaskShare:
    return replace(VQA, share=share, paired_share=paired)


@pytest.mark.parametrize(
    ("share", "paired", "refused"),
    [
        (0.97, 0.97, False),
        (0.96, 1.0, True),  # boxes are found as before, and false ones beside them: mAP alone says so
        (1.0, 0.96, True),
        (1.2, 1.1, False),
        (None, None, False),  # nothing to keep
        (None, 0.96, True),
        (float("nan"), 1.0, True),
    ],
)
def test_the_less_of_both_shares_is_held_against_the_floor(share, paired, refused):
    proof = TaskProof(data="test", floor=0.97, tasks=[with_shares(share, paired)])
    assert bool(proof.failed) is refused


def test_a_line_names_task_scores_and_shares_with_their_interval():
    said = str(VQA)
    assert said == (
        "vqa: accuracy 0.6000 of 0.8000, 75.0% kept; of accuracy of an answer 75.0% (70.0% to 80.0%); 100 examples"
    )
    assert "nothing to keep" in str(with_shares(None, None))
