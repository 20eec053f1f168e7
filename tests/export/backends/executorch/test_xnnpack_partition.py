"""An operator goes to the delegate that makes what it reads, and what is rounded stays with who rounds it."""

from operator import getitem

import torch
from executorch.exir.dialects._ops import ops
from torch import Tensor, nn
from torch.fx import Graph

from export.backends.executorch.convert import export_program, lower
from export.backends.executorch.watching import graphs_of
from export.backends.executorch.xnnpack_partition import ROUND, TAG, UNROUND, move_early
from export.core.methods import Method
from export.core.recipe import Recipe
from minivlm.quiet import quiet

ADD = ops.edge.aten.add.Tensor
SCALE = (0.1, 0, -128, 127, torch.int8)


def moved(graph: Graph, *tags: str) -> dict[str, str]:
    """By name of the operator, the delegate that it is in afterwards."""
    move_early(graph, tags)
    return {node.name: node.meta.get(TAG) for node in graph.nodes if node.op == "call_function"}


class Drawn:
    """A graph drawn by hand, each operator with the delegate that it was given to."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.image = self.graph.placeholder("image")

    def add(self, name: str, tag: str | None, *read: object, target: object = ADD) -> torch.fx.Node:
        node = self.graph.create_node("call_function", target, read, name=name)
        if tag:
            node.meta[TAG] = tag
        return node


def test_an_operator_goes_where_all_that_it_reads_comes_from():
    drawn = Drawn()
    first = drawn.add("first", "a", drawn.image)
    drawn.add("late", "b", drawn.add("then", "b", first), first)
    assert moved(drawn.graph, "a", "b") == {"first": "a", "then": "a", "late": "a"}


def test_an_operator_stays_that_reads_from_two_or_from_outside():
    drawn = Drawn()
    first, other = drawn.add("first", "a", drawn.image), drawn.add("other", None, drawn.image)
    drawn.add("both", "b", first, drawn.add("second", "c", drawn.image))
    drawn.add("outside", "b", first, other)
    drawn.add("given", "b", first, drawn.image)
    found = moved(drawn.graph, "a", "b", "c")
    assert {found["both"], found["outside"], found["given"]} == {"b"}


def test_nothing_goes_to_a_delegate_that_took_its_part_before():
    drawn = Drawn()
    drawn.add("then", "b", drawn.add("first", "others", drawn.image))
    assert moved(drawn.graph, "b")["then"] == "b"


def test_a_rounded_number_is_read_where_its_reader_is():
    drawn = Drawn()
    rounded = drawn.add("rounded", "a", drawn.add("first", "a", drawn.image), *SCALE, target=ROUND)
    apart = drawn.add("apart", "b", rounded, *SCALE, target=UNROUND)
    alone = drawn.add("alone", "b", rounded, *SCALE, target=UNROUND)
    drawn.add("again", "b", drawn.add("then", "b", apart), *SCALE, target=ROUND)
    drawn.add("stays", "b", alone, drawn.image)
    found = moved(drawn.graph, "a", "b")
    assert [found[name] for name in ("apart", "then", "again")] == ["a", "a", "a"]
    assert [found[name] for name in ("alone", "stays")] == ["b", "b"]


def test_what_takes_its_scale_from_a_delegate_s_result_stays():
    drawn = Drawn()
    first = drawn.add("first", "a", drawn.image)
    drawn.add("scale", "b", first, 0, target=getitem)
    drawn.add("rounded", "b", first, *SCALE, target=ROUND)
    found = moved(drawn.graph, "a", "b")
    assert (found["scale"], found["rounded"]) == ("b", "b")


class Chosen(nn.Module):
    """Rows of a map, read by numbers that are chosen in between, as RoIs are."""

    def __init__(self) -> None:
        super().__init__()
        self.maps, self.scores = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 1, 1)

    def forward(self, image: Tensor) -> tuple[Tensor]:
        found = self.maps(image)
        _, best = self.scores(found).flatten().topk(3)
        rows = torch.cat([one.permute(0, 2, 3, 1).flatten(0, 2) for one in (found, found * 2.0)])
        return (rows.index_select(0, best) + best[:, None].float(),)


def test_rows_of_a_map_leave_the_delegate_that_makes_the_map():
    from executorch.exir._serialize._program import deserialize_pte_binary

    torch.manual_seed(0)
    method = Method("forward", Chosen().eval(), {"image": torch.randn(1, 3, 4, 4)}, ("out",))
    with quiet():
        made = lower([method], {"forward": export_program(method, Recipe("fp32"))}, Recipe("fp32"))
    first = next(iter(graphs_of(deserialize_pte_binary(made.content), "forward").values()))
    given = [first.tensor(number)["dims"] for number in first.held["output_ids"]]
    assert [32, 8] in given, "two maps of 4 x 4 as rows"
    assert [1, 8, 4, 4] not in given, "no map leaves it"
