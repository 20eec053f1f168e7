"""Inputs that a phone verifies an artifact with, and the judging of what it made of them; docs/phones.md."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.core.catalogue import exportable_methods
from export.core.methods import Method
from export.core.sidecar import Sidecar
from export.runtime.program import Program
from export.verify.comparison import compare
from export.verify.tolerances import Tolerances
from minivlm.errors import UserError
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.weights.labels import read_labels
from minivlm.weights.loading import load_model

FORMAT = 1
INPUTS = "parity.json"
OUTPUTS = "outputs.json"


def methods_of(artifact: Path, photo: Path) -> list[Method]:
    """Return an artifact's methods with inputs from the photo; the weights behind them do not matter."""
    sidecar = Sidecar.read(artifact)
    model = load_model(sidecar.model, sizes=sidecar.sizes)
    config = sidecar.config
    whole = isinstance(config, VisionLanguageConfig)
    labels = read_labels(sidecar.check_labels(artifact), config) if isinstance(config, VisionLanguageConfig) else None
    methods = exportable_methods(model, labels, sidecar.image_size, photo)
    there = {method.name for method in sidecar.methods}
    return [method for method in methods if method.name in there or not whole]


def write_inputs(methods: Sequence[Method], folder: Path) -> None:
    """Write the example inputs of methods and the file that describes them."""
    folder.mkdir(parents=True)
    described = []
    for method in methods:
        inputs = []
        for name, tensor in method.inputs.items():
            content = raw_bytes(tensor)
            file = f"{method.name}-{name}.bin"
            (folder / file).write_bytes(content)
            inputs.append(
                {
                    "name": name,
                    "shape": list(tensor.shape),
                    "dtype": str(tensor.dtype).removeprefix("torch."),
                    "file": file,
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
            )
        described.append({"name": method.name, "inputs": inputs})
    text = json.dumps({"format": FORMAT, "methods": described}, indent=1)
    (folder / INPUTS).write_text(text + "\n", encoding="utf-8")


def raw_bytes(tensor: Tensor) -> bytes:
    """Return a float32 or int64 tensor's values row by row, little-endian."""
    array = tensor.numpy(force=True)
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def read_outputs(pull: Callable[[str], bytes | None]) -> dict[str, list[Tensor]]:
    """Read what an artifact made of the inputs.

    Args:
        pull: Returns a file of the folder that the app wrote, None if it is not there.

    Returns:
        The outputs of each method, in order.

    Raises:
        UserError: A file is missing, or arrived damaged.
    """
    try:
        described: dict[str, Any] = json.loads(_pulled(pull, OUTPUTS))
        methods = {method["name"]: method["outputs"] for method in described["methods"]}
        return {name: [_tensor(pull, output) for output in outputs] for name, outputs in methods.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"the phone's {OUTPUTS} cannot be read ({error}): run again") from None


def _pulled(pull: Callable[[str], bytes | None], file: str) -> bytes:
    content = pull(file)
    if content is None:
        raise UserError(f"the app wrote no {file}: update the app, it is of another version")
    return content


def _tensor(pull: Callable[[str], bytes | None], output: Mapping[str, Any]) -> Tensor:
    content = _pulled(pull, str(output["file"]))
    if hashlib.sha256(content).hexdigest() != output["sha256"]:
        raise UserError(f"{output['file']} arrived damaged from the phone: run again")
    array = np.frombuffer(content, dtype=np.dtype(str(output["dtype"])).newbyteorder("<")).reshape(output["shape"])
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))


def misses(
    methods: Sequence[Method], program: Program, given: Mapping[str, Sequence[Tensor]], tolerances: Tolerances
) -> list[str]:
    """Compare a phone's outputs with those of the same artifact here; returns what misses its tolerance.

    Args:
        methods: As written.
        program: The artifact on this machine.
        given: Outputs of the phone, by method.
        tolerances: Of the artifact.
    """
    found = []
    for method in methods:
        if method.name not in given:
            found.append(f"{method.name}: no outputs")
            continue
        expected = program.run(method.name, method.example)
        typed = tuple(one.to(like.dtype) for one, like in zip(given[method.name], expected, strict=True))
        found += [
            f"{method.name}: {metric}" for metric in compare(method, expected, typed, tolerances) if not metric.passed
        ]
    return found
