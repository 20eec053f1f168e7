"""Lowering methods to one ExecuTorch program, and running such a program."""

import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from export.backends.executorch.quantize import quantized, spell_out_swish
from export.backends.executorch.rewrites import for_executorch
from export.core.interface import Interface, TensorSpec, prepared
from export.core.methods import Method
from export.core.recipe import Recipe
from export.rewrites.half import computing_half
from export.runtime.program import require_method
from minivlm.errors import UserError
from minivlm.quiet import without_announcements

HEADER = struct.Struct("<I4s4sIQQQ")
"""A file's first bytes: place of the root table, magic, magic of the extension, its length, bytes of the program, where
segments begin, bytes of the segments."""
SCALAR_TYPES: Mapping[int, str] = MappingProxyType({3: "int32", 4: "int64", 5: "float16", 6: "float32", 11: "bool"})
"""c10's numbers of element types."""

_RUNTIME = threading.RLock()
"""Imports, the pool of threads and the delegates' workspace belong to the process: one thread at a time is in there."""


@dataclass(frozen=True)
class LoweredProgram:
    """A program in memory.

    Attributes:
        program: ExecuTorch's program manager; `write_to_file` takes an open file.
        macs_outside: By method, the multiply-adds that were left outside XNNPACK delegates.
    """

    program: Any
    macs_outside: dict[str, int]


def export_program(method: Method, recipe: Recipe) -> Any:
    """Trace a method with `torch.export`, with the rounding that the recipe wants in it."""
    with torch.no_grad():
        return torch.export.export(lowerable(method, recipe), method.example)


def lowerable(method: Method, recipe: Recipe) -> nn.Module:
    """Return a method's module in the form that is lowered."""
    if recipe.integers:
        return quantized(method, recipe)
    module = for_executorch(method.module)
    if recipe.precision != "fp16":
        return module
    graph = torch.export.export(computing_half(module, detector=method.detector), method.example).module()
    spell_out_swish(graph)
    return graph


def lower(programs: dict[str, Any]) -> LoweredProgram:
    """Lower traced methods to XNNPACK, all into one program that holds each weight once."""
    from executorch.exir import to_edge_transform_and_lower

    from export.backends.executorch.quantizer import partitioners

    edge = to_edge_transform_and_lower(programs, partitioner={name: partitioners() for name in programs})
    outside = {name: graph_macs(edge.exported_program(name).graph_module) for name in programs}
    return LoweredProgram(edge.to_executorch(), outside)


def graph_macs(graph_module: torch.fx.GraphModule) -> int:
    """Count the multiply-adds of the convolutions and matrix products that stand in a graph, delegates left out."""
    from torch.utils.flop_counter import flop_registry

    total = 0
    for node in graph_module.graph.nodes:
        count = flop_registry.get(getattr(node.target, "overloadpacket", None))
        if node.op == "call_function" and count is not None:
            values = torch.fx.node.map_arg(node.args, lambda item: item.meta["val"])
            total += count(*values, **node.kwargs, out_val=node.meta["val"])
    return total // 2  # the registry counts a multiply-add as two operations


class ExecuTorchProgram:
    """A .pte file, loaded and ready to run; implements `export.runtime.program.Program`.

    Args:
        path: The file.
        threads: Threads of the runtime's pool; None leaves the default. The pool belongs to the process.

    Raises:
        UserError: The file is no program that this runtime can load.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        check_header(path)
        self._path = path
        try:
            with _RUNTIME, without_announcements():  # it announces what it finds out about the processor
                from executorch.extension.pybindings import _portable_lib
                from executorch.runtime import Runtime, Verification

                if threads not in (None, _portable_lib._threadpool_get_thread_count()):
                    _portable_lib._unsafe_reset_threadpool(threads)
                self.threads: int = _portable_lib._threadpool_get_thread_count()
                self._program = Runtime.get().load_program(path, verification=Verification.InternalConsistency)
        except RuntimeError as error:
            raise UserError(f"{path} is not a program this runtime can load ({error}): export it again") from None
        self._methods: dict[str, Any] = {}

    @property
    def planned_bytes(self) -> int | None:
        """See `Program`: the memory plan in the file, for activations outside of delegates, which plan their own."""
        from executorch.exir._serialize._program import deserialize_pte_binary

        plans = deserialize_pte_binary(self._path.read_bytes()).program.execution_plan
        return sum(sum(plan.non_const_buffer_sizes) for plan in plans if plan.name in self._methods)

    @property
    def methods(self) -> list[str]:
        """Names of the methods."""
        return sorted(self._program.method_names)

    def interface(self, method: str) -> Interface:
        """See `Program`; the format has an order and no names."""
        require_method(method, self.methods)
        told = self._program.metadata(method)
        return Interface(
            [_spec(told.input_tensor_meta(index)) for index in range(told.num_inputs())],
            [_spec(told.output_tensor_meta(index)) for index in range(told.num_outputs())],
        )

    def load(self, method: str) -> None:
        """Load a method now, rather than at its first call.

        Raises:
            UserError: The program has no such method.
        """
        require_method(method, self.methods)
        with _RUNTIME:
            self._load(method)

    def run(self, method: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run a method and return its outputs."""
        require_method(method, self.methods)
        with _RUNTIME:
            return tuple(self._load(method).execute(prepared(method, inputs, self.interface(method).inputs)))

    def _load(self, method: str) -> Any:
        if method not in self._methods:
            self._methods[method] = self._program.load_method(method)
        return self._methods[method]


def check_header(path: Path) -> None:
    """Refuse a file whose beginning is not a program's, or that is shorter than it says.

    The runtime ends the process over such files.

    Raises:
        UserError: Saying what is wrong.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(HEADER.size)
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}): export it again") from None
    refused = f"{path} is not a program this runtime can load"
    if len(beginning) < HEADER.size:
        raise UserError(f"{refused} (it has {len(beginning)} bytes): export it again")
    root, magic, extension, length, program, segments, size = HEADER.unpack(beginning)
    if magic != b"ET12" or extension != b"eh00" or length != HEADER.size - 8 or not HEADER.size <= root < program:
        raise UserError(f"{refused} (its first bytes are another file's, or damaged): export it again")
    there, needed = path.stat().st_size, max(program, segments + size)
    if there < needed:
        raise UserError(f"{refused} (truncated, {there:,} of {needed:,} bytes): copy it again")


def _spec(told: Any) -> TensorSpec:
    return TensorSpec("", list(told.sizes()), SCALAR_TYPES[told.dtype()])
