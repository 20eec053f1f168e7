"""Running an artifact's methods in the emulated machine, and bringing back what they give."""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.emulation.machine import Machine
from minivlm.errors import UserError

GUEST = Path(__file__).with_name("guest.py")
Calls = list[tuple[str, tuple[Tensor, ...]]]
"""Methods with their inputs."""


def run_emulated(machine: Machine, artifact: Path, runtime: str, calls: Calls) -> list[tuple[Tensor, ...]]:
    """Run an artifact's methods in the machine.

    Raises:
        UserError: The run failed; the message has the last line with words that it wrote.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arrays = {
            f"{number}/{place}": value.numpy(force=True)
            for number, (_, inputs) in enumerate(calls)
            for place, value in enumerate(inputs)
        }
        np.savez(folder / "inputs.npz", **arrays)  # type: ignore[arg-type]  # its stub takes the arrays for a flag
        job = {
            "runtime": runtime,
            "artifact": str(artifact.resolve()),
            "calls": [method for method, _ in calls],
            "inputs": [len(inputs) for _, inputs in calls],
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        done = subprocess.run(machine.command(GUEST, name), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if any(map(str.isalpha, line))]  # some end in a bracket
            raise UserError(lines[-1] if lines else f"ended with {done.returncode}")
        ran = json.loads((folder / "ran.json").read_text(encoding="utf-8"))
        if ran["machine"] != "aarch64":
            raise UserError(f"ran on {ran['machine']} instead of aarch64")
        with np.load(folder / "outputs.npz") as outputs:
            return [
                tuple(torch.from_numpy(outputs[f"{number}/{place}"]) for place in range(count))
                for number, count in enumerate(ran["outputs"])
            ]
