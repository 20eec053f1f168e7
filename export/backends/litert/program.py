"""Running a .tflite file with LiteRT's interpreter, or with its predecessor tflite-runtime where only that is there."""

import os
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from export.core.interface import Interface, TensorSpec, prepared, widened
from export.runtime.program import require_method
from minivlm.errors import UserError
from minivlm.quiet import without_announcements

INTERPRETERS = ("ai_edge_litert", "tflite_runtime")
"""Packages with an `interpreter` module, the better one first."""


class LiteRTProgram:
    """A .tflite file, loaded and ready to run; implements `export.runtime.program.Program`.

    The runtime tells signatures by name only; the converter numbers their tensors in the order of the method.

    Args:
        path: The file.
        threads: Of the interpreter; None takes all processors.

    Raises:
        UserError: The file is no model that this runtime can load.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self.threads: int = threads or os.cpu_count() or 1
        package = next(name for name in INTERPRETERS if find_spec(name) is not None)
        try:
            with without_announcements():  # it announces its delegate on every load
                self._interpreter: Any = import_module(f"{package}.interpreter").Interpreter(
                    model_path=str(path), num_threads=self.threads
                )
                self._signatures: dict[str, Any] = self._interpreter.get_signature_list()
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"{path} is not a model this runtime can load ({reason}): export it again") from None
        self._runners: dict[str, tuple[Any, Interface]] = {}
        self._busy = threading.RLock()  # an interpreter does one thing at a time

    @property
    def planned_bytes(self) -> int | None:
        """See `Program`."""
        return None

    @property
    def methods(self) -> list[str]:
        """Names of the methods."""
        return sorted(self._signatures)

    def load(self, method: str) -> None:
        """Load a method now, rather than at its first call.

        Raises:
            UserError: The model has no such method.
        """
        self._runner(method)

    def interface(self, method: str) -> Interface:
        """See `Program`."""
        return self._runner(method)[1]

    def run(self, method: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run a method and return its outputs; integers go in and come out as int64."""
        with self._busy:
            runner, interface = self._runner(method)
            given = prepared(method, inputs, interface.inputs)
            named = {spec.name: tensor.detach().numpy() for spec, tensor in zip(interface.inputs, given, strict=True)}
            found = runner(**named)
        return widened([torch.as_tensor(found[spec.name]) for spec in interface.outputs])

    def _runner(self, method: str) -> tuple[Any, Interface]:
        require_method(method, self.methods)
        with self._busy:
            if method not in self._runners:
                with without_announcements():
                    runner = self._interpreter.get_signature_runner(method)
                told = Interface(_specs(runner.get_input_details()), _specs(runner.get_output_details()))
                self._runners[method] = runner, told
            return self._runners[method]


def _specs(details: Mapping[str, Any]) -> list[TensorSpec]:
    ordered = sorted(details.items(), key=lambda item: item[1]["index"])
    return [TensorSpec(name, [int(size) for size in told["shape"]], told["dtype"].__name__) for name, told in ordered]
