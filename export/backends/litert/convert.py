"""From methods to one .tflite model with a signature each; tensors are named after the modules that compute them."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from torch import nn

from export.backends.litert.graph import float_weights, graphs, kind, number_ends, packed, parsed, tensor_name
from export.backends.litert.operators import NativeNMS, native_operators
from export.core.methods import Method
from export.rewrites.modules import prepared, replace_nms
from minivlm.ops import unrolled


def convert(methods: Sequence[Method]) -> bytes:
    """Convert methods to one model that holds each weight once."""
    import litert_torch

    native_operators()
    modules = {method.name: convertible(method.module) for method in methods}
    converter: Any = litert_torch
    for method in methods:
        converter = converter.signature(method.name, modules[method.name], method.example)
    model = parsed(converter.convert().model_content())
    for name, graph in graphs(model):
        name_after_modules(name, model, graph, modules[name])
    name_ends(model, methods)
    number_ends(model, methods)
    return packed(model)


def name_ends(model: Any, methods: Sequence[Method]) -> None:
    """Give signatures the methods' names, instead of the converter's args_0 and output_3, in place."""
    by_name = {method.name: method for method in methods}
    for signature in model.signatureDefs:
        method = by_name[signature.signatureKey.decode()]
        for ends, names in ((signature.inputs, list(method.inputs)), (signature.outputs, method.outputs)):
            for end in ends:
                end.name = names[int(end.name.decode().rpartition("_")[2])].encode()


def convertible(module: nn.Module) -> nn.Module:
    """Return a copy of a model in the form that converts best; it computes the same."""
    module = prepared(module, repeat=unrolled).eval()
    replace_nms(module, NativeNMS)
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ModuleList):
                setattr(parent, name, Members(name, child))
    return module


class Members(nn.Module):
    """A list of modules whose names say which list they are in.

    The converter names a tensor after the calls that lead to it, by class and last name: lists are not called, so
    "top_down.3" and "bottom_up.3" would both be "3".
    """

    def __init__(self, name: str, members: nn.ModuleList) -> None:
        super().__init__()
        for number, member in members.named_children():
            self.add_module(f"{name}_{number}", member)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        return self.children()


def name_after_modules(signature: str, model: Any, graph: Any, module: nn.Module) -> None:
    """Rename what a subgraph's operators compute to signature/module:number, the module by its dotted name.

    The converter's names are the classes and names of all modules around, half a megabyte of them; and the quantizer
    takes tensors of two signatures with one name for the same tensor. They are wrong where a module calls what is two
    levels below it, as the transformer does with its projections, those of what comes next where that is fused, as
    ReLU6 is, and missing on what a signature gives: so layers are known by their weights, and else the operator's
    second input tells.
    """
    root, owners = Scope("", module), owners_of_weights(module)
    for operator in graph.operators:
        weights = [index for index in operator.inputs[1:2] if index >= 0]
        owner = "".join(owners.get(signs(float_weights(model, graph, index)), "") for index in weights)
        layer = "".join(root.find(tensor_name(graph, index).partition(";")[0]) for index in weights)
        for index in operator.outputs:
            found = root.find(tensor_name(graph, index).partition(";")[0])
            # What lies elsewhere and is multiplied into a convolution makes other weights of it.
            elsewhere = "CONV" in kind(model, operator) and parent_of(found) != parent_of(owner)
            path = ("" if elsewhere else owner) or found or layer
            graph.tensors[index].name = f"{signature}/{path}:{index}".encode()


def parent_of(path: str) -> str:
    """Return the dotted name of the module that a module is in."""
    return path.rpartition(".")[0]


def owners_of_weights(module: nn.Module) -> dict[bytes, str]:
    """Return the dotted name of each layer with weights of a `convertible` model, by their `signs`.

    Not of those whose signs are another's, too.
    """
    names: dict[bytes, list[str]] = {}
    for name, layer in module.named_modules():
        if isinstance(layer, (nn.Linear, nn.Embedding, nn.Conv2d)):
            names.setdefault(signs(laid_out(layer)), []).append(unlisted(name))
    return {key: found[0] for key, found in names.items() if len(found) == 1}


def laid_out(layer: nn.Linear | nn.Embedding | nn.Conv2d) -> Any:
    """Return a layer's weights in LiteRT's order: of a convolution (O, H, W, I), of one by channel (1, H, W, O)."""
    weights = layer.weight.detach()
    if isinstance(layer, nn.Conv2d):
        weights = weights.permute(1, 2, 3, 0) if layer.groups > 1 else weights.permute(0, 2, 3, 1)
    return weights.numpy()


def signs(weights: Any) -> bytes:
    """Return a digest of which weights are positive, which the converter leaves as it is.

    Numbers it changes: what a layer's result is multiplied with, as attention's queries are, goes into the weights.
    """
    return hashlib.sha256(np.packbits(weights.ravel() > 0).tobytes()).digest()


def unlisted(path: str) -> str:
    """Return a module's dotted name without the doubling of `Members`."""
    return re.sub(r"\b(\w+)\.\1_(\d+)\b", r"\1.\2", path)


class Scope:
    """Finds modules by the converter's names, package.Class_name/package.Class_name/...

    Args:
        path: Dotted name of a module.
        module: The module.
    """

    def __init__(self, path: str, module: nn.Module) -> None:
        self.path = unlisted(path)
        self._module = module
        self._within = cache(self._scope)

    def _scope(self, called: str) -> "Scope | None":
        found = [
            (name, child)
            for name, child in self._module.named_modules()
            if name and called == f"{type(child).__module__}.{type(child).__qualname__}_{name.rpartition('.')[2]}"
        ]
        if not found:
            return None
        name, child = min(found, key=lambda item: item[0].count("."))
        return Scope(f"{self.path}.{name}" if self.path else name, child)

    def find(self, calls: str) -> str:
        """Return the dotted name of the innermost module that is known."""
        scope = self
        for called in calls.split("/")[1:]:
            inner = scope._within(called)
            if inner is None:
                break
            scope = inner
        return scope.path
