"""A Core ML package, ready to run: by Core ML on a Mac, by the reference executor everywhere else."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.mil_executor import MilFunction, dtype_name, read_functions
from export.program import Accepted, prepared, require_method
from minivlm.console import quiet

DTYPES: Mapping[str, torch.dtype] = MappingProxyType({"fp32": torch.float32, "int32": torch.int32})
"""By MIL's names, of all inputs that there are."""


class CoreMLProgram:
    """A .mlpackage; implements `export.program.Program`.

    Whole numbers come back as int32: Core ML has no int64.

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
        with quiet():
            self._functions = read_functions(path)
        self._runners: dict[str, CoreMLFunction | MilFunction] = {}

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
        if sys.platform == "darwin":
            self._runners[method] = CoreMLFunction(self.path, method)
        else:
            self._runners[method] = self.reference(method)

    def reference(self, method: str) -> MilFunction:
        """Return a function in the reference executor, on a Mac too."""
        return MilFunction(self._functions[method])

    def run(self, method: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run a function and return its outputs."""
        if method not in self._runners:
            self.load(method)
        function = self._functions[method]
        accepted = [
            Accepted(name, tuple(variable.shape), DTYPES[dtype_name(variable)])
            for name, variable in function.inputs.items()
        ]
        ready = prepared(method, inputs, accepted)
        outputs = self._runners[method].run(dict(zip(function.inputs, ready, strict=True)))
        return tuple(outputs[variable.name] for variable in function.outputs)


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
