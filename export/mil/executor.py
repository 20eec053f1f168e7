"""A reference executor of MIL programs: what a saved Core ML package computes, found out without a Mac.

Every operator is computed in fp32 from inputs as the program stores them, and its result is rounded to the type that
the program declares for it: where that is fp16, to fp16, and beyond 65,504 to infinity. Whole numbers are kept in
int32 whatever their width and refused where they do not fit it. Nothing here knows how the program was made.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.mil import elementwise as mil_elementwise
from export.mil import network as mil_network
from export.mil import quantization as mil_quantization
from export.mil import reduce as mil_reduce
from export.mil import shape as mil_shape
from minivlm.errors import UserError

OPERATORS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        **mil_elementwise.OPERATORS,
        **mil_network.OPERATORS,
        **mil_quantization.OPERATORS,
        **mil_reduce.OPERATORS,
        **mil_shape.OPERATORS,
    }
)
"""By operator, what takes its inputs by name, floats in fp32."""

Value = Tensor | str
Watch = Callable[[Any, Tensor], None]
"""Sees every operation and its first result."""


def read_functions(package: Path) -> Mapping[str, Any]:
    """Read a saved package back into MIL functions, by name.

    Raises:
        UserError: It is no package of an ML program.
    """
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto.load import load

    try:
        model = ct.models.MLModel(str(package), skip_model_load=True)
        spec = model.get_spec()
        functions: Mapping[str, Any] = load(spec, spec.specificationVersion, str(model.weights_dir)).functions
    except Exception as error:  # coremltools raises whatever its parsers, its native library or the file system raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{package} is no Core ML program that can be read ({reason}): export it again") from None
    return functions


def dtype_name(variable: Any) -> str:
    """Return MIL's name of a variable's element type, such as "fp16"."""
    from coremltools.converters.mil.mil import types

    name: str = types.builtin_to_string(variable.dtype)
    return name


def rounded(value: Tensor, dtype: str, name: str) -> Tensor:
    """Store a result in the type that the program declares.

    Raises:
        UserError: A whole number that does not fit.
    """
    if dtype in ("fp16", "fp32"):
        return value.to(torch.float16 if dtype == "fp16" else torch.float32)
    if dtype == "bool":
        return value.to(torch.bool)
    if dtype in mil_quantization.RANGES and value.numel():
        low, high = mil_quantization.RANGES[dtype]
        if value.min() < low or value.max() > high:
            raise UserError(f"{name} holds {value.min()} to {value.max()}, beyond {dtype}: the artifact is wrong")
    return value.to(torch.int32)


class MilFunction:
    """One function of a program, ready to run.

    Args:
        function: As `read_functions` gives it.

    Raises:
        UserError: It uses an operator that the executor does not know.
    """

    def __init__(self, function: Any) -> None:
        self._function = function
        self._constants: dict[Any, Value] = {}
        _refuse_unknown(function)
        self._steps = [operation for operation in function.operations if not self._fold(operation)]
        self._released = _last_uses(self._steps, {*function.outputs, *self._constants})

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Input variables by name, in order."""
        inputs: Mapping[str, Any] = self._function.inputs
        return inputs

    @property
    def outputs(self) -> list[Any]:
        """Output variables in order."""
        outputs: list[Any] = self._function.outputs
        return outputs

    @torch.no_grad()
    def run(self, inputs: Mapping[str, Tensor], watch: Watch | None = None) -> dict[str, Tensor]:
        """Compute the outputs.

        Args:
            inputs: By name.
            watch: Is shown every operation of the function itself, not of its loops.

        Returns:
            By name, in the types that the program declares.

        Raises:
            UserError: An input is missing or has another shape.
        """
        values = dict(self._constants)
        for name, variable in self.inputs.items():
            if name not in inputs or tuple(inputs[name].shape) != tuple(variable.shape):
                given = tuple(inputs[name].shape) if name in inputs else "none"
                raise UserError(f"input {name} takes shape {tuple(variable.shape)}, and {given} was given")
            values[variable] = rounded(inputs[name], dtype_name(variable), name)
        for operation, released in zip(self._steps, self._released, strict=True):
            self._execute(operation, values)
            if watch is not None:
                watch(operation, _tensor(values[operation.outputs[0]]))
            for variable in released:
                del values[variable]
        return {variable.name: _tensor(values[variable]) for variable in self.outputs}

    def _fold(self, operation: Any) -> bool:
        """Compute what depends on constants only, once; tell whether it did."""
        if operation.op_type == "const":
            (variable,) = operation.outputs
            self._constants[variable] = _constant(variable)
        elif operation.op_type.startswith("constexpr_"):
            self._execute(operation, self._constants)
        return operation.op_type.startswith("const")

    def _execute(self, operation: Any, values: dict[Any, Value]) -> None:
        if operation.op_type == "const":  # of a loop's block
            values[operation.outputs[0]] = _constant(operation.outputs[0])
            return
        if operation.op_type == "while_loop":
            results: Sequence[Value] = self._loop(operation, values)
        else:
            arguments = {name: _argument(given, values) for name, given in operation.inputs.items()}
            found = OPERATORS[operation.op_type](**arguments)
            results = found if isinstance(found, tuple) else (found,)
        for variable, result in zip(operation.outputs, results, strict=True):
            values[variable] = rounded(_tensor(result), dtype_name(variable), variable.name)

    def _loop(self, operation: Any, values: dict[Any, Value]) -> list[Value]:
        """Repeat the body while the condition holds, in the condition's and the body's own variables."""
        condition, body = operation.blocks
        state = [values[variable] for variable in operation.inputs["loop_vars"]]
        while bool(self._block(condition, state, values)[0]):
            state = self._block(body, state, values)
        return state

    def _block(self, block: Any, state: Sequence[Value], values: Mapping[Any, Value]) -> list[Value]:
        inner = {**values, **dict(zip(block.inputs, state, strict=True))}
        for operation in block.operations:
            self._execute(operation, inner)
        return [inner[variable] for variable in block.outputs]


