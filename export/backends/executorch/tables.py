"""Embeddings of a .pte file: tables whose rows kernels of the runtime read, and a delegate multiplies with scales."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from export.backends.executorch.names import Names
from export.backends.executorch.splitting import SCALAR_TYPES, constant
from export.backends.executorch.watching import Between, Inner, Place, plan_of
from export.backends.executorch.xnnpack_graph import HALF_ZERO, halves
from export.core.integers import IntegerLayer, LayerRun, StoredWeight
from export.core.precision import Kind

LOOKUPS = {"aten::embedding": (0, 1), "aten::index_select": (0, 2)}
"""By kernel, which of its arguments are a table and row numbers."""


@dataclass(frozen=True)
class Table:
    """One use of an embedding.

    Attributes:
        module: Dotted name.
        weight: As stored.
        rows: Where the numbers of the rows are seen that are looked up.
        result: Where the rows themselves are seen; None of a table in float, which are copied.
    """

    module: str
    weight: StoredWeight
    rows: Between
    result: Inner | None

    @property
    def places(self) -> list[Place]:
        """What has to be seen of a run."""
        return [] if self.result is None else [self.rows, self.result]

    def layer(self, seen: Mapping[Place, Tensor]) -> IntegerLayer:
        """Return its weights and, of a rounded one, the rows in a run beside those that its numbers stand for."""
        run = None
        if self.result is not None:
            rows = seen[self.rows].flatten()
            expected = self.weight.floats_exactly[rows]
            step = self.weight.scale[rows].amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
            run = LayerRun(given=seen[self.result].reshape(expected.shape).double(), expected=expected, step=step)
        return IntegerLayer(layer=self.module, kind=Kind.EMBEDDING, weight=self.weight, run=run)


def tables_of(file: Any, method: str, names: Names, products: Sequence[tuple[str, Inner]]) -> list[Table]:
    """Return the embeddings that a method looks something up in, one for each time.

    Args:
        file: `PTEFile` as `deserialize_pte_binary` gives it.
        method: Of the file.
        names: Of its modules.
        products: Module and result of each product in delegates, in the order of execution.
    """
    found, wide = [], list(_lookups(file, method, names))
    left = list(products)
    while wide:
        module, rows, numbers = wide.pop(0)
        if numbers.is_floating_point():
            ones = torch.ones(1, 1)
            found.append(Table(module, StoredWeight(values=numbers, scale=ones, zero=0 * ones, bits=32), rows, None))
            continue
        scales = next(place for place, one in enumerate(wide) if one[0] == module)
        _, _, scale = wide.pop(scales)
        product = next((one for one in left if one[0] == module), None)
        if product is not None:
            left.remove(product)
        found.append(Table(module, _rounded(numbers, scale), rows, product[1] if product else None))
    return found


def _lookups(file: Any, method: str, names: Names) -> Iterator[tuple[str, Between, Tensor]]:
    """Yield module, row numbers and table of every kernel that looks something up in what the file holds."""
    plan = plan_of(file, method)
    for place, instruction in enumerate(plan.chains[0].instructions):
        call = instruction.instr_args
        kernel = plan.operators[call.op_index].name if hasattr(call, "op_index") else ""
        if kernel not in LOOKUPS:
            continue
        table, rows = (call.args[argument] for argument in LOOKUPS[kernel])
        held = plan.values[table].val
        if held.data_buffer_idx and int(held.scalar_type) in SCALAR_TYPES:
            yield names.of_instruction(place), Between(place, rows), constant(held, file.program)


def _rounded(numbers: Tensor, scale: Tensor) -> StoredWeight:
    """Return a table of whole numbers; in four bits two are in a byte."""
    if numbers.dtype is torch.int8:
        return StoredWeight(values=numbers, scale=scale, zero=torch.zeros_like(scale), bits=8)
    return StoredWeight(values=halves(numbers), scale=scale, zero=torch.full_like(scale, float(HALF_ZERO)), bits=4)
