"""Writing ONNX graphs as an artifact, and running such an artifact in ONNX Runtime.

One method is one .onnx file. Several are a folder: a graph for each, and one file that holds every weight once.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import onnx
import psutil
import torch
from onnx.external_data_helper import set_external_data
from torch import Tensor

from export.core.interface import Interface, TensorSpec, prepared, widened
from export.runtime.program import require_method
from minivlm.errors import UserError

WEIGHTS = "weights.bin"
"""In a folder, beside its graphs."""
SMALLEST_SHARED = 1024
"""Bytes from which a tensor moves there; smaller ones cost less where they are."""
ELEMENT_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "tensor(float)": "float32",
        "tensor(float16)": "float16",
        "tensor(int32)": "int32",
        "tensor(int64)": "int64",
        "tensor(bool)": "bool",
    }
)
ALIGNMENT = 64
"""Of tensors in that file, for kernels that read whole cache lines of a mapped file."""


def write_graph(model: onnx.ModelProto, path: Path) -> None:
    """Write one graph with its weights inside."""
    path.write_bytes(model.SerializeToString(deterministic=True))


def write_package(models: Mapping[str, onnx.ModelProto], folder: Path) -> None:
    """Write graphs by method name into a new folder; tensors of equal bytes are stored once."""
    folder.mkdir()
    places: dict[bytes, int] = {}
    with (folder / WEIGHTS).open("wb") as file:
        for name, model in models.items():
            for tensor in model.graph.initializer:
                if len(tensor.raw_data) < SMALLEST_SHARED:
                    continue
                content = hashlib.sha256(tensor.raw_data).digest()
                if content not in places:
                    file.write(bytes(-file.tell() % ALIGNMENT))
                    places[content] = file.tell()
                    file.write(tensor.raw_data)
                set_external_data(tensor, WEIGHTS, offset=places[content], length=len(tensor.raw_data))
                tensor.ClearField("raw_data")
            write_graph(model, folder / f"{name}.onnx")


class OnnxProgram:
    """An .onnx file or a folder of them, ready to run; implements `export.runtime.program.Program`.

    Args:
        path: The file or folder.
        threads: Of each method's pool; None takes one a core.

    Raises:
        UserError: It is nothing that this runtime can load.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        import onnxruntime

        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = threads or psutil.cpu_count(logical=False) or 1
        # Each method has a pool, whose threads wait for work by spinning, long after a run: beside the next method's.
        self._options.add_session_config_entry("session.force_spinning_stop", "1")
        self._options.log_severity_level = 4  # everything fatal is raised as well
        self._path = path
        self._sessions: dict[str, Any] = {}
        self._interfaces: dict[str, Interface] = {}
        self._opening = threading.Lock()
        if path.is_dir():
            self._files = {file.stem: file for file in path.glob("*.onnx")}
            if not self._files:
                raise UserError(f"{path} holds no .onnx graphs: export it again")
        else:
            session = self._open(path)
            name = session.get_modelmeta().custom_metadata_map.get("method", "forward")
            self._files = {name: path}
            self._keep(name, session)

    def _keep(self, method: str, session: Any) -> None:
        told = session.get_inputs(), session.get_outputs()
        self._interfaces[method] = Interface(*([_spec(item) for item in side] for side in told))
        self._sessions[method] = session

    def _open(self, file: Path) -> Any:
        import onnxruntime

        try:
            return onnxruntime.InferenceSession(file, self._options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's exceptions share no other base
            reason = " ".join(str(error).split())
            raise UserError(
                f"{self._path} is not a program this runtime can load ({reason}): export it again"
            ) from None

    @property
    def threads(self) -> int:
        """Threads of each session's pool, as the runtime tells."""
        return int(self._options.intra_op_num_threads)

    @property
    def planned_bytes(self) -> int | None:
        """See `Program`."""
        return None

    @property
    def methods(self) -> list[str]:
        """Names of the methods."""
        return sorted(self._files)

    def load(self, method: str) -> None:
        """Load a method now, rather than at its first call.

        Raises:
            UserError: The artifact has no such method, or its graph is damaged.
        """
        require_method(method, self.methods)
        with self._opening:
            if method not in self._sessions:
                self._keep(method, self._open(self._files[method]))

    def interface(self, method: str) -> Interface:
        """See `Program`."""
        self.load(method)
        return self._interfaces[method]

    def run(self, method: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run a method and return its outputs."""
        interface = self.interface(method)
        given = prepared(method, inputs, interface.inputs)
        feed = {spec.name: tensor.numpy(force=True) for spec, tensor in zip(interface.inputs, given, strict=True)}
        return widened([torch.from_numpy(array) for array in self._sessions[method].run(None, feed)])


def _spec(told: Any) -> TensorSpec:
    return TensorSpec(told.name, list(told.shape), ELEMENT_TYPES[told.type])
