"""What XNNPACK's delegate reads: a graph of its operators, as a .pte file has it, taken apart and put together again.

The graph comes as XNNPACK's schema in the installed ExecuTorch lays it out, in plain dictionaries. ExecuTorch's
compiler of schemas writes floats as text with six digits behind the point, and a scale may be less than that: read as
whole numbers, the bits of a float come through as they are.
"""

import json
import re
import struct
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

NOWHERE = 2**32 - 1
"""Number of a value that there is not."""
EXTERNAL_OUTPUT = 2
"""Flag of a value that the delegate gives."""
ALIGNMENT = 16
"""Of what follows in a payload."""
FLOAT = "xnn_datatype_fp32"
WHOLE = ("xnn_datatype_qint8", "xnn_datatype_qdint8")
"""Activations in int8: with a scale in the file, and with one as they come."""
ROUNDED = WHOLE[1]
WEIGHT_BITS = {"xnn_datatype_qint8": 8, "xnn_datatype_qcint8": 8, "xnn_datatype_qcint4": 4, "xnn_datatype_qbint4": 4}
"""Of a weight, by its type; any other is a float."""
GROUPED = "xnn_datatype_qbint4"
"""Has a scale for each group of a row, in bfloat16."""
HALF_ZERO = 8
"""Stands for 0 in four bits."""


