"""Runs one artifact inside the emulated machine, which has NumPy and the runtimes but none of the rest.

    guest.py FOLDER

FOLDER holds job.json and inputs.npz, and gets outputs.npz and ran.json. In the job, "calls" lists a method for every
set of inputs, whose arrays are named "{call}/{position}". Python looks for modules in this folder first: none
beside may have the name of one that a runtime imports.
"""

import json
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

Calls = list[tuple[str, list[np.ndarray]]]
"""Methods with their inputs."""


def main(folder: Path) -> None:
    """Run all calls of a job."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    given = np.load(folder / "inputs.npz")
    calls = [
        (method, [given[f"{number}/{position}"] for position in range(job["inputs"][number])])
        for number, method in enumerate(job["calls"])
    ]
    results = {"executorch": run_executorch, "litert": run_litert, "onnx": run_onnx}[job["runtime"]](
        job["artifact"], calls
    )
    arrays = {f"{number}/{place}": array for number, row in enumerate(results) for place, array in enumerate(row)}
    np.savez(folder / "outputs.npz", **arrays)  # type: ignore[arg-type]  # the stub takes the arrays for a flag
    ran = {"machine": platform.machine(), "outputs": [len(row) for row in results]}
    (folder / "ran.json").write_text(json.dumps(ran), encoding="utf-8")


def run_executorch(artifact: str, calls: Calls) -> list[list[np.ndarray]]:
    """Run calls in ExecuTorch, through its bindings: the modules around them import all of the exporter."""
    import torch  # loads what the bindings are linked with
    from executorch.extension.pybindings import _portable_lib

    _portable_lib._unsafe_reset_threadpool(1)
    program = _portable_lib._load_program(artifact, program_verification=_portable_lib.Verification.InternalConsistency)
    loaded = {method: program.load_method(method) for method in {method for method, _ in calls}}
    return [
        [value.numpy().copy() for value in loaded[method]([torch.from_numpy(array) for array in inputs])]
        for method, inputs in calls
    ]


def run_litert(artifact: str, calls: Calls) -> list[list[np.ndarray]]:
    """Run calls in LiteRT; the tensors of signature inputs and outputs are numbered in the order of the method."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=artifact, num_threads=1)
    results = []
    for method, inputs in calls:
        runner = interpreter.get_signature_runner(method)
        told, gives = runner.get_input_details(), runner.get_output_details()
        named = dict(zip(_by_number(told), inputs, strict=True))
        given = runner(**{name: value.astype(told[name]["dtype"]) for name, value in named.items()})
        results.append([given[name] for name in _by_number(gives)])
    return results


def _by_number(details: dict[str, Any]) -> list[str]:
    return sorted(details, key=lambda name: details[name]["index"])


def run_onnx(artifact: str, calls: Calls) -> list[list[np.ndarray]]:
    """Run calls in ONNX Runtime; an artifact is one graph, or a folder with one for each method."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    results = []
    for method, inputs in calls:
        file = Path(artifact) / f"{method}.onnx" if Path(artifact).is_dir() else artifact
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        names = [item.name for item in session.get_inputs()]
        results.append(session.run(None, dict(zip(names, inputs, strict=True))))
    return results


if __name__ == "__main__":
    main(Path(sys.argv[1]))
