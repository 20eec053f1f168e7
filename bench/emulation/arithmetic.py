"""In what a runtime adds up float16 numbers: found out with sums that float16 cannot make.

Above 2048, float16 has only even numbers. One added to 2048 is 2048 again there, however often it is done; in float32,
64 ones make it 2112, which is a number of float16, too.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.emulation.machine import Machine
from bench.emulation.running import run_emulated
from export.core.formats import FORMATS, exporter_of
from export.core.interface import prepared
from export.core.methods import Method
from export.core.recipe import Recipe
from export.runtime.program import load_program
from minivlm.console import Steps
from minivlm.errors import UserError

START, ONES = 2048.0, 64
OPERATORS = ("linear", "convolution", "matmul")
"""That add up, in the order of the probe's outputs."""


class Sums(nn.Module):
    """Adds `ONES` ones to `START`, in each of `OPERATORS`. All are products: a bias may come first or last."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(ONES + 1, 16)
        self.convolution = nn.Conv2d(ONES + 1, 16, 3, padding=1)
        with torch.no_grad():
            for values in self.parameters():
                values.zero_()
            for weight in (self.linear.weight, self.convolution.weight[:, :, 1, 1]):
                weight[:] = 1.0
                weight[:, 0] = START

    def forward(self, row: Tensor, picture: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Add up.

        Args:
            row: (1, `ONES` + 1) ones.
            picture: (1, `ONES` + 1, height, width) ones.
            matrix: (1, `ONES` + 1, width), `START` in the first row and ones below.

        Returns:
            Tensors that hold one number each, again and again.
        """
        return self.linear(row), self.convolution(picture), torch.matmul(row[:, None], matrix)

    @staticmethod
    def inputs() -> dict[str, Tensor]:
        """Return the inputs by name."""
        matrix = torch.ones(1, ONES + 1, 16)
        matrix[:, 0] = START
        return {"row": torch.ones(1, ONES + 1), "picture": torch.ones(1, ONES + 1, 8, 8), "matrix": matrix}


@dataclass(frozen=True)
class Arithmetic:
    """What sums came out as.

    Attributes:
        runtime: That made them.
        here: By operator, on this machine.
        emulated: By operator, on ARM kernels.
        error: Why they were not made, in one line; empty if they were.
    """

    runtime: str
    here: Mapping[str, float]
    emulated: Mapping[str, float]
    error: str = ""

    @property
    def half(self) -> bool:
        """Whether ARM kernels make any of these sums in float16."""
        return any(told(total) == "float16" for total in self.emulated.values())


def find_arithmetic(machine: Machine, runtime: str, steps: Steps) -> Arithmetic:
    """Find out in what a runtime adds up in an artifact that is exported in fp16."""
    try:
        here, emulated = _run_sums(machine, runtime, steps)
    except UserError as error:
        return Arithmetic(runtime, {}, {}, str(error))
    return Arithmetic(runtime, _numbers(here), _numbers(emulated))


def _run_sums(machine: Machine, runtime: str, steps: Steps) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the outputs of `Sums` here and in the machine."""
    method = Method("forward", Sums().eval(), Sums.inputs(), tuple(f"{name}_sum" for name in OPERATORS))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"sums.{FORMATS[runtime].suffix}"
        exporter = exporter_of(FORMATS[runtime])
        with steps.step(f"add up float16 numbers in {runtime}"):
            exporter.build([method], Recipe("fp16", exporter.rules["fp16"]), path, Steps())
            program = load_program(path)
            taken = tuple(prepared("forward", method.example, program.interface("forward").inputs))
            here = program.run("forward", taken)
            (emulated,) = run_emulated(machine, path, runtime, [("forward", taken)])
    return here, emulated


def _numbers(tensors: tuple[Tensor, ...]) -> dict[str, float]:
    """Return one number of each output: the middle of a picture, away from its border."""
    return {name: float(one.flatten()[one.numel() // 2]) for name, one in zip(OPERATORS, tensors, strict=True)}


def told(total: float) -> str:
    """Say in what a sum was made."""
    if total == START + ONES:
        return "float32"
    return "float16" if START <= total < START + ONES else f"neither float16 nor float32: {total:g}"
