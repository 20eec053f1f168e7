"""What is sent for one method of an artifact, and what the service's names for its tensors mean."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.devices.hub_service import RefusedError
from export.backends.litert.program import INTERPRETERS
from export.core.interface import Interface, prepared, widened
from export.core.methods import Method
from export.runtime.program import Program
from minivlm.quiet import without_announcements
from minivlm.storage.files import sha256


@dataclass(frozen=True)
class Wire:
    """The names that a file gives to a method's tensors, which LiteRT's signatures rename, and the file's order.

    Attributes:
        inputs: Names in the method's order,
        outputs: and likewise.
        input_order: The same names in the file's order,
        output_order: and likewise.
    """

    inputs: list[str]
    outputs: list[str]
    input_order: list[str]
    output_order: list[str]


@dataclass(frozen=True)
class Parcel:
    """One method, ready to be sent.

    Attributes:
        method: With its example inputs.
        path: Of the file that holds it and nothing else.
        sha256: Of this file.
        interface: As the artifact declares it.
        wire: Names in the file.
        inputs: By these names, in the file's order.
    """

    method: Method
    path: Path
    sha256: str
    interface: Interface
    wire: Wire
    inputs: Mapping[str, np.ndarray]

    @property
    def inputs_hash(self) -> str:
        """Of names, types, shapes and bytes."""
        found = hashlib.sha256()
        for name, array in self.inputs.items():
            found.update(f"{name} {array.dtype} {array.shape}\n".encode())
            found.update(array.tobytes())
        return found.hexdigest()

    def outputs(self, given: Mapping[str, Sequence[np.ndarray]]) -> list[Tensor]:
        """Return a job's outputs in the method's order; whole numbers in int64, as PyTorch has them.

        The service may give them names of its own ("output_0"): then they are taken in the file's order.

        Raises:
            RefusedError: They are others than the file has.
        """
        names = self.wire.outputs
        if set(given) != set(names):
            if len(given) != len(names):
                raise RefusedError(f"it gave the outputs {', '.join(given) or 'none'} instead of {', '.join(names)}")
            given = dict(zip(self.wire.output_order, given.values(), strict=True))
        tensors = []
        for name, spec in zip(names, self.interface.outputs, strict=True):
            if len(given[name]) != 1 or list(given[name][0].shape) != spec.shape:
                shapes = ", ".join(str(array.shape) for array in given[name]) or "nothing"
                raise RefusedError(f"it gave {shapes} for the output {spec.name} instead of {tuple(spec.shape)}")
            tensors.append(torch.from_numpy(np.ascontiguousarray(given[name][0])))
        return list(widened(tensors))


def pack(artifact: Path, program: Program, method: Method, folder: Path) -> Parcel:
    """Make one method ready.

    A file with one method goes as it is. Of an ONNX folder the method's graph is written with its own weights inside,
    as the service takes one graph at a time.

    Args:
        artifact: On this machine.
        program: The same, loaded.
        method: That it has.
        folder: For what has to be written.
    """
    path = artifact
    if artifact.is_dir():
        path = folder / f"{artifact.stem}-{method.name}.onnx"
        _write_alone(artifact / f"{method.name}.onnx", path)
    interface = program.interface(method.name)
    wire = _litert_wire(artifact) if artifact.suffix == ".tflite" else _same_names(interface)
    tensors = prepared(method.name, method.example, interface.inputs)
    given = {name: tensor.numpy(force=True) for name, tensor in zip(wire.inputs, tensors, strict=True)}
    return Parcel(method, path, sha256(path), interface, wire, {name: given[name] for name in wire.input_order})


def _write_alone(graph: Path, path: Path) -> None:
    import onnx

    from export.backends.onnx.program import write_graph

    write_graph(onnx.load(graph), path)  # takes in the weights beside it


def _same_names(interface: Interface) -> Wire:
    inputs, outputs = ([spec.name for spec in side] for side in (interface.inputs, interface.outputs))
    return Wire(inputs, outputs, inputs, outputs)


def _litert_wire(artifact: Path) -> Wire:
    """Read the names of a file with one signature; the converter numbers its tensors in the method's order."""
    package = next(name for name in INTERPRETERS if find_spec(name) is not None)
    with without_announcements():
        interpreter: Any = import_module(f"{package}.interpreter").Interpreter(model_path=str(artifact), num_threads=1)
    sides = interpreter.get_input_details(), interpreter.get_output_details()
    inputs, outputs = ([told["name"] for told in sorted(side, key=lambda told: told["index"])] for side in sides)
    return Wire(inputs, outputs, *([told["name"] for told in side] for side in sides))
