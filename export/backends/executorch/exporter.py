"""Methods to one program for ExecuTorch, lowered to a delegate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from export.backends.executorch.arithmetic import integer_layers
from export.backends.executorch.convert import export_program, lower
from export.backends.executorch.format import FORMAT
from export.backends.executorch.names import Names
from export.backends.executorch.program import ExecuTorchProgram
from export.backends.executorch.quantize import decisions, layers
from export.backends.executorch.rules import RULES
from export.core.exporter import Built, LayerOutput, PieceOutput
from export.core.formats import find_delegate
from export.core.integers import Integers
from export.core.methods import Method, total_macs
from export.core.precision import Decision
from export.core.recipe import Recipe
from export.rewrites.modules import prepared
from minivlm.console import Steps
from minivlm.ops import unrolled


class ExecuTorchExporter:
    """Implements `export.core.exporter.Exporter`."""

    format = FORMAT
    rules = RULES

    def build(self, methods: Sequence[Method], recipe: Recipe, path: Path, steps: Steps) -> Built:
        """See `Exporter`."""
        with steps.step("quantize and trace" if recipe.integers else "trace with torch.export"):
            programs = {method.name: export_program(method, recipe) for method in methods}
        delegate = find_delegate(FORMAT, recipe.delegate)
        assert delegate is not None  # this format has delegates
        with steps.step(f"lower to {delegate.title.removeprefix('ExecuTorch with ')}"):
            lowered = lower(methods, programs, recipe)
        with steps.step("write the file"):
            path.write_bytes(lowered.content)
        outside = lowered.macs_outside
        decided = [one for method in methods for one in decisions(method, recipe)] if recipe.integers else []
        return Built(
            {method.name: 1.0 - outside[method.name] / total_macs(method) for method in methods},
            decided,
            lowered.lowering,
            partial(compared, path, lowered.pieces),
            partial(integers, path, recipe, lowered.names) if recipe.integers else None,
        )

    def layers(self, method: Method, recipe: Recipe) -> Iterator[LayerOutput]:
        """See `Exporter`."""
        return layers(method, recipe)


def integers(path: Path, recipe: Recipe, names: Mapping[str, Names], method: Method) -> Integers:
    """Return the whole numbers of a method in a finished file; see `Built`.

    Args:
        path: The file.
        recipe: By which it was made.
        names: By method, which modules its operators come from.
        method: Of the file.
    """
    from executorch.exir._serialize._program import deserialize_pte_binary

    file = deserialize_pte_binary(path.read_bytes())
    of_method = names[method.name]
    return Integers(traced_decisions(method, recipe, of_method), integer_layers(file, method, of_method))


def traced_decisions(method: Method, recipe: Recipe, names: Names) -> list[Decision]:
    """Return what a recipe decides about the layers with weights that a trace has, by the names of its operators.

    What nothing that a method gives depends on is not in it, such as the last layer's queries in a caption's prefix.
    """
    traced = set(names.modules.values())
    as_traced = replace(method, module=prepared(method.module, unrolled))
    return [decision for decision in decisions(as_traced, recipe) if decision.layer in traced]


@torch.no_grad()
def compared(path: Path, pieces: Mapping[str, Sequence[Any]], method: Method) -> list[PieceOutput]:
    """Run a method's example in a finished file, and each piece that the reference executor runs in PyTorch, too.

    Args:
        path: The file.
        pieces: By method, the traced graphs that the pieces were made of, in the order of execution.
        method: Whose example it is.
    """
    found: list[PieceOutput] = []

    def seen(given: Sequence[Tensor], made: Sequence[Tensor]) -> None:
        expected = pieces[method.name][len(found)].module()(*given)
        found.append(PieceOutput(tuple(expected), tuple(made)))

    ExecuTorchProgram(path).watch(method.name, method.example, seen)
    return found