@dataclass(frozen=True)
class XnnGraph:
    """A delegate's graph and its constants.

    Attributes:
        held: By the schema's names; floats as their bits.
        constants: What follows the graph in the payload.
        shared: What the delegates of a file share, by name.
    """

    held: dict[str, Any]
    constants: bytes
    shared: Mapping[str, bytes]

    @classmethod
    def of(cls, payload: bytes, shared: Mapping[str, bytes]) -> "XnnGraph":
        """Take a payload apart."""
        from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader
        from executorch.exir._serialize._flatbuffer import _flatc_decompile

        header = XNNHeader.from_bytes(payload[: XNNHeader.EXPECTED_LENGTH])
        with TemporaryDirectory() as name:
            folder, schema = Path(name), _schema(Path(name))
            (folder / "graph.bin").write_bytes(payload[header.flatbuffer_offset :][: header.flatbuffer_size])
            _flatc_decompile(name, str(schema), str(folder / "graph.bin"), ["--raw-binary"])
            held = json.loads((folder / "graph.json").read_text())
        return cls(held, payload[header.constant_data_offset :], shared)

    @property
    def payload(self) -> bytes:
        """The graph as the runtime reads it."""
        from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader
        from executorch.exir._serialize._flatbuffer import _flatc_compile

        with TemporaryDirectory() as name:
            folder, schema = Path(name), _schema(Path(name))
            (folder / "graph.json").write_text(json.dumps(self.held))
            _flatc_compile(name, str(schema), str(folder / "graph.json"))
            graph = (folder / "graph.bin").read_bytes()
        start = XNNHeader.EXPECTED_LENGTH + -XNNHeader.EXPECTED_LENGTH % ALIGNMENT
        behind = start + len(graph) + -len(graph) % ALIGNMENT
        header = XNNHeader(start, len(graph), behind, len(self.constants)).to_bytes()
        return (header.ljust(start, b"\0") + graph).ljust(behind, b"\0") + self.constants

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """Operators in the order of execution."""
        return list(self.held["xnodes"])

    def tensor(self, number: int) -> dict[str, Any]:
        """Return a value's type, shape and places."""
        held = self.held["xvalues"][number]["xvalue_union"]
        return dict(held.get("tensor_value", held))

    def scales(self, number: int) -> dict[str, Any]:
        """Return how whole numbers of a value are read; empty of floats."""
        return dict(self.held["xvalues"][number]["xvalue_union"].get("quant_params", {}))

    def is_constant(self, number: int) -> bool:
        """Tell whether the file holds a value."""
        return bool(self.tensor(number)["constant_buffer_idx"])

    def is_given(self, number: int) -> bool:
        """Tell whether the delegate gives a value."""
        return bool(self.tensor(number)["flags"] & EXTERNAL_OUTPUT)

    def is_whole(self, number: int) -> bool:
        """Tell whether a value is of whole numbers that stand for real ones."""
        return self.tensor(number)["datatype"] in WHOLE

    def scale(self, number: int) -> tuple[float, int]:
        """Return the scale and the zero of an activation."""
        held = self.scales(number)
        return float_of(held["scale"]), int(held["zero_point"])

    def numbers(self, number: int) -> Tensor:
        """Return the numbers of a constant in its own shape, those of four bits one by one."""
        tensor = self.tensor(number)
        dtype = {FLOAT: torch.float32, "xnn_datatype_qint32": torch.int32, "xnn_datatype_qcint32": torch.int32}
        data = self._constant(tensor["constant_buffer_idx"])
        if WEIGHT_BITS.get(tensor["datatype"]) == 4:
            return halves(torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(tensor["dims"][0], -1))
        found = torch.frombuffer(bytearray(data), dtype=dtype.get(tensor["datatype"], torch.int8))
        return found.reshape(tensor["dims"])

    def weight_scales(self, number: int) -> tuple[Tensor, Tensor]:
        """Return a weight's scales, (1, 1), (O, 1) or (O, G) float32, and the zeros that go with them."""
        tensor, held = self.tensor(number), self.scales(number)
        if not held:
            return torch.ones(1, 1), torch.zeros(1, 1)
        if "num_scales" not in held:
            of_all, zero_of_all = self.scale(number)
            return torch.tensor([[of_all]]), torch.tensor([[float(zero_of_all)]])
        grouped = tensor["datatype"] == GROUPED
        data = bytearray(self._constant(held["scale_buffer_idx"]))
        found = torch.frombuffer(data, dtype=torch.bfloat16 if grouped else torch.float32).float()
        scale = found.reshape(tensor["dims"][0] if grouped else held["num_scales"], -1)
        zero = HALF_ZERO if WEIGHT_BITS.get(tensor["datatype"]) == 4 else 0
        return scale, torch.full_like(scale, float(zero))

    def _constant(self, index: int) -> bytes:
        held = self.held["constant_data"][index]
        if held["named_key"]:
            return self.shared[held["named_key"]][: held["size"]]
        return self.constants[held["offset"] :][: held["size"]]

    def ends(self, node: Mapping[str, Any]) -> Iterator[int]:
        """Yield the numbers of the values that an operator reads, then of the one that it writes."""
        held = node["xnode_union"]
        for name in (*READ, "output_id"):
            if name in held and held[name] < len(self.held["xvalues"]):
                yield held[name]

    def reconnect(self, node: Mapping[str, Any], others: Mapping[int, int]) -> None:
        """Let an operator read, instead of some values, others, in place."""
        held = node["xnode_union"]
        held.update({name: others[held[name]] for name in READ if held.get(name) in others})

    def readers(self, number: int) -> list[dict[str, Any]]:
        """Return the operators that read a value; whoever calls the delegate may read it as well, see `is_given`."""
        return [node for node in self.nodes if number in list(self.ends(node))[:-1]]

    def move(self, node: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        """Let an operator run right before another one, in place."""
        rest = [one for one in self.nodes if one is not node]
        place = next(index for index, one in enumerate(rest) if one is before)
        self.held["xnodes"] = [*rest[:place], node, *rest[place:]]

    def drop_unread(self, kind: str) -> None:
        """Take out, in place, operators of a type whose results nothing reads; the last first."""
        kept: list[dict[str, Any]] = []
        read = set(self.held["output_ids"])
        for node in reversed(self.nodes):
            *given, made = self.ends(node)
            if node["xnode_union_type"] != kind or made in read:
                kept.append(node)
                read.update(given)
        self.held["xnodes"] = kept[::-1]

    def shaped(self, number: int, shape: list[int]) -> int:
        """Add a value to the graph, in place, that is as another one but for its shape; returns its number."""
        made = deepcopy(self.held["xvalues"][number])
        place = len(self.held["xvalues"])
        held = made["xvalue_union"]
        held.get("tensor_value", held).update(
            id_out=place, flags=0, external_id=NOWHERE, num_dims=len(shape), dims=shape
        )
        self.held["xvalues"].append(made)
        return place

    def copied(self, number: int) -> int:
        """Add a copy of a value to the graph, in place; returns its number."""
        place = self.shaped(number, self.tensor(number)["dims"])
        copy = {"input_id": number, "output_id": place, "flags": 0}
        self.held["xnodes"].append({"xnode_union_type": "XNNCopy", "xnode_union": copy, "debug_handle": 0})
        return place

    def give(self, number: int) -> None:
        """Make a value one that the delegate gives, in place."""
        held = self.held["xvalues"][number]["xvalue_union"]
        held.get("tensor_value", held).update(flags=EXTERNAL_OUTPUT, external_id=self.held["num_externs"])
        self.held["num_externs"] += 1
        self.held["output_ids"].append(number)


READ = ("input_id", *(f"input{place}_id" for place in range(1, 6)), "filter_id", "bias_id")


def float_of(bits: int) -> float:
    """Return the float32 of some bits."""
    return float(struct.unpack("<f", struct.pack("<I", bits))[0])


def halves(pairs: Tensor) -> Tensor:
    """Return the (O, 2 n) numbers of 0 to 15 of (O, n) bytes, the low half of each first."""
    return torch.stack([pairs & 15, pairs >> 4], dim=-1).flatten(1).to(torch.int32)


def _schema(folder: Path) -> Path:
    from executorch.backends.xnnpack import serialization

    path = folder / "schema.fbs"
    path.write_text(re.sub(r"\bfloat\b", "uint", files(serialization).joinpath("schema.fbs").read_text()))
    return path
