"""What XNNPACK's delegates do for nothing is not in the file, and what is left computes the same, bit by bit."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.backends.executorch.convert import LoweredProgram, export_program, lower
from export.backends.executorch.layouts import DOUBLING, PRODUCT, TRANSPOSITION, straightened
from export.backends.executorch.program import run_once
from export.backends.executorch.rewrites import Doubling, LaidOutSum
from export.backends.executorch.watching import graphs_of
from export.backends.executorch.xnnpack_graph import XnnGraph
from export.core.methods import Method
from export.core.precision import Mode, Rule
from export.core.recipe import Recipe
from minivlm.quiet import quiet
from minivlm.vision.bifpn import FrozenSum
from tests.export.backends.executorch.built import built, parts

EVERYTHING = Recipe("int8", (Rule(("*",), Mode.STATIC),))
RECIPES = (Recipe("fp32"), Recipe("fp16"), EVERYTHING)
SHARES = (0.75, 0.25)


class Rows(nn.Module):
    """A convolution's map as rows of cells."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 1)

    def forward(self, image: Tensor) -> tuple[Tensor]:
        return (self.convolution(image).permute(0, 2, 3, 1).flatten(0, 2),)


class Fused(nn.Module):
    """Two convolutions' maps in a weighted sum, which a third convolution reads."""

    def __init__(self, fusion: nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1), nn.Conv2d(8, 2, 1)
        self.fusion = fusion

    def forward(self, image: Tensor) -> tuple[Tensor]:
        return (self.third(self.fusion([self.first(image), self.second(image)])),)


class Enlarged(nn.Module):
    """A map of twice a convolution's size, which another one reads."""

    def __init__(self, enlarge: nn.Module) -> None:
        super().__init__()
        self.first, self.enlarge, self.second = nn.Conv2d(3, 8, 1), enlarge, nn.Conv2d(8, 2, 1)

    def forward(self, image: Tensor) -> tuple[Tensor]:
        like = torch.zeros(1, 8, 2 * image.shape[2] - 1, 2 * image.shape[3])
        return (self.second(self.enlarge(self.first(image), like)),)


class Weighed(nn.Module):
    """A map of twice a convolution's size times a number, which another convolution reads."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.enlarge, self.second = nn.Conv2d(3, 8, 1), Doubling(8), nn.Conv2d(8, 2, 1)
        self.register_buffer("share", torch.full((1, 1, 1, 1), SHARES[0]))

    def forward(self, image: Tensor) -> tuple[Tensor]:
        return (self.second(self.enlarge(self.first(image), torch.zeros(1, 8, 10, 14)) * self.share),)


class Spread(nn.Module):
    """A transposed convolution of `Doubling`'s shape that does more than copy."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 8, 2, 2))

    def forward(self, feature: Tensor, like: Tensor) -> Tensor:
        return F.conv_transpose2d(feature, self.weight, stride=2)[:, :, : like.shape[2]]


def method(module: nn.Module) -> Method:
    image = torch.randn(1, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    return Method("forward", module.eval(), {"image": image}, ("out",))


def lowered(module: nn.Module, recipe: Recipe) -> LoweredProgram:
    made = method(module)
    with quiet():
        return lower([made], {"forward": export_program(made, recipe)}, recipe)


def operators(content: bytes) -> Counter[str]:
    """Of all delegates of a file."""
    return Counter(node["xnode_union_type"] for graph in graphs(content) for node in graph.nodes)


def results(content: bytes, kind: str) -> list[dict[str, Any]]:
    """What operators of a type give, in the order of execution."""
    return [
        graph.tensor(node["xnode_union"]["output_id"])
        for graph in graphs(content)
        for node in graph.nodes
        if node["xnode_union_type"] == kind
    ]


def graphs(content: bytes) -> list[XnnGraph]:
    from executorch.exir._serialize._program import deserialize_pte_binary

    return list(graphs_of(deserialize_pte_binary(content), "forward").values())


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("module", "needless", "ends"),
    [
        (Rows, 2, 1),  # a map that lies channels last, to channels last and back; rows lie as they are
        (lambda: Fused(LaidOutSum(FrozenSum(SHARES))), len(SHARES), 2),  # the numbers
    ],
    ids=["rows", "sum"],
)
def test_only_images_that_go_in_and_maps_that_come_out_are_laid_out_anew(module, needless, ends):
    made = lowered(module(), Recipe("fp32"))
    program = made.program.buffer
    assert operators(program)[TRANSPOSITION] == needless + ends
    assert operators(made.content)[TRANSPOSITION] == ends
    example = method(Rows()).example
    assert torch.equal(*(run_once(one, "forward", example)[0] for one in (program, made.content)))


def test_beside_numbers_all_maps_of_a_sum_are_laid_out_anew():
    """What `LaidOutSum` is for: both maps there and the sum back, besides the image and the result."""
    made = lowered(Fused(FrozenSum(SHARES)), Recipe("fp32"))
    assert operators(made.content)[TRANSPOSITION] == 3 + 2


@pytest.mark.parametrize("recipe", RECIPES, ids=["fp32", "fp16", "int8"])
def test_a_map_is_doubled_by_copies(recipe):
    made = lowered(Enlarged(Doubling(8)), recipe)
    program = made.program.buffer
    before, after = operators(program), operators(made.content)
    assert (before[DOUBLING], after[DOUBLING]) == (1, 0)
    assert after["XNNConcatenate2"] == before["XNNConcatenate2"] + 2
    example = method(Rows()).example
    assert torch.equal(*(run_once(one, "forward", example)[0] for one in (program, made.content)))


def test_whole_numbers_of_a_map_that_is_doubled_by_copies_are_verified():
    made = built(method(Enlarged(Doubling(8))), "int8", EVERYTHING.rules)
    assert made.failures(made.file) == []


@pytest.mark.parametrize("recipe", RECIPES, ids=["fp32", "fp16", "int8"])
def test_a_map_is_weighed_before_it_is_doubled(recipe):
    made = lowered(Weighed(), recipe)
    example = method(Rows()).example
    program = made.program.buffer
    assert torch.equal(*(run_once(one, "forward", example)[0] for one in (program, made.content)))
    products, after = ([one["dims"] for one in results(content, PRODUCT)] for content in (program, made.content))
    assert (products, after) == ([[1, 10, 14, 8]], [[1, 5, 7, 8]])


@pytest.mark.parametrize("given", [True, False])
def test_a_map_that_something_else_reads_is_weighed_behind(given):
    class Both(Weighed):
        def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
            doubled = self.enlarge(self.first(image), torch.zeros(1, 8, 10, 14))
            weighed = doubled * self.share
            return self.second(weighed if given else weighed + doubled), doubled if given else weighed

    made = lowered(Both(), Recipe("fp32"))
    assert [one["dims"] for one in results(made.content, PRODUCT)] == [[1, 10, 14, 8]]


def test_a_transposed_convolution_that_does_more_than_copy_stays():
    made = lowered(Enlarged(Spread()), Recipe("fp32"))
    assert operators(made.content)[DOUBLING] == 1


def test_what_has_nothing_to_straighten_stays_as_it_is():
    content = built(parts(), "int4").content
    again = straightened(content)
    assert operators(again) == operators(content)
    assert again == content
