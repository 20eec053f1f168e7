"""NMS in LiteRT's operator keeps the rows that the definition keeps, ties included."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from export.backends.litert.convert import convert
from export.backends.litert.program import LiteRTProgram
from export.core.methods import Method
from minivlm.ops import NMS, nms, nonempty

COUNT, KEPT, THRESHOLD = 24, 10, 0.5


class Picker(nn.Module):
    """NMS, then a gather and an embedding, the operators that are written by name."""

    def __init__(self) -> None:
        super().__init__()
        self.nms = NMS(iou_threshold=THRESHOLD, max_output=KEPT)
        self.table = nn.Embedding(COUNT, 3)

    def forward(self, boxes: Tensor, scores: Tensor) -> tuple[Tensor, ...]:
        rows, valid = self.nms(boxes, scores)
        return rows, valid.to(torch.float32), boxes.index_select(0, rows), self.table(rows[None])


@pytest.fixture(scope="module")
def picker() -> Picker:
    torch.manual_seed(0)
    return Picker().eval()


@pytest.fixture(scope="module")
def program(picker: Picker, tmp_path_factory: pytest.TempPathFactory) -> LiteRTProgram:
    inputs = {"boxes": torch.zeros(COUNT, 4), "scores": torch.zeros(COUNT)}
    path = Path(tmp_path_factory.mktemp("nms"), "picker.tflite")
    path.write_bytes(convert([Method("forward", picker, inputs, ("rows", "valid", "boxes", "words"))]))
    return LiteRTProgram(path, threads=1)


# Few different corners and scores: many equal boxes, equal scores, IoU of exactly the threshold. Boxes without area are
# out, as they are in the detector.
corners = st.lists(st.tuples(*[st.integers(0, 4)] * 4), min_size=COUNT, max_size=COUNT)
grades = st.lists(st.sampled_from([float("-inf"), -1.0, 0.0, 0.25, 0.5, 2.0]), min_size=COUNT, max_size=COUNT)


def laid_out(sides: list[tuple[int, ...]], scores: list[float]) -> tuple[Tensor, Tensor]:
    boxes = torch.tensor(sides, dtype=torch.float32)
    return boxes, torch.where(nonempty(boxes), torch.tensor(scores), float("-inf"))


@settings(max_examples=60, deadline=None)
@given(corners, grades)
def test_rows_are_those_of_the_definition(picker, program, sides, scores):
    boxes, grade = laid_out(sides, scores)
    rows, valid = nms(boxes, grade, THRESHOLD, KEPT)
    given_rows, given_valid, given_boxes, words = program.run("forward", (boxes, grade))
    assert given_rows.tolist() == rows.tolist()
    assert given_valid.tolist() == valid.tolist()
    assert torch.equal(given_boxes, boxes[rows])
    assert torch.equal(words, picker.table.weight[rows][None])


def test_an_overlap_of_exactly_the_threshold_is_kept(program):
    # 2x2 and 2x4: intersection 4 of a union of 8.
    boxes = torch.zeros(COUNT, 4)
    boxes[:2] = torch.tensor([[0.0, 0.0, 2.0, 4.0], [0.0, 0.0, 2.0, 2.0]])
    scores = torch.full((COUNT,), float("-inf"))
    scores[:2] = torch.tensor([2.0, 1.0])
    rows, valid, *_ = program.run("forward", (boxes, scores))
    assert rows[:2].tolist() == [0, 1]
    assert valid.sum() == 2
