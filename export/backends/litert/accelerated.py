"""Running a .tflite file on LiteRT's GPU accelerator, piece by piece; what is between the pieces runs on the CPU."""

import atexit
import os
import re
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.backends.litert.graph import parsed, signature_graph
from export.backends.litert.pieces import NAME, Cut, Piece, cut
from export.core.acceleration import Adapter, DriverFacts, Placement
from export.core.interface import Interface, TensorSpec, prepared, widened
from export.drivers.vulkan import SETUP, find_driver
from export.drivers.vulkan_facts import driver_facts
from export.runtime.program import require_method
from minivlm.errors import UserError
from minivlm.quiet import overheard, without_announcements

TRIES = 10
"""LiteRT waits two minutes for a result. A software driver that compiles kernels meanwhile may need longer; it keeps
those it has, so that the next try goes on where the last one ended."""
TYPES = {0: "float32", 2: "int32", 4: "int64", 6: "bool"}
"""Element types by their numbers in the schema."""

Arrays = dict[int, np.ndarray[Any, Any]]
"""By number of the tensor in its method."""


class GPUProgram:
    """A .tflite file on a GPU; implements `export.runtime.program.AcceleratedProgram`.

    Args:
        path: The file.
        threads: Of what runs on the CPU; None takes all processors.
        computed: "fp16", as phones do where nothing else is said, or "fp32".

    Raises:
        UserError: There is no driver, or the file is no model that this runtime can load.
    """

    def __init__(self, path: Path, threads: int | None = None, computed: str = "fp16") -> None:
        self.threads: int = threads or os.cpu_count() or 1
        self.require()
        try:
            self._model: Any = parsed(path.read_bytes())
        except Exception as error:  # whatever reading strange bytes as tables comes to
            raise UserError(
                f"{path} is not a model this runtime can load ({type(error).__name__}): export it again"
            ) from None
        self.computed = computed
        self._loaded: dict[str, LoadedMethod] = {}
        self._busy = threading.RLock()

    @staticmethod
    def require() -> None:
        """Make this process use the driver that is there.

        Raises:
            UserError: There is none.
        """
        find_driver().use()

    @staticmethod
    def driver() -> DriverFacts:
        """See `AcceleratedProgram`."""
        return driver_facts()

    @property
    def adapter(self) -> Adapter:
        """See `AcceleratedProgram`."""
        for method in (*self._loaded, *self.methods):
            found = self._method(method).adapter
            if found is not None:
                return found
        return Adapter("none", software=True)

    @property
    def planned_bytes(self) -> int | None:
        """See `Program`."""
        return None

    @property
    def methods(self) -> list[str]:
        """Names of the methods."""
        return sorted(signature.signatureKey.decode() for signature in self._model.signatureDefs)

    def load(self, method: str) -> None:
        """Load a method now, rather than at its first call.

        Raises:
            UserError: The model has no such method, or the GPU does not take what is its own.
        """
        self._method(method)

    def interface(self, method: str) -> Interface:
        """See `Program`."""
        require_method(method, self.methods)
        signature, graph = signature_graph(self._model, method)
        return Interface(_specs(graph, signature.inputs), _specs(graph, signature.outputs))

    def placement(self, method: str) -> Placement:
        """See `AcceleratedProgram`."""
        made = self._method(method).cut
        return Placement(len(made.accelerated), made.accelerated_macs, made.refused)

    def run(self, method: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run a method and return its outputs; integers go in and come out as int64."""
        with self._busy:
            loaded, interface = self._method(method), self.interface(method)
            given = prepared(method, inputs, interface.inputs)
            return widened(loaded.run([tensor.detach().numpy() for tensor in given]))

    def _method(self, method: str) -> "LoadedMethod":
        require_method(method, self.methods)
        with self._busy:
            if method not in self._loaded:
                self._loaded[method] = LoadedMethod(
                    cut(self._model, method), self.threads, exact=self.computed == "fp32"
                )
            return self._loaded[method]


class LoadedMethod:
    """A method whose pieces are loaded.

    Args:
        made: The method in pieces.
        threads: Of pieces on the CPU.
        exact: Whether the GPU computes in fp32.

    Attributes:
        cut: As given.
        adapter: What the GPU is; None where the method has nothing for it.
    """

    def __init__(self, made: Cut, threads: int, *, exact: bool) -> None:
        self.cut = made
        self.adapter: Adapter | None = None
        self._runners: list[Callable[[Arrays], Arrays]] = []
        for piece in made.pieces:
            runner = OnGPU(piece, exact=exact) if piece.accelerated else OnCPU(piece, threads)
            if isinstance(runner, OnGPU):
                self.adapter = runner.adapter
            self._runners.append(runner)

    def run(self, inputs: Sequence[np.ndarray[Any, Any]]) -> list[Tensor]:
        """Run one piece after another."""
        known: Arrays = dict(zip(self.cut.inputs.values(), inputs, strict=True))
        for runner in self._runners:
            known |= runner(known)
        return [torch.from_numpy(known[index]) for index in self.cut.outputs.values()]


class OnCPU:
    """A piece in LiteRT's interpreter, as the whole would run there."""

    def __init__(self, piece: Piece, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._inputs = piece.inputs
        with without_announcements():
            self._interpreter = Interpreter(model_content=piece.content, num_threads=threads)
            self._runner = self._interpreter.get_signature_runner(NAME)

    def __call__(self, known: Mapping[int, np.ndarray[Any, Any]]) -> Arrays:
        """Compute the piece's outputs from what is known."""
        found = self._runner(**{str(index): known[index] for index in self._inputs})
        return {int(name): np.array(value) for name, value in found.items()}


class OnGPU:
    """A piece on the GPU, all of it.

    Args:
        piece: To load.
        exact: Whether to compute in fp32.

    Attributes:
        adapter: What the GPU is.

    Raises:
        UserError: The driver lacks something, or the GPU does not take one of the operators.
    """

    def __init__(self, piece: Piece, *, exact: bool) -> None:
        self._piece = piece
        self._exact = exact
        self._native: dict[str, Any] = {}
        self._compile()
        weakref.finalize(self, _release, self._native)
        _end_in_silence()

    def _compile(self) -> None:
        from ai_edge_litert.compiled_model import CompiledModel, GpuOptions, HardwareAccelerator, Options

        options = Options(HardwareAccelerator.GPU, gpu_options=GpuOptions(enforce_f32=self._exact))
        with overheard() as said:
            try:
                self._native.clear()
                model: Any = CompiledModel.from_buffer(self._piece.content, options=options)
            except RuntimeError as error:
                raise UserError(_reason(said(), str(error))) from None
            self.adapter = _adapter(said())
            self._shapes = {
                name: tuple(int(size) for size in told["shape"])
                for name, told in model.get_output_tensor_details(NAME).items()
            }
            self._native["given"] = {
                str(index): model.create_input_buffer_by_name(NAME, str(index)) for index in self._piece.inputs
            }
            self._native["found"] = {name: model.create_output_buffer_by_name(NAME, name) for name in self._shapes}
            self._native["model"] = model

    def __call__(self, known: Mapping[int, np.ndarray[Any, Any]]) -> Arrays:
        """Compute the piece's outputs from what is known.

        Raises:
            UserError: The driver gives no result.
        """
        for _ in range(TRIES - 1 if self.adapter.software else 0):
            with suppress(RuntimeError), without_announcements():
                return self._run(known)
            self._compile()
        try:
            with without_announcements():
                return self._run(known)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise UserError(f"{self.adapter} gives no result ({reason}): run the artifact on the CPU") from None

    def _run(self, known: Mapping[int, np.ndarray[Any, Any]]) -> Arrays:
        given, found = self._native["given"], self._native["found"]
        for name, buffer in given.items():
            buffer.write(np.ascontiguousarray(known[int(name)]))
        self._native["model"].run_by_name(NAME, given, found)
        return {
            int(name): found[name].read(int(np.prod(shape)), np.float32).reshape(shape)
            for name, shape in self._shapes.items()
        }


@cache
def _end_in_silence() -> None:
    """Keep off the terminal what LiteRT announces after Python's end, when all else was said."""
    atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))


