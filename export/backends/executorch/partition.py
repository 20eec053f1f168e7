"""Which part of a traced method which delegate takes, and what came of it.

Imported by what lowers only: importing ExecuTorch takes seconds and prints.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from operator import getitem
from types import MappingProxyType
from typing import Any

import torch
from executorch.exir.backend.partitioner import DelegationSpec, Partitioner, PartitionResult
from executorch.exir.backend.utils import tag_constant_data
from executorch.exir.lowered_backend_module import LoweredBackendModule
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torch.fx.passes.infra.partitioner import CapabilityBasedPartitioner
from torch.fx.passes.operator_support import OperatorSupportBase
from torch.utils.flop_counter import flop_registry

from export.backends.executorch.format import COREML, DELEGATES, XNNPACK
from export.backends.executorch.program import has_backend
from export.backends.executorch.quantize import module_of
from export.backends.executorch.xnnpack_partition import partitioners
from export.core.lowering import LOWERED, REFERENCE, RUN, Lowering, Piece
from export.core.methods import Method

Takes = Callable[[ExportedProgram], OperatorSupportBase]
"""Tells for a program which of its operators a delegate knows."""


class DenseOperators(OperatorSupportBase):
    """Operators that a delegate knows, of the dense part, from floats to floats.

    Args:
        known: Which operators the delegate knows.
        method: Whose dense part it is.
    """

    def __init__(self, known: OperatorSupportBase, method: Method) -> None:
        super().__init__()
        self._known = known
        self._method = method

    def is_node_supported(self, submodules: Mapping[str, torch.nn.Module], node: Node) -> bool:
        """See `OperatorSupportBase`. A loop's body, which is no operator, stays where it is."""
        if node.op != "call_function" or not self._method.is_dense(module_of(node)):
            return False
        values = [one.meta.get("val") for one in (node, *node.all_input_nodes)]
        return all(map(_floats, values)) and self._known.is_node_supported(submodules, node)


def _floats(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_floats, value))
    return isinstance(value, Tensor) and value.is_floating_point()


class DensePartitioner(Partitioner):
    """Hands the dense part of a method to a delegate, whole where no index is computed in between.

    Delegates' own partitioners go by operators alone: they would put row numbers into fp16, and take a loop's body for
    a constant.

    Args:
        takes: Which operators the delegate knows.
        spec: Names the delegate and its options.
        method: Whose dense part it is.
    """

    def __init__(self, takes: Takes, spec: DelegationSpec, method: Method) -> None:
        super().__init__()
        self.delegation_spec = spec
        self._takes = takes
        self._method = method

    def ops_to_not_decompose(self, ep: ExportedProgram) -> Any:
        """See `Partitioner`: the same as for XNNPACK, which looks at the same graph afterwards."""
        return partitioners()[0].ops_to_not_decompose(ep)

    def partition(self, exported_program: ExportedProgram) -> PartitionResult:
        """See `Partitioner`."""
        operators = DenseOperators(self._takes(exported_program), self._method)
        graph = exported_program.graph_module
        parts = CapabilityBasedPartitioner(graph, operators, allows_single_node_partition=True).propose_partitions()
        tags = {}
        for part in parts:
            if not any(map(node_macs, part.nodes)):
                continue  # not worth the way there and back
            tags[f"piece {part.id}"] = self.delegation_spec
            for node in part.nodes:
                node.meta["delegation_tag"] = f"piece {part.id}"
        tag_constant_data(exported_program)
        return PartitionResult(tagged_exported_program=exported_program, partition_tags=tags)


def coreml_partitioner(method: Method, precision: str) -> Partitioner:
    """Return what gives Core ML a method's dense part, computed in a precision."""
    import coremltools as ct
    from executorch.backends.apple.coreml.compiler import CoreMLBackend
    from executorch.backends.apple.coreml.partition.coreml_partitioner import _OperatorsSupportedForCoreMLBackend

    options = CoreMLBackend.generate_compile_specs(
        minimum_deployment_target=ct.target.iOS18,
        compute_precision=ct.precision.FLOAT16 if precision == "fp16" else ct.precision.FLOAT32,
    )
    spec = DelegationSpec(CoreMLBackend.__name__, options)
    return DensePartitioner(lambda _: _OperatorsSupportedForCoreMLBackend(), spec, method)


