"""Lowering methods to one ExecuTorch program, and running such a program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from export.executorch_quantization import quantized
from export.executorch_rewrites import for_executorch
from export.methods import Method
from export.program import Accepted, prepared, require_method
from export.recipe import Recipe
from minivlm.console import quiet
from minivlm.errors import UserError

DTYPES: Mapping[int, torch.dtype] = MappingProxyType({4: torch.int64, 6: torch.float32})
"""By ExecuTorch's numbers, of all inputs that there are."""


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
    """Trace a method with `torch.export`, with the rounding of int8 in it if the recipe wants it."""
    with torch.no_grad():
        module = quantized(method, recipe) if recipe.precision == "int8" else for_executorch(method.module)
        return torch.export.export(module, method.example)


def lower(programs: dict[str, Any]) -> LoweredProgram:
    """Lower traced methods to XNNPACK, all into one program that holds each weight once."""
    from executorch.exir import to_edge_transform_and_lower

    from export.executorch_quantizer import partitioners

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
    """A .pte file, loaded and ready to run; implements `export.program.Program`.

    Args:
        path: The file.
        threads: Threads of the runtime's pool; None leaves the default. The pool belongs to the process.

    Raises:
        UserError: The file is no program that this runtime can load.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._path = path
        try:
            with quiet():  # it announces what it finds out about the processor
                from executorch.extension.pybindings import _portable_lib
                from executorch.runtime import Runtime, Verification

                if threads is not None:
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

    def load(self, method: str) -> None:
        """Load a method now, rather than at its first call.

        Raises:
            UserError: The program has no such method.
        """
        require_method(method, self.methods)
        self._methods[method] = self._program.load_method(method)

    def run(self, method: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run a method and return its outputs."""
        if method not in self._methods:
            self.load(method)
        return tuple(self._methods[method].execute(prepared(method, inputs, self._accepted(method))))

    def _accepted(self, method: str) -> list[Accepted]:
        """Return what a method takes; a program keeps no names."""
        told = self._methods[method].metadata
        metas = [told.input_tensor_meta(number) for number in range(told.num_inputs())]
        return [
            Accepted(f"number {number}", tuple(meta.sizes()), DTYPES[meta.dtype()])
            for number, meta in enumerate(metas, start=1)
        ]
