"""A Core ML package, ready to run: by Core ML on a Mac, by the reference executor everywhere else."""

import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.core.interface import Interface, TensorSpec, prepared, widened
from export.mil.executor import MilFunction, dtype_name, read_functions
from export.runtime.program import require_method
from minivlm.quiet import without_announcements

ELEMENT_TYPES: Mapping[str, str] = MappingProxyType({"fp32": "float32", "fp16": "float16", "int32": "int32"})
"""MIL's names, as far as Core ML takes them for inputs and outputs."""

_READING = threading.Lock()
"""coremltools keeps what it reads, and the scope it reads it in, in variables of its modules."""


class CoreMLProgram:
    """A .mlpackage; implements `export.runtime.program.Program`.

    Args:
        path: The package.
        threads: PyTorch's threads for the executor; None leaves them. They belong to the process. Core ML chooses its
            own.

    Raises:
        UserError: The package cannot be read, or uses an operator that the executor does not know.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.path = path
        with _READING, without_announcements():
            self._functions = read_functions(path)
        self._runners: dict[str, CoreMLFunction | MilFunction] = {}
        self._busy = threading.RLock()

    @property
    def threads(self) -> int:
        """PyTorch's threads."""
        return torch.get_num_threads()

    @property
    def planned_bytes(self) -> int | None:
        """See `Program`."""
        return None

    @property
    def methods(self) -> list[str]:
        """Names of the package's functions."""
        return sorted(self._functions)

    def load(self, method: str) -> None:
        """Load a function now, rather than at its first call.

        Raises:
            UserError: The package has no such function.
        """
        require_method(method, self.methods)
        with self._busy:
            if method not in self._runners:
                here = sys.platform == "darwin"
                self._runners[method] = CoreMLFunction(self.path, method) if here else self.reference(method)

    def interface(self, method: str) -> Interface:
        """See `Program`."""
        require_method(method, self.methods)
        function = self._functions[method]
        return Interface([_spec(item) for item in function.inputs.values()], [_spec(item) for item in function.outputs])

    def reference(self, method: str) -> MilFunction:
        """Return a function in the reference executor, on a Mac too."""
        return MilFunction(self._functions[method])

    def run(self, method: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run a function and return its outputs."""
        self.load(method)
        interface = self.interface(method)
        given = prepared(method, inputs, interface.inputs)
        with self._busy:
            named = {spec.name: tensor for spec, tensor in zip(interface.inputs, given, strict=True)}
            outputs = self._runners[method].run(named)
        return widened([outputs[spec.name] for spec in interface.outputs])


def _spec(variable: Any) -> TensorSpec:
    name = dtype_name(variable)
    return TensorSpec(variable.name, [int(size) for size in variable.shape], ELEMENT_TYPES[name])


class CoreMLFunction:
    """One function of a package in Core ML itself; macOS only.

    Args:
        path: The package.
        name: Of the function.
    """

    def __init__(self, path: Path, name: str) -> None:
        import coremltools as ct

        self._model: Any = ct.models.MLModel(str(path), function_name=name)

    def run(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute the outputs by name."""
        given = {name: tensor.numpy() for name, tensor in inputs.items()}
        return {name: torch.from_numpy(np.asarray(array)) for name, array in self._model.predict(given).items()}
