"""What the tests of Core ML programs share: small MIL programs, saved and read back."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from export.mil.executor import MilFunction, read_functions
from minivlm.quiet import quiet


def saved(inputs: Sequence[tuple[tuple[int, ...], str]], make: Callable[[Any], Callable[..., Any]], path: Path) -> Path:
    """Build a program of one function "main" with Core ML's own builder and save it.

    Args:
        inputs: Shape and element type ("fp16", "fp32", "int32") of each.
        make: Takes the builder and returns what takes the inputs, under their names, and returns the outputs.
        path: Of the package.
    """
    with quiet():
        import coremltools as ct
        from coremltools.converters.mil import Builder as mb
        from coremltools.converters.mil.mil import types

        specs = [mb.TensorSpec(shape=shape, dtype=types.string_to_builtin(dtype)) for shape, dtype in inputs]
        program = mb.program(input_specs=specs, opset_version=ct.target.iOS18)(make(mb))
        # Nothing is optimised: what a test builds is what is saved and run.
        model = ct.convert(
            program,
            convert_to="mlprogram",
            minimum_deployment_target=ct.target.iOS18,
            compute_precision=ct.precision.FLOAT32,
            pass_pipeline=ct.PassPipeline.EMPTY,
            skip_model_load=True,
        )
        model.save(str(path))
    return path


def run(path: Path, **inputs: Tensor) -> list[Tensor]:
    """Read a package back and run its "main"."""
    with quiet():
        function = MilFunction(read_functions(path)["main"])
    return list(function.run(inputs).values())
