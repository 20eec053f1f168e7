"""int8 for ExecuTorch by torchao's PT2E: static for a detector's backbone, dynamic for linear layers.

Static means that the range of every activation is measured beforehand and a map is eight bits from one convolution to
the next. Dynamic means that a linear layer's weights are eight bits, each row that comes in is scaled by its own range,
and what goes out is float: scores, boxes and region features never share a scale.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from export.bounds import LAYER_SQNR
from export.executorch_rewrites import for_executorch
from export.methods import Method
from export.parity import sqnr
from export.recipe import Recipe

STATIC = "backbone"
"""Part of a detector that is quantized statically. The rest is its linear layers, quantized dynamically, the two
convolutions of the RPN, too small to matter and too close to the scores, and arithmetic on boxes."""

GATE = "se"
"""Part of a block whose convolutions see one cell: as linear layers, quantized dynamically."""

KEPT_FLOAT = ("conv_stem", "body.bn1", "blocks.0", "blocks.1", "blocks.2", "bifpn", "rpn")
"""What else of a detector stays in float, little of its weights. Each rounding of a map costs 40 dB, and a block
has nine. On one photo, with random weights, everything in int8 left features of 15.6 dB and a tenth of the regions;
with the early blocks in float it was 21.5 dB and six tenths. Fusions mix whole maps."""


def quantized(method: Method, recipe: Recipe) -> GraphModule:
    """Return a method's module, in the form for ExecuTorch and with the rounding of int8 in it, to be traced again."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    recipe = with_own(recipe)
    module = with_byte_embeddings(for_executorch(method.module), recipe)
    observed = prepare_pt2e(traced(module, method.example), make_quantizer(recipe))
    for sample in recipe.samples(method):
        observed(*sample)
    return convert_pt2e(observed)


def with_own(recipe: Recipe) -> Recipe:
    """Return a recipe that leaves in float what a detector cannot spare, too."""
    return replace(recipe, keep_float=(*recipe.keep_float, *KEPT_FLOAT))


def float_layers(method: Method, recipe: Recipe) -> list[str]:
    """Return the names of a method's layers with weights that stay in float; none where there is no int8."""
    if recipe.precision != "int8":
        return []
    recipe = with_own(recipe)
    modules = method.module.named_modules()
    layers = [item for item in modules if isinstance(item[1], (nn.Conv2d, nn.Linear, nn.Embedding))]
    in_backbone = {name: STATIC in name.split(".") for name, _ in layers}
    return [
        name for name, layer in layers if recipe.keeps_float(name) or isinstance(layer, nn.Conv2d) != in_backbone[name]
    ]


@torch.no_grad()
def weakest_layer(method: Method, recipe: Recipe) -> str | None:
    """Return the first layer of a method, by name, that int8 takes below `LAYER_SQNR`; None if none does."""
    exact = layer_outputs(traced(for_executorch(method.module), method.example), method.example)
    given = layer_outputs(quantized(method, recipe), method.example)
    for node, (layer, expected) in exact.items():
        if method.keeps_places(layer) and node in given and sqnr(expected, given[node][1]) < LAYER_SQNR:
            return layer
    return None


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


class ByteEmbedding(nn.Module):
    """An embedding table in int8 with a scale for every row; each row looked up is turned to float."""

    rows: Tensor
    scales: Tensor

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        scales = table.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(table.dtype).tiny) / 127.0
        self.register_buffer("rows", (table / scales).round().to(torch.int8))
        self.register_buffer("scales", scales)

    def forward(self, ids: Tensor) -> Tensor:
        """Look up (...) int64 ids, (..., h)."""
        flat = ids.reshape(-1)
        rows = self.rows.index_select(0, flat).to(self.scales.dtype) * self.scales.index_select(0, flat)
        return rows.reshape(*ids.shape, -1)


def with_byte_embeddings(module: nn.Module, recipe: Recipe) -> nn.Module:
    """Replace embeddings, in place, but those that are to stay in float; returns the module."""
    for path, parent in list(module.named_modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Embedding) and not recipe.keeps_float(f"{path}.{name}"):
                setattr(parent, name, ByteEmbedding(child.weight.detach()))
    return module


def spell_out(graph: GraphModule) -> None:
    """Write operators in the forms that are quantized, in place, before ranges are measured.

    SiLU becomes x * sigmoid(x). A mean in stages becomes a plain one: sums of int8 are exact, and XNNPACK has no
    pooling of averages in int8.
    """
    aten = torch.ops.aten
    for node in list(graph.graph.nodes):
        if node.target == aten.mean.dim and node.args[0].target == aten.avg_pool2d.default:
            node.replace_input_with(node.args[0], node.args[0].args[0])
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


def is_static(name: str) -> bool:
    """Tell whether a module, by its dotted name, is quantized statically, if at all."""
    parts = name.split(".")
    return STATIC in parts and GATE not in parts


def module_of(node: Node) -> str:
    """Return the dotted name of the module that a traced node comes from."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return stack[-1][0] if stack else ""


def make_quantizer(recipe: Recipe) -> Any:
    """Return the quantizer of a recipe: a static one for the backbone, a dynamic one for linear layers."""
    from torchao.quantization.pt2e.quantizer import ComposableQuantizer

    from export.executorch_quantizer import DynamicQuantizer, StaticQuantizer

    def chosen(node: Node, static: bool) -> bool:
        name = module_of(node)
        return is_static(name) == static and not recipe.keeps_float(name)

    return ComposableQuantizer(
        [
            StaticQuantizer(lambda node: chosen(node, static=True)),
            DynamicQuantizer(lambda node: chosen(node, static=False)),
        ]
    )
