"""Running a .tflite file with LiteRT's interpreter, or with its predecessor tflite-runtime where only that is there."""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.program import Accepted, prepared, require_method
from minivlm.console import quiet
from minivlm.errors import UserError

INTERPRETERS = ("ai_edge_litert", "tflite_runtime")
"""Packages with an `interpreter` module, the better one first."""
WIDE = {torch.int32: torch.int64}
"""The converter stores 64-bit integers as 32-bit ones; callers see PyTorch's."""

DTYPES: Mapping[type, torch.dtype] = MappingProxyType({np.float32: torch.float32, np.int32: torch.int32})
"""By NumPy's types, of all inputs that there are."""


class LiteRTProgram:
    """A .tflite file, loaded and ready to run; implements `export.program.Program`.

    Signature inputs are named args_0, args_1, ... and outputs output_0, output_1, ..., in the order of the method.

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
            with quiet():  # it announces its delegate on every load
                self._interpreter: Any = import_module(f"{package}.interpreter").Interpreter(
                    model_path=str(path), num_threads=self.threads
                )
                self._signatures: dict[str, Any] = self._interpreter.get_signature_list()
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"{path} is not a model this runtime can load ({reason}): export it again") from None
        self._runners: dict[str, Any] = {}

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
        require_method(method, self.methods)
        with quiet():
            self._runners[method] = self._interpreter.get_signature_runner(method)

    def run(self, method: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run a method and return its outputs; integers go in and come out as int64."""
        if method not in self._runners:
            self.load(method)
        runner = self._runners[method]
        details = runner.get_input_details()
        names = [f"args_{index}" for index in range(len(details))]
        accepted = [
            Accepted(name, tuple(details[name]["shape"].tolist()), DTYPES[details[name]["dtype"]]) for name in names
        ]
        ready = prepared(method, inputs, accepted)
        given = runner(**{item.name: tensor.numpy() for item, tensor in zip(accepted, ready, strict=True)})
        outputs = [torch.as_tensor(given[f"output_{index}"]) for index in range(len(given))]
        return tuple(output.to(WIDE.get(output.dtype, output.dtype)) for output in outputs)
