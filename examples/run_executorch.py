"""A photo's regions, a caption and an answer from a .pte file, with ExecuTorch, whose tensors are PyTorch's.

python examples/run_executorch.py artifacts/minivlm-executorch-fp32.pte photo.jpg "what colour is the roof?"
"""

from pathlib import Path
from typing import Any

import torch
from executorch.runtime import Runtime
from feeding import Arrays, Run, main


def open_artifact(artifact: Path, sidecar: dict[str, Any]) -> Run:
    """Open a file with several methods, whose inputs and outputs have an order, and names in the sidecar only."""
    program = Runtime.get().load_program(artifact)
    order = {method["name"]: [output["name"] for output in method["outputs"]] for method in sidecar["methods"]}
    methods: dict[str, Any] = {}

    def run(method: str, inputs: Arrays) -> Arrays:
        if method not in methods:
            methods[method] = program.load_method(method)
        results = methods[method].execute([torch.from_numpy(array).contiguous() for array in inputs.values()])
        return {name: tensor.numpy() for name, tensor in zip(order[method], results, strict=True)}

    return run


if __name__ == "__main__":
    main(open_artifact, __doc__ or "")