def vulkan_partitioner(method: Method, precision: str) -> Partitioner:
    """Return what gives Vulkan a method's dense part, computed in a precision."""
    from executorch.backends.vulkan import utils
    from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner, VulkanSupportedOperators
    from executorch.backends.vulkan.patterns import get_all_fusable_subgraphs

    def takes(program: ExportedProgram) -> OperatorSupportBase:
        return VulkanSupportedOperators(
            utils.DEFAULT_TEXTURE_LIMITS,
            utils.DEFAULT_BUFFER_LIMIT,
            fusable_subgraphs=get_all_fusable_subgraphs(program.graph_module),
        )

    spec = VulkanPartitioner({"force_fp16": precision == "fp16"}).delegation_spec
    return DensePartitioner(takes, spec, method)


FIRST: Mapping[str, Callable[[Method, str], Partitioner]] = MappingProxyType(
    {"coreml": coreml_partitioner, "vulkan": vulkan_partitioner}
)
"""By delegate, what takes its part before XNNPACK."""


def stack(method: Method, delegate: str, precision: str) -> list[Partitioner]:
    """Return the partitioners of a method in order: the delegate's, then XNNPACK's, which takes what is left."""
    first = [FIRST[delegate](method, precision)] if delegate in FIRST else []
    return [*first, *partitioners()]


def graph_macs(graph_module: GraphModule) -> int:
    """Count the multiply-adds of the convolutions and matrix products that stand in a graph, delegates left out."""
    return sum(map(node_macs, graph_module.graph.nodes))


def node_macs(node: Node) -> int:
    """Count the multiply-adds of a convolution or matrix product; 0 for any other operator."""
    operator = getattr(node.target, "overloadpacket", None)
    if node.op != "call_function" or not (operator == torch.ops.aten.linear or operator in flop_registry):
        return 0
    if operator == torch.ops.aten.linear:
        return int(node.meta["val"].numel() * node.all_input_nodes[1].meta["val"].shape[1])
    values = torch.fx.node.map_arg(node.args, lambda item: item.meta["val"])
    # The registry counts a multiply-add as two operations.
    return int(flop_registry[operator](*values, **node.kwargs, out_val=node.meta["val"])) // 2


def lowering_of(program: ExportedProgram) -> Lowering:
    """Return what delegates took of a lowered program, its loops' bodies included."""
    pieces, outside = [], Counter[str]()
    for node, module in walk(program.graph_module):
        if isinstance(module, LoweredBackendModule):
            pieces.append(_piece(module))
        elif node.target is not getitem:
            outside[_operator(node)] += 1
    return Lowering(pieces=pieces, outside=dict(sorted(outside.items())))


def pieces_of(program: ExportedProgram, delegate: str) -> list[ExportedProgram]:
    """Return the graphs that a delegate took of a lowered program, in the order of execution."""
    (backend,) = (one.backend for one in DELEGATES if one.name == (delegate or XNNPACK.name))
    modules = [module for _, module in walk(program.graph_module) if isinstance(module, LoweredBackendModule)]
    return [module.original_module for module in modules if module.backend_id == backend]


def modules_of(program: ExportedProgram) -> dict[int, str]:
    """Return the dotted names of the modules of a lowered program's operators, by the handles that these keep."""
    found: dict[int, str] = {}
    for node, module in walk(program.graph_module):
        inside = module.original_module.graph_module.graph.nodes if isinstance(module, LoweredBackendModule) else [node]
        for one in inside:
            if module_of(one) and "debug_handle" in one.meta:
                found[one.meta["debug_handle"]] = module_of(one)
    return found


def walk(graph_module: GraphModule) -> Iterator[tuple[Node, Any]]:
    """Yield the calls of a graph in their order, bodies of loops included, each with the delegate's module or None."""
    for node in graph_module.graph.nodes:
        modules = [getattr(graph_module, one.target) for one in node.all_input_nodes if one.op == "get_attr"]
        for module in modules:
            if isinstance(module, GraphModule):
                yield from walk(module)
        if node.op == "call_function":
            yield node, next((one for one in modules if isinstance(one, LoweredBackendModule)), None)


def _operator(node: Node) -> str:
    target: Any = getattr(node.target, "_op", node.target)
    return str(target) if isinstance(target, torch._ops.OpOverload) else getattr(target, "__name__", str(target))


def _piece(module: LoweredBackendModule) -> Piece:
    (delegate,) = (one for one in DELEGATES if one.backend == module.backend_id)
    graph = module.original_module.graph_module
    operators = sum(node.op == "call_function" and node.target is not getitem for node in graph.graph.nodes)
    return Piece(
        delegate=delegate.name, operators=operators, macs=graph_macs(graph), status=status_of(delegate.backend)
    )


def status_of(backend: str) -> str:
    """Return what can be said of a backend's pieces once the artifact is proven."""
    if has_backend(backend):
        return RUN
    return REFERENCE if backend == COREML.backend else LOWERED
