"""Which operators go to a delegate: float arithmetic of the dense part, in few pieces, and no index ever."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from export.backends.executorch.convert import LoweredProgram, export_program, lower
from export.core.methods import Method
from export.core.recipe import Recipe
from minivlm.quiet import quiet

pytest.importorskip("coremltools")


class Head(nn.Module):
    """Looks up by a whole number, within the dense part, before it multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Embedding(64, 4)
        self.boxes = nn.Linear(4, 5)

    def forward(self, cells: Tensor, rows: Tensor) -> Tensor:
        """Describe (R, 4) cells of (R,) rows."""
        return self.boxes(cells + self.places(rows))


class Net(nn.Module):
    """A detector in small: a dense part, a choice by index in float arithmetic, a second one on what it chose."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.SiLU())
        self.box_head = Head()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Choose the 3 best of 64 cells, move each by a row, and describe those."""
        cells = self.backbone(image)[0].flatten(1).T  # (64, 4)
        _, rows = cells.sum(dim=1).topk(3)
        moved = (rows.to(torch.float32) * 0.5 + 4.0).floor().to(torch.int64)
        return self.box_head(cells.index_select(0, moved), moved), moved


def method(*, detector: bool) -> Method:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, 8, 8, generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Method("forward", Net().eval(), {"image": image}, ("boxes", "rows"), detector=detector)


@pytest.fixture(scope="module", params=["coreml", "vulkan"])
def lowered(request: pytest.FixtureRequest) -> tuple[str, LoweredProgram]:
    recipe = Recipe("fp32", delegate=request.param)
    net = method(detector=True)
    with quiet():
        return request.param, lower([net], {"forward": export_program(net, recipe)}, recipe)


def values(program: torch.export.ExportedProgram) -> Iterator[Tensor]:
    for node in program.graph_module.graph.nodes:
        if isinstance(node.meta.get("val"), Tensor):
            yield node.meta["val"]


def test_each_dense_part_is_one_piece_and_they_hold_all_multiply_adds(lowered):
    name, program = lowered
    lowering = program.lowering["forward"]
    # 64 cells of 3 x 3 x 3 x 4, and 3 rows of 4 x 5.
    assert [piece.macs for piece in lowering.pieces if piece.delegate == name] == [64 * 27 * 4, 3 * 4 * 5]
    assert (lowering.count(name), lowering.macs(name)) == (2, 64 * 27 * 4 + 3 * 4 * 5)
    assert program.macs_outside == {"forward": 0}


def test_no_whole_number_and_no_float_that_an_index_comes_from_is_in_a_piece(lowered):
    _, program = lowered
    assert len(program.pieces["forward"]) == 2
    for piece in program.pieces["forward"]:
        assert all(value.is_floating_point() for value in values(piece))
        names = {str(node.target) for node in piece.graph_module.graph.nodes if node.op == "call_function"}
        assert not any(word in name for name in names for word in ("floor", "topk", "index", "embedding"))


def test_what_is_left_goes_to_xnnpack_or_is_named(lowered):
    _, program = lowered
    lowering = program.lowering["forward"]
    assert lowering.count("xnnpack") >= 1, "the sums that the choice is made by"
    assert lowering.outside["aten.topk.default"] == 1
    assert lowering.outside["aten.index_select.default"] == 1
    assert lowering.outside["aten.embedding.default"] == 1


def test_every_module_of_what_is_no_detector_is_dense():
    parts = ("", "backbone", "encoder.layers.0")
    assert [method(detector=False).is_dense(part) for part in parts] == [True, True, True]
    assert [method(detector=True).is_dense(part) for part in parts] == [False, True, False]
