"""NMS in every class against its definition without any floor."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minivlm.vision.class_nms import best_surviving
from tests.vision.pixel_boxes import surviving_by_definition


@given(
    seed=st.integers(0, 2**31),
    count=st.integers(1, 25),
    crowd=st.sampled_from([1.0, 30.0]),
    sharpness=st.sampled_from([0.1, 3.0, 10.0]),
    floor=st.sampled_from([0.5, 0.2, 0.0]),
    least=st.integers(0, 25),
)
@settings(max_examples=100, deadline=None)
def test_scores_above_the_floor_and_the_best_ones_are_exact(seed, count, crowd, sharpness, floor, least):
    generator = torch.Generator().manual_seed(seed)
    corners = crowd * torch.rand(count, 12, 2, generator=generator)
    boxes = torch.cat([corners, corners + 10.0 + crowd * torch.rand(count, 12, 2, generator=generator)], dim=2)
    probabilities = (sharpness * torch.randn(count, 12, generator=generator)).softmax(dim=1)
    inclusive = boxes - torch.tensor([0.0, 0.0, 1.0, 1.0])
    best, tags = surviving_by_definition(inclusive.tolist(), probabilities, 0.3)

    scores, found = best_surviving(boxes, probabilities, 0.3, floor, min(least, count))
    exact = {index for index, score in enumerate(best) if score >= floor}
    exact |= set(sorted(range(count), key=lambda index: -best[index])[:least])
    for index in exact:
        assert scores[index] == best[index]
        assert found[index] == tags[index]
    assert all(scores[index] in (0.0, best[index]) for index in range(count))


def test_the_floor_falls_until_enough_survive():
    # Three boxes side by side, each with one class of .5, .03 and 1e-9: the last takes a floor of 0.
    boxes = torch.tensor([[0.0, 0, 9, 9], [20.0, 0, 29, 9], [40.0, 0, 49, 9]])[:, None].expand(3, 4, 4)
    probabilities = torch.zeros(3, 4)
    probabilities[0, 1], probabilities[1, 2], probabilities[2, 3] = 0.5, 0.03, 1e-9
    found = {least: best_surviving(boxes, probabilities, 0.3, 0.2, least) for least in (1, 2, 3)}
    torch.testing.assert_close(found[1][0], torch.tensor([0.5, 0.0, 0.0]))
    torch.testing.assert_close(found[2][0], torch.tensor([0.5, 0.03, 0.0]))
    torch.testing.assert_close(found[3][0], torch.tensor([0.5, 0.03, 1e-9]))
    assert found[3][1].tolist() == [1, 2, 3]


def test_a_box_suppressed_in_its_best_class_falls_back_to_another():
    # Equal boxes: the second loses class 0 to the first and keeps class 1.
    boxes = torch.tensor([0.0, 0.0, 10.0, 10.0]).expand(2, 2, 4)
    probabilities = torch.tensor([[0.6, 0.1], [0.5, 0.4]])
    scores, tags = best_surviving(boxes, probabilities, 0.3, 0.05, 2)
    torch.testing.assert_close(scores, torch.tensor([0.6, 0.4]))
    assert tags.tolist() == [0, 1]
