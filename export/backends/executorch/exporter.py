"""Methods to one program for ExecuTorch, lowered to XNNPACK."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from export.backends.executorch.format import FORMAT
from export.backends.executorch.program import export_program, lower
from export.backends.executorch.quantize import decisions, layers
from export.backends.executorch.rules import RULES
from export.core.exporter import Built, LayerOutput
from export.core.methods import Method, total_macs
from export.core.recipe import Recipe
from minivlm.console import Steps


class ExecuTorchExporter:
    """Implements `export.core.exporter.Exporter`."""

    format = FORMAT
    rules = RULES

    def build(self, methods: Sequence[Method], recipe: Recipe, path: Path, steps: Steps) -> Built:
        """See `Exporter`."""
        with steps.step("quantize and trace" if recipe.integers else "trace with torch.export"):
            programs = {method.name: export_program(method, recipe) for method in methods}
        with steps.step("lower to XNNPACK"):
            lowered = lower(programs)
        with steps.step("write the file"), path.open("wb") as file:
            lowered.program.write_to_file(file)
        outside = lowered.macs_outside
        decided = [one for method in methods for one in decisions(method, recipe)] if recipe.integers else []
        return Built({method.name: 1.0 - outside[method.name] / total_macs(method) for method in methods}, decided)

    def layers(self, method: Method, recipe: Recipe) -> Iterator[LayerOutput]:
        """See `Exporter`."""
        return layers(method, recipe)
