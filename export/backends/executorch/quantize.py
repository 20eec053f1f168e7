"""int8 and int4 for ExecuTorch by torchao: static for a detector's backbone, dynamic for linear layers.

Static means that the range of every activation is measured beforehand and a map is eight bits from one convolution to
the next. Dynamic means that a linear layer's weights are eight bits, each row that comes in is scaled by its own range,
and what goes out is float: scores, boxes and region features never share a scale. Matrices in 4 bits are dynamic, too,
with a scale a group of weights; torchao puts them in before the rest is traced.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from export.backends.executorch.rewrites import for_executorch
from export.core.exporter import LayerOutput
from export.core.methods import Method
from export.core.precision import Decision, Kind, Mode
from export.core.recipe import Recipe


def quantized(method: Method, recipe: Recipe) -> GraphModule:
    """Return a method's module, in the form for ExecuTorch and with all rounding in it, to be traced again."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    module = with_grouped_weights(with_rounded_embeddings(for_executorch(method.module), recipe), recipe)
    observed = prepare_pt2e(traced(module, method.example), make_quantizer(recipe))
    for sample in recipe.samples(method):
        observed(*sample)
    return dequantized_for_each(convert_pt2e(observed))


def dequantized_for_each(graph: GraphModule) -> GraphModule:
    """Give each reader of a dequantized map a dequantization of its own, in place; returns the graph.

    ExecuTorch lays a map out for one of its readers. A convolution in float that shared it with an output read it in
    the wrong layout, and XNNPACK refused to run.
    """
    for node in list(graph.graph.nodes):
        if node.target == torch.ops.quantized_decomposed.dequantize_per_tensor.default:
            for reader in list(node.users)[1:]:
                with graph.graph.inserting_after(node):
                    reader.replace_input_with(node, graph.graph.node_copy(node))
    graph.recompile()
    return graph


def decisions(method: Method, recipe: Recipe) -> list[Decision]:
    """Return what a recipe decides about a method's layers with weights."""
    return recipe.decide((name, layer_kind(layer)) for name, layer in method.module.named_modules() if weighted(layer))


def weighted(layer: nn.Module) -> bool:
    """Tell whether a module has weights that can be stored in few bits."""
    return isinstance(layer, (nn.Conv2d, nn.Linear, nn.Embedding))


def layer_kind(layer: nn.Module) -> Kind:
    """Return the kind of a module with weights."""
    if isinstance(layer, nn.Conv2d):
        return Kind.DEPTHWISE if layer.groups > 1 else Kind.CONVOLUTION
    return Kind.LINEAR if isinstance(layer, nn.Linear) else Kind.EMBEDDING


def node_kind(node: Node) -> Kind:
    """Return the kind of a traced operator."""
    if node.target == torch.ops.aten.conv2d.default:
        groups = node.args[6] if len(node.args) > 6 else 1
        return Kind.DEPTHWISE if groups != 1 else Kind.CONVOLUTION
    return Kind.LINEAR if node.target == torch.ops.aten.linear.default else Kind.ARITHMETIC


@torch.no_grad()
def layers(method: Method, recipe: Recipe) -> Iterator[LayerOutput]:
    """Yield what each convolution and linear layer computes, exactly and in int8, in the order of execution."""
    exact = layer_outputs(traced(for_executorch(method.module), method.example), method.example)
    given = layer_outputs(quantized(method, recipe), method.example)
    for node, (layer, expected) in exact.items():
        if node in given:
            yield LayerOutput(layer, expected, given[node][1])


def layer_outputs(graph: GraphModule, example: tuple[Tensor, ...]) -> dict[str, tuple[str, Tensor]]:
    """Run a traced model; returns, by node, the module and the output of each convolution and linear layer."""
    aten = torch.ops.aten
    outputs = {}

    class Recorder(torch.fx.Interpreter):
        def run_node(self, n: Node) -> Any:
            result = super().run_node(n)
            if n.target in (aten.conv2d.default, aten.linear.default):
                outputs[n.name] = (module_of(n), result)
            return result

    Recorder(graph).run(*example)
    return outputs


def traced(module: nn.Module, example: tuple[Tensor, ...]) -> GraphModule:
    """Return a model's graph in the form that is quantized."""
    graph = torch.export.export(module, example).module()
    spell_out(graph)
    return graph


class RoundedEmbedding(nn.Module):
    """An embedding table of small integers, each row or each group of a row with a scale; what is looked up is float.

    Two values of 4 bits share a byte, the first in its low half. Plain operators that every build has take them apart.

    Args:
        table: (V, h) float.
        bits: 8 or 4, of a value.
        group: Values of a row, one after another, that share a scale; 0 where all do.
    """

    rows: Tensor
    scales: Tensor

    def __init__(self, table: Tensor, bits: int, group: int) -> None:
        super().__init__()
        most = 2.0 ** (bits - 1) - 1.0
        groups = table.reshape(len(table), -1, group or table.shape[1])  # (V, groups, values)
        scales = groups.abs().amax(dim=2).clamp(min=torch.finfo(table.dtype).tiny) / most
        values = (groups / scales[:, :, None]).round().to(torch.int8).flatten(1)
        self.register_buffer("rows", values if bits == 8 else in_pairs(values))
        self.register_buffer("scales", scales)
        self._unpack = nn.Identity() if bits == 8 else Halves()

    def forward(self, ids: Tensor) -> Tensor:
        """Look up (...) int64 ids, (..., h)."""
        flat = ids.reshape(-1)
        values = self._unpack(self.rows.index_select(0, flat)).to(self.scales.dtype)
        scales = self.scales.index_select(0, flat)
        rows = values.reshape(*scales.shape, -1) * scales[:, :, None]
        return rows.reshape(*ids.shape, -1)


