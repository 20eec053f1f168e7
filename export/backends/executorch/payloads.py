"""What Core ML's delegate would run, taken out of a .pte file and run by the reference executor."""

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from export.mil.executor import MilFunction, read_functions
from minivlm.errors import UserError
from minivlm.quiet import without_announcements

REFERENCE = b"CMJR"
"""A payload that begins so names a function of a package that several methods share."""

_READING = threading.Lock()
"""coremltools keeps what it reads, and the scope it reads it in, in variables of its modules."""


class CoreMLPiece:
    """One call of the delegate, ready to run.

    Args:
        payload: As the delegate's compiler wrote it.
        shared: What methods share, by name.

    Raises:
        UserError: It is not what that compiler writes, or uses an operator that the executor does not know.
    """

    def __init__(self, payload: bytes, shared: Mapping[str, bytes]) -> None:
        name = "main"
        try:
            if payload.startswith(REFERENCE):
                told = json.loads(payload[len(REFERENCE) :])
                payload, name = shared[told["key"]], told["functionName"]
            with TemporaryDirectory() as folder, _READING, without_announcements():
                function, metadata = _unpacked(payload, Path(folder), name)
        except (KeyError, TypeError, ValueError, OSError, RuntimeError) as error:
            raise UserError(
                f"a Core ML piece cannot be read ({error or type(error).__name__}): export it again"
            ) from None
        self._names: tuple[list[str], list[str]] = (metadata["inputNames"], metadata["outputNames"])
        self._function = MilFunction(function)

    def run(self, values: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Compute the outputs in their order, in float32: the delegate turns what Core ML gives in fp16 into that.

        Args:
            values: What goes in, and further values, which are ignored.
        """
        inputs, outputs = self._names
        given = dict(zip(inputs, values, strict=False))
        found = self._function.run(given)
        return tuple(found[name].float() if found[name].is_floating_point() else found[name] for name in outputs)

    @property
    def inputs(self) -> int:
        """How many values go in."""
        return len(self._names[0])


def _unpacked(payload: bytes, folder: Path, function: str) -> tuple[Any, Mapping[str, Any]]:
    """Return a function of a payload and the names of its inputs and outputs.

    Raises:
        ValueError: It is no folder in the form in which the delegate keeps folders.
    """
    from executorch.backends.apple.coreml import executorchcoreml

    if not executorchcoreml.unflatten_directory_contents(payload, str(folder)):
        raise ValueError("no package of Core ML")
    described = [*folder.glob("metadata.json"), *folder.glob("*/metadata.json")]  # it keeps the folder's own name
    if len(described) != 1:
        raise ValueError("no metadata.json in it")
    metadata = json.loads(described[0].read_text())
    functions = read_functions(described[0].with_name("model.mlpackage"))
    return functions[function], metadata.get("methods", {}).get(function, metadata)
