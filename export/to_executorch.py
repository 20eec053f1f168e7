"""Export a model to ExecuTorch with XNNPACK, prove the file in the ExecuTorch runtime, and describe it.

    python export/to_executorch.py --model minivlm
    python export/to_executorch.py --model tee-0 --image-size 384x512 --output my-artifacts
    python export/to_executorch.py --model minilm --precision int8

Writes {model}-executorch-{precision}.pte and a .json beside it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from export.backends.executorch.program import export_program, lower
from export.backends.executorch.quantize import decisions, layers
from export.backends.executorch.rules import RULES
from export.core.exporter import Built, LayerOutput
from export.core.formats import FORMATS, Format
from export.core.methods import Method, total_macs
from export.core.recipe import Recipe
from export.flow.command import run_exporter
from minivlm.console import Steps
from minivlm.errors import run_command


class ExecuTorchExporter:
    """Implements `export.core.exporter.Exporter`."""

    format: Format = FORMATS["executorch"]
    rules = RULES

    def build(self, methods: Sequence[Method], recipe: Recipe, path: Path, steps: Steps) -> Built:
        """See `Exporter`."""
        with steps.step("quantize and trace" if recipe.precision == "int8" else "trace with torch.export"):
            programs = {method.name: export_program(method, recipe) for method in methods}
        with steps.step("lower to XNNPACK"):
            lowered = lower(programs)
        with steps.step("write the file"), path.open("wb") as file:
            lowered.program.write_to_file(file)
        outside = lowered.macs_outside
        decided = [] if recipe.precision == "fp32" else [one for method in methods for one in decisions(method, recipe)]
        return Built({method.name: 1.0 - outside[method.name] / total_macs(method) for method in methods}, decided)

    def layers(self, method: Method, recipe: Recipe) -> Iterator[LayerOutput]:
        """See `Exporter`."""
        return layers(method, recipe)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    run_exporter("executorch", __doc__ or "", argv)


if __name__ == "__main__":
    run_command(main)
