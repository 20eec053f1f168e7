"""A Core ML package, ready to run: by Core ML on a Mac, by the reference executor everywhere else."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.backends.coreml.format import FORMAT, UNITS
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
        units: Of which processors Core ML chooses; a key of `export.backends.coreml.format.UNITS`.

    Raises:
        UserError: The package cannot be read, or uses an operator that the executor does not know.
    """

    def __init__(self, path: Path, threads: int | None = None, units: str = FORMAT.units[0]) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.path = path
        self._units = units
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
                self._runners[method] = (
                    CoreMLFunction(self.path, method, self._units) if here else self.reference(method)
                )

    def interface(self, method: str) -> Interface:
        """See `Program`."""
        require_method(method, self.methods)
        function = self._functions[method]
        return Interface([_spec(item) for item in function.inputs.values()], [_spec(item) for item in function.outputs])

    def planned(self, method: str) -> Mapping[str, int]:
        """Return how many operators Core ML prefers to run on which processor, as its compute plan has it.

        Returns:
            By "cpu", "gpu" and "ne", the number of operators; empty where Core ML tells none: before macOS 14.4, and in
            the reference executor.

        Raises:
            UserError: The package has no such function.
        """
        self.load(method)
        runner = self._runners[method]
        return runner.planned() if isinstance(runner, CoreMLFunction) else {}

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
        units: Of which processors Core ML chooses; a key of `export.backends.coreml.format.UNITS`.
    """

    def __init__(self, path: Path, name: str, units: str) -> None:
        import coremltools as ct

        self._name = name
        self._units = ct.ComputeUnit[UNITS[units]]
        self._model: Any = ct.models.MLModel(str(path), compute_units=self._units, function_name=name)

    def run(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute the outputs by name."""
        given = {name: tensor.numpy() for name, tensor in inputs.items()}
        return {name: torch.from_numpy(np.asarray(array)) for name, array in self._model.predict(given).items()}

    def planned(self) -> Mapping[str, int]:
        """See `CoreMLProgram.planned`."""
        from coremltools.models.compute_plan import MLComputePlan

        plan: Any = None
        with suppress(Exception):  # systems without plans say so in ways of their own
            plan = MLComputePlan.load_from_path(self._model.get_compiled_model_path(), self._units)
        if plan is None or plan.model_structure.program is None:
            return {}
        block = plan.model_structure.program.functions[self._name].block
        usages = map(plan.get_compute_device_usage_for_mlprogram_operation, operations(block))
        found = Counter(processor(usage.preferred_compute_device) for usage in usages if usage is not None)
        return dict(sorted(found.items()))


def operations(block: Any) -> Iterator[Any]:
    """Yield the operators of a block of `coremltools.models.compute_plan`, those of nested blocks behind their own."""
    for operation in block.operations:
        yield operation
        for inner in operation.blocks:
            yield from operations(inner)


def processor(device: Any) -> str:
    """Return "cpu", "gpu" or "ne" for a device of `coremltools.models.compute_device`."""
    from coremltools.models.compute_device import MLCPUComputeDevice, MLGPUComputeDevice

    if isinstance(device, MLCPUComputeDevice):
        return "cpu"
    return "gpu" if isinstance(device, MLGPUComputeDevice) else "ne"
