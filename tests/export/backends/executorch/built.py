"""Files for ExecuTorch with what is known of them, and single numbers of theirs changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from executorch.exir._serialize._program import deserialize_pte_binary
from torch import Tensor, nn

from export.backends.executorch.arithmetic import Operator, integer_layers, operators_of
from export.backends.executorch.convert import export_program, lower
from export.backends.executorch.exporter import traced_decisions
from export.backends.executorch.names import Names
from export.backends.executorch.rules import RULES
from export.core.integers import IntegerLayer, Integers
from export.core.methods import Method
from export.core.precision import Rule
from export.core.recipe import Recipe
from export.verify.arithmetic import verify_arithmetic
from minivlm.quiet import quiet


class Parts(nn.Module):
    """One layer of each kind, named so that the rules of int8 and int4 decide about it as they do about a model's."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict({"words": nn.Embedding(50, 64), "types": nn.Embedding(2, 64)})
        self.encoder = nn.Linear(64, 32)
        self.box_head = nn.Linear(64, 16)
        self.conv_stem = nn.Conv2d(3, 3, 1)
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, stride=2),
            nn.SiLU(),
            nn.Conv2d(8, 8, 3, groups=8),
            nn.ReLU6(),
            nn.Conv2d(8, 4, 1),
        )

    def forward(self, ids: Tensor, types: Tensor, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows = self.embeddings["words"](ids) + self.embeddings["types"](types)
        return self.encoder(rows), self.box_head(rows), self.backbone(self.conv_stem(image))


def parts() -> Method:
    torch.manual_seed(0)
    inputs = {"ids": torch.randint(0, 50, (1, 7)), "types": torch.tensor([[0, 1, 0, 1, 1, 1, 0]])}
    inputs["image"] = torch.randn(1, 3, 16, 16)
    return Method("forward", Parts().eval(), inputs, ("texts", "boxes", "maps"))


@dataclass(frozen=True)
class BuiltFile:
    """A file in memory, as it is deserialized, and what it was made of."""

    content: bytes
    method: Method
    recipe: Recipe
    names: Names

    @property
    def file(self) -> Any:
        """Anew each time, to be changed."""
        return deserialize_pte_binary(self.content)

    def layers(self, file: Any) -> list[IntegerLayer]:
        return list(integer_layers(file, self.method, self.names))

    def failures(self, file: Any) -> list[str]:
        decided = traced_decisions(self.method, self.recipe, self.names)
        found = verify_arithmetic(self.method, Integers(decided, self.layers(file)))
        return [one.name for one in found if not one.passed]

    def operator(self, file: Any, layer: str) -> Operator:
        """The operator of a layer that has weights."""
        return next(one for one in operators_of(file, "forward", self.names) if one.module == layer and one.weighted)


def built(method: Method, precision: str, rules: Sequence[Rule] | None = None) -> BuiltFile:
    """Lower a method as an export does, by the precision's rules or by others."""
    recipe = Recipe(precision, RULES[precision] if rules is None else tuple(rules), delegate="xnnpack")
    with quiet():
        lowered = lower([method], {"forward": export_program(method, recipe)}, recipe)
    return BuiltFile(lowered.content, method, recipe, lowered.names["forward"])


def change(file: Any, operator: Operator, part: str, dtype: Any, edit: Callable[[Any], None]) -> None:
    """Change numbers of a layer in what the delegates of a file share, in place.

    Args:
        file: Of the layer.
        operator: The layer's.
        part: "filter_id", "bias_id" or "scales", which are the filter's.
        dtype: Of NumPy, as which the bytes are seen.
        edit: Changes an array of them in place.
    """
    filter_id = operator.held["filter_id"]
    if part == "scales":
        place = operator.graph.scales(filter_id)["scale_buffer_idx"]
    else:
        place = operator.graph.tensor(operator.held[part])["constant_buffer_idx"]
    entry = file.named_data.pte_data[operator.graph.held["constant_data"][place]["named_key"]]
    array = np.frombuffer(file.named_data.buffers[entry.buffer_index], dtype).copy()
    edit(array)
    file.named_data.buffers[entry.buffer_index] = array.tobytes()


def change_graph(file: Any, operator: Operator, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change the graph of a layer's delegate in a file, in place."""
    (plan,) = file.program.execution_plan
    index = plan.delegates[operator.delegate].processed.index
    edit(operator.graph.held)
    data = file.program.backend_delegate_data
    data[index] = replace(data[index], data=operator.graph.payload)
