"""What is seen inside of a file's delegates is what its run computes: at the ends it is what the file itself gives."""

import pytest
import torch

from export.backends.executorch.arithmetic import operators_of
from export.backends.executorch.program import run_once
from export.backends.executorch.tables import tables_of
from export.backends.executorch.watching import Inner, graphs_of, watch
from tests.export.backends.executorch.built import BuiltFile, built, parts


@pytest.fixture(scope="module")
def made() -> BuiltFile:
    return built(parts(), "int8")


def test_outputs_of_delegates_are_those_of_the_method(made):
    """All that the method gives is a delegate's; inner values beside them change nothing."""
    file = made.file
    expected = run_once(made.content, "forward", made.method.example)
    every = [Inner(one.delegate, one.output) for one in operators_of(file, "forward", made.names) if one.whole]
    ends = [
        Inner(delegate, number)
        for delegate, graph in graphs_of(file, "forward").items()
        for number in graph.held["output_ids"]
    ]
    seen = watch(file, made.method, [*every, *ends])
    given = [seen[place] for place in ends]
    for tensor in expected:
        assert any(one.shape == tensor.shape and torch.equal(one, tensor) for one in given)


def test_row_numbers_are_those_of_the_input(made):
    """A kernel's memory is used again later: what is seen is what it read."""
    file = made.file
    products = [one.lookup for one in operators_of(file, "forward", made.names) if one.type == "XNNMultiply"]
    tables = {one.module: one for one in tables_of(file, "forward", made.names, products)}
    seen = watch(file, made.method, [place for one in tables.values() for place in one.places])
    for name in ("words", "types"):
        rows = seen[tables[f"embeddings.{name}"].rows]
        assert torch.equal(rows.flatten(), made.method.inputs[{"words": "ids", "types": "types"}[name]].flatten())


def test_a_file_that_is_watched_stays_as_it_was(made):
    file = made.file
    before = len(file.program.execution_plan[0].outputs), len(file.program.backend_delegate_data)
    operator = made.operator(file, "box_head")
    watch(file, made.method, operator.places)
    assert (len(file.program.execution_plan[0].outputs), len(file.program.backend_delegate_data)) == before
    assert file == made.file