def _release(native: dict[str, Any]) -> None:
    """Let go of what LiteRT holds, which it announces."""
    with without_announcements():
        native.clear()


def _specs(graph: Any, ends: Sequence[Any]) -> list[TensorSpec]:
    ordered = sorted(ends, key=lambda end: int(end.tensorIndex))
    tensors = [(end.name.decode(), graph.tensors[end.tensorIndex]) for end in ordered]
    return [TensorSpec(name, [int(size) for size in told.shape], TYPES[int(told.type)]) for name, told in tensors]


def _adapter(said: str) -> Adapter:
    """Read what LiteRT says of the adapter that it selected."""
    found = re.search(r"Selected adapter: (.*?), arch=.*?adapterType=(.*)", said)
    return Adapter(found[1], "CPU" in found[2]) if found else Adapter("unknown", software=True)


def _reason(said: str, error: str) -> str:
    """Return why a piece was not loaded."""
    if "No adapters found" in said:
        return f"the Vulkan driver here lacks what LiteRT's GPU accelerator needs: {SETUP} sets up one that has it"
    refused = re.findall(r"^([A-Z0-9_]+: .*)$", said.partition("not supported by GPU delegate:")[2], re.MULTILINE)
    reason = "; ".join(refused) or error.strip().splitlines()[-1]
    return f"LiteRT's GPU accelerator does not take the artifact ({reason:.200}): run it on the CPU"