def in_pairs(values: Tensor) -> Tensor:
    """Return (V, h) int8 values of -8 to 7 as (V, h / 2) uint8, each 8 higher; h must be even."""
    raised = (values + 8).to(torch.uint8)
    return raised[:, ::2] | raised[:, 1::2] << 4


class Halves(nn.Module):
    """What `in_pairs` put together: (N, h / 2) uint8 to (N, h) int32 of -8 to 7."""

    def forward(self, pairs: Tensor) -> Tensor:
        """Take apart."""
        wide = pairs.to(torch.int32)
        return torch.stack([wide & 15, wide // 16], dim=2).flatten(1) - 8  # shifts are no Core ATen operators


def with_rounded_embeddings(module: nn.Module, recipe: Recipe) -> nn.Module:
    """Replace embeddings, in place, but those that are to stay in float; returns the module."""
    for path, parent in list(module.named_modules()):
        for name, child in list(parent.named_children()):
            rule = recipe.rule_of(f"{path}.{name}", Kind.EMBEDDING)
            if isinstance(child, nn.Embedding) and rule.mode is Mode.WEIGHT_ONLY:
                setattr(parent, name, RoundedEmbedding(child.weight.detach(), rule.bits, rule.group))
    return module


def with_grouped_weights(module: nn.Module, recipe: Recipe) -> nn.Module:
    """Store in groups of 4-bit weights, in place, the linear layers that are to be; returns the module."""
    from torchao.quantization import Int8DynamicActivationIntxWeightConfig, PerGroup, quantize_

    four_bits: torch.dtype = getattr(torch, "int4")  # noqa: B009 - not in PyTorch's stubs

    def group_of(layer: nn.Module, name: str) -> int:
        return recipe.rule_of(name, Kind.LINEAR).group if isinstance(layer, nn.Linear) else 0

    for group in sorted({group_of(layer, name) for name, layer in module.named_modules()} - {0}):
        config = Int8DynamicActivationIntxWeightConfig(weight_dtype=four_bits, weight_granularity=PerGroup(group))
        exact = {name: layer.weight for name, layer in module.named_modules() if group_of(layer, name) == group}
        quantize_(module, config, filter_fn=lambda layer, name, group=group: group_of(layer, name) == group)
        for name, weight in exact.items():
            round_by_stored_scales(module.get_submodule(name).weight, weight.detach())
    return module


def round_by_stored_scales(stored: Any, exact: Tensor) -> None:
    """Round a layer's weights anew, in place: XNNPACK keeps scales of groups in bfloat16, and torchao knows finer ones.

    Args:
        stored: torchao's tensor of 4 bits, with (O, I) `qdata` and (O, G) `scale`.
        exact: (O, I), what it stands for.
    """
    stored.scale = stored.scale.to(torch.bfloat16).float()
    groups = exact.unflatten(1, (stored.scale.shape[1], -1)) / stored.scale[..., None]
    stored.qdata = groups.round().clamp(-8, 7).to(stored.qdata.dtype).flatten(1)


def spell_out(graph: GraphModule) -> None:
    """Write operators in the forms that are quantized, in place, before ranges are measured.

    A mean in stages becomes a plain one: sums of int8 are exact, and XNNPACK has no pooling of averages in int8.
    """
    aten = torch.ops.aten
    for node in list(graph.graph.nodes):
        if node.target == aten.mean.dim and node.args[0].target == aten.avg_pool2d.default:
            node.replace_input_with(node.args[0], node.args[0].args[0])
    spell_out_swish(graph)


def spell_out_swish(graph: GraphModule) -> None:
    """Write SiLU as x * sigmoid(x), in place.

    As one operator it is quantized by nobody, and in float16 ExecuTorch computes it in float32, outside the delegate.
    """
    aten = torch.ops.aten
    for node in list(graph.graph.nodes):
        if node.target in (aten.silu.default, aten.silu_.default):
            (feature,) = node.args
            with graph.graph.inserting_before(node):
                gate = graph.graph.call_function(aten.sigmoid.default, (feature,))
                product = graph.graph.call_function(aten.mul.Tensor, (feature, gate))
            gate.meta, product.meta = dict(node.meta), dict(node.meta)
            node.replace_all_uses_with(product)
            graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def module_of(node: Node) -> str:
    """Return the dotted name of the module that a traced node comes from."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return stack[-1][0] if stack else ""


def make_quantizer(recipe: Recipe) -> Any:
    """Return the quantizer of a recipe: a static one for what it measures ranges of, a dynamic one for rows.

    What `with_grouped_weights` has changed, it leaves alone.
    """
    from torchao.quantization.pt2e.quantizer import ComposableQuantizer

    from export.backends.executorch.quantizer import DynamicQuantizer, StaticQuantizer

    def chosen(node: Node, mode: Mode) -> bool:
        rule = recipe.rule_of(module_of(node), node_kind(node))
        return rule.mode is mode and not rule.group

    return ComposableQuantizer(
        [
            StaticQuantizer(lambda node: chosen(node, Mode.STATIC)),
            DynamicQuantizer(lambda node: chosen(node, Mode.DYNAMIC)),
        ]
    )
