"""Which operators of a traced method XNNPACK takes, and into which of its delegates they go.

Imported by what lowers only: importing ExecuTorch takes seconds and prints.
"""

from collections.abc import Collection, Sequence

from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
from executorch.backends.xnnpack.partition.config.generic_node_configs import SigmoidConfig
from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir.backend.partitioner import PartitionResult
from executorch.exir.dialects._ops import ops
from torch.export import ExportedProgram
from torch.fx import Graph, Node

TAG = "delegation_tag"
"""Under what ExecuTorch notes, in a node's meta, which delegate it goes to."""
ROUND = ops.edge.quantized_decomposed.quantize_per_tensor.default
UNROUND = ops.edge.quantized_decomposed.dequantize_per_tensor.default


class QuantizedSigmoidConfig(SigmoidConfig):
    """Takes sigmoids in int8, too: XNNPACK has had them as a table look-up all along."""

    def supported_precision_types(self) -> list[ConfigPrecisionType]:
        """See `XNNPartitionerConfig`."""
        return [ConfigPrecisionType.FP32, ConfigPrecisionType.STATIC_QUANT]


class EarlyPartitioner(XnnpackPartitioner):
    """XNNPACK's partitioner, with each operator in the delegate that makes what it reads.

    Which of several delegates an operator goes to, the original leaves to the order of their numbers. The rows that
    RoIs are read from were made in the delegate behind the proposals: every level left the backbone's laid out anew.
    """

    def partition(self, exported_program: ExportedProgram) -> PartitionResult:
        """See `Partitioner`."""
        found = super().partition(exported_program)
        move_early(exported_program.graph, set(found.partition_tags))
        return found


def move_early(graph: Graph, tags: Collection[str]) -> None:
    """Move, in place, the operators of a delegate that read nothing but one other's results into that one.

    None of them gives anything to what it reads, so that no delegate comes to wait for itself. What rounds goes with
    what is rounded, and what reads rounded numbers with its one reader; neither goes alone.

    Args:
        graph: With a delegate's name under `TAG` in the meta of each operator that one takes.
        tags: Names of these delegates, and not of others that took their part before.
    """
    moved: set[Node] = set()
    for node in graph.nodes:
        if node.meta.get(TAG) not in tags or not (is_plain(node) or (node.target == ROUND and node.args[0] in moved)):
            continue
        read_by_it = [one for one in node.all_input_nodes if one.target == UNROUND and list(one.users) == [node]]
        sources = [one.args[0] if one in read_by_it else one for one in node.all_input_nodes]
        homes = {one.meta.get(TAG) for one in sources if one.op == "call_function"}
        if all(one.op == "call_function" for one in sources) and len(homes) == 1 and homes <= {*tags}:
            (home,) = homes
            for one in (*read_by_it, node):
                moved.add(one)
                one.meta[TAG] = home


def is_plain(node: Node) -> bool:
    """Tell whether an operator is one of PyTorch's own, which neither rounds nor reads what was rounded."""
    return node.op == "call_function" and getattr(node.target, "namespace", "") == "aten"


def partitioners() -> Sequence[XnnpackPartitioner]:
    """Return what decides which operators XNNPACK takes."""
    configs = [config for config in ALL_PARTITIONER_CONFIGS if config is not SigmoidConfig]
    return [EarlyPartitioner(configs=[*configs, QuantizedSigmoidConfig])]