def _refuse_unknown(block: Any) -> None:
    for operation in block.operations:
        if operation.op_type not in OPERATORS and operation.op_type not in ("const", "while_loop"):
            raise UserError(
                f"the reference executor does not know Core ML's operator {operation.op_type!r} ({operation.name}): "
                "add it to export/mil/, or export the model without it"
            )
        for inner in operation.blocks:
            _refuse_unknown(inner)


def _last_uses(steps: Sequence[Any], kept: set[Any]) -> list[list[Any]]:
    """Return, by step, the variables that nobody reads afterwards."""
    seen = set(kept)
    released: list[list[Any]] = []
    for operation in reversed(steps):
        touched = dict.fromkeys([*_reads(operation), *operation.outputs])
        released.append([variable for variable in touched if variable not in seen])
        seen.update(touched)
    return released[::-1]


def _reads(operation: Any) -> list[Any]:
    """Return the variables that an operation reads, its blocks' own ones left out."""
    read = [
        item for given in operation.inputs.values() for item in (given if isinstance(given, list | tuple) else [given])
    ]
    for block in operation.blocks:
        own = {*block.inputs, *(variable for inner in block.operations for variable in inner.outputs)}
        inside = [variable for inner in block.operations for variable in _reads(inner)]
        read += [variable for variable in [*inside, *block.outputs] if variable not in own]
    return read


def _constant(variable: Any) -> Value:
    if isinstance(variable.val, str):
        return variable.val
    array = np.asarray(variable.val)
    narrow = array.dtype.kind in "iu"
    return torch.from_numpy(np.array(array, dtype=np.int32 if narrow else array.dtype))


def _argument(given: Any, values: Mapping[Any, Value]) -> Value | list[Value]:
    """Look up an input, floats in fp32."""
    if isinstance(given, list | tuple):
        return [_argument(item, values) for item in given]  # type: ignore[misc]
    value = values[given]
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


def _tensor(value: Value) -> Tensor:
    if not isinstance(value, Tensor):
        raise UserError(
            f"an operation gave the text {value!r} as its result: the program is malformed, export it again"
        )
    return value
