"""An ExecuTorch program, ready to run."""

import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from export.backends.executorch.format import COREML, DELEGATES
from export.backends.executorch.pieced import PiecedMethod, PiecedProgram, Watch
from export.backends.executorch.splitting import SCALAR_TYPES
from export.core.interface import Interface, TensorSpec, prepared
from export.runtime.program import require_method
from minivlm.errors import UserError
from minivlm.quiet import without_announcements

HEADER = struct.Struct("<I4s4sIQQQ")
"""A file's first bytes: place of the root table, magic, magic of the extension, its length, bytes of the program, where
segments begin, bytes of the segments."""

_RUNTIME = threading.RLock()
"""Imports, the pool of threads and the delegates' workspace belong to the process: one thread at a time is in there."""


def has_backend(backend: str) -> bool:
    """Tell whether the runtime here has a backend."""
    with _RUNTIME, without_announcements():
        from executorch.runtime import Runtime

        return bool(Runtime.get().backend_registry.is_available(backend))


def runs_here(backend: str) -> bool:
    """Tell whether the runtime or the reference executor runs what was lowered to a backend."""
    return backend == COREML.backend or has_backend(backend)


def run_once(content: bytes, method: str, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Load a program that is in memory, and run one of its methods."""
    with _RUNTIME, without_announcements():
        from executorch.runtime import Runtime

        program = Runtime.get().load_program(content)
        return [tensor.clone() for tensor in program.load_method(method).execute([one.contiguous() for one in inputs])]


class CopyingMethod:
    """A loaded method whose outputs are copied out of the runtime's memory by NumPy.

    PyTorch shares larger copies among its threads, which then spin for some milliseconds beside those of the runtime's
    next run: on two cores 47 ms for a `tee-0` that takes 42.

    Args:
        method: Of the runtime.
    """

    def __init__(self, method: Any) -> None:
        self._run = method._method

    def execute(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Run the method and return its outputs in order."""
        return [torch.from_numpy(given.numpy().copy()) for given in self._run(inputs, clone_outputs=False)]


class ExecuTorchProgram:
    """A .pte file, loaded and ready to run; implements `export.runtime.program.Program`.

    Where the runtime lacks Core ML, the reference executor runs its pieces.

    Args:
        path: The file.
        threads: Threads of the runtime's pool; None leaves the default. The pool belongs to the process.

    Raises:
        UserError: The file is no program that this runtime can load.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        check_header(path)
        self._path = path
        try:
            with _RUNTIME, without_announcements():  # it announces what it finds out about the processor
                from executorch.extension.pybindings import _portable_lib
                from executorch.runtime import Runtime, Verification

                if threads not in (None, _portable_lib._threadpool_get_thread_count()):
                    _portable_lib._unsafe_reset_threadpool(threads)
                self.threads: int = _portable_lib._threadpool_get_thread_count()
                self._program = Runtime.get().load_program(path, verification=Verification.InternalConsistency)
        except RuntimeError as error:
            raise UserError(f"{path} is not a program this runtime can load ({error}): export it again") from None
        self._lacking = [name for name in _backends(path) if not has_backend(name)]
        self._pieced: PiecedProgram | None = None
        self._methods: dict[str, CopyingMethod | PiecedMethod] = {}

    @property
    def planned_bytes(self) -> int | None:
        """See `Program`: the memory plan in the file, for activations outside of delegates, which plan their own."""
        from executorch.exir._serialize._program import deserialize_pte_binary

        plans = deserialize_pte_binary(self._path.read_bytes()).program.execution_plan
        return sum(sum(plan.non_const_buffer_sizes) for plan in plans if plan.name in self._methods)

    @property
    def methods(self) -> list[str]:
        """Names of the methods."""
        return sorted(self._program.method_names)

    def interface(self, method: str) -> Interface:
        """See `Program`; the format has an order and no names."""
        require_method(method, self.methods)
        told = self._program.metadata(method)
        return Interface(
            [_spec(told.input_tensor_meta(index)) for index in range(told.num_inputs())],
            [_spec(told.output_tensor_meta(index)) for index in range(told.num_outputs())],
        )

    def load(self, method: str) -> None:
        """Load a method now, rather than at its first call.

        Raises:
            UserError: The program has no such method, or calls a delegate that nothing here runs.
        """
        require_method(method, self.methods)
        with _RUNTIME:
            self._load(method)

    def run(self, method: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run a method and return its outputs."""
        require_method(method, self.methods)
        with _RUNTIME:
            return tuple(self._load(method).execute(prepared(method, inputs, self.interface(method).inputs)))

    def watch(self, method: str, inputs: Sequence[Tensor], seen: Watch) -> None:
        """Run a method and show each piece that the reference executor runs, which may be none."""
        require_method(method, self.methods)
        with _RUNTIME:
            loaded = self._load(method)
            if isinstance(loaded, PiecedMethod):
                loaded.execute(prepared(method, inputs, self.interface(method).inputs), seen)

    def _load(self, method: str) -> CopyingMethod | PiecedMethod:
        for name in self._lacking:
            if not runs_here(name):
                raise UserError(f"{self._path} is lowered to {name}, which the runtime here lacks: run it on a device")
        if method not in self._methods:
            self._methods[method] = self._loaded(method)
        return self._methods[method]

    def _loaded(self, method: str) -> CopyingMethod | PiecedMethod:
        """Load a method of the program itself, or the same in pieces."""
        if not self._lacking:
            return CopyingMethod(self._program.load_method(method))
        if self._pieced is None:
            self._pieced = PiecedProgram(self._path.read_bytes(), COREML.backend)
        return self._pieced.load_method(method)


def check_header(path: Path) -> None:
    """Refuse a file whose beginning is not a program's, or that is shorter than it says.

    The runtime ends the process over such files.

    Raises:
        UserError: Saying what is wrong.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(HEADER.size)
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}): export it again") from None
    refused = f"{path} is not a program this runtime can load"
    if len(beginning) < HEADER.size:
        raise UserError(f"{refused} (it has {len(beginning)} bytes): export it again")
    root, magic, extension, length, program, segments, size = HEADER.unpack(beginning)
    if magic != b"ET12" or extension != b"eh00" or length != HEADER.size - 8 or not HEADER.size <= root < program:
        raise UserError(f"{refused} (its first bytes are another file's, or damaged): export it again")
    there, needed = path.stat().st_size, max(program, segments + size)
    if there < needed:
        raise UserError(f"{refused} (truncated, {there:,} of {needed:,} bytes): copy it again")


def _backends(path: Path) -> list[str]:
    """Return the backends that a program names, of those that this project lowers to; the runtime tells of none."""
    with path.open("rb") as file:
        *_, program, _, _ = HEADER.unpack(file.read(HEADER.size))
        file.seek(0)
        described = file.read(program)
    return [delegate.backend for delegate in DELEGATES if delegate.backend.encode() in described]


def _spec(told: Any) -> TensorSpec:
    return TensorSpec("", list(told.sizes()), SCALAR_TYPES[told.dtype()])
