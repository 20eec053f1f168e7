"""Sums that float16 cannot make: what the probe tells of arithmetic that is known."""

import platform

import pytest
import torch

from bench.emulation import arithmetic
from bench.emulation.arithmetic import ONES, OPERATORS, START, Sums, find_arithmetic, told
from minivlm.console import Steps
from minivlm.errors import UserError
from tests.bench.native import Native


def one_by_one(dtype: torch.dtype) -> float:
    """Add up in one element type, rounding after every addition."""
    total = torch.tensor(START, dtype=dtype)
    for _ in range(ONES):
        total = total + torch.ones((), dtype=dtype)
    return float(total)


def test_the_element_type_of_additions_is_told_from_the_sum():
    assert told(one_by_one(torch.float16)) == "float16"
    assert told(one_by_one(torch.float32)) == "float32"
    assert told(float("nan")).startswith("neither")


def test_every_operator_makes_the_sum():
    outputs = Sums()(**Sums.inputs())
    assert len(outputs) == len(OPERATORS)
    assert all((output == START + ONES).all() for output in outputs)


@pytest.mark.skipif(platform.system() != "Linux", reason="the guest reads /proc/cpuinfo")
@pytest.mark.parametrize("runtime", ["executorch", "onnx"])
def test_the_same_kernels_make_the_same_sums(runtime, tmp_path):
    found = find_arithmetic(Native(tmp_path, {}), runtime, Steps())
    assert found.error == ""
    assert set(found.here) == set(OPERATORS)
    assert found.here == found.emulated
    assert {told(value) for value in found.here.values()} <= {"float16", "float32"}


def test_sums_that_cannot_be_made_are_told_in_one_line(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise UserError("ended with -4")

    monkeypatch.setattr(arithmetic, "run_emulated", fail)
    assert find_arithmetic(Native(tmp_path, {}), "onnx", Steps()).error == "ended with -4"
