"""The proof on an accelerator finds what only an accelerator gets wrong."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from export.backends.litert.convert import convert
from export.backends.litert.format import FORMAT
from export.core.acceleration import AcceleratorProof, Adapter, Placement
from export.core.job import Job
from export.core.methods import Method
from export.core.recipe import Recipe
from export.core.request import ExportRequest
from export.flow import accelerating
from export.flow.accelerating import prove_accelerated, same
from export.verify.comparison import run_reference
from minivlm.console import Steps
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.weights.loading import load_model
from tests.export.backends.litert.drivers import needs_driver

ROWS = torch.tensor([[2049.0, 2051.0, 3003.0, 4001.0]])
"""Whole numbers above 2,048, the first that fp16 does not have: there it has every second one."""


class Planted(nn.Module):
    """Reads rows of a table by numbers that come out of a matrix product, as if they were predictions.

    Args:
        product: Whether they do; else they are computed in single steps, as index arithmetic is.
    """

    table: Tensor

    def __init__(self, *, product: bool) -> None:
        super().__init__()
        self.same = nn.Linear(4, 4, bias=False)
        self.same.weight = nn.Parameter(torch.eye(4))
        self.product = product
        self.register_buffer("table", torch.randn(4096, 8, generator=torch.Generator().manual_seed(0)))

    def forward(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        made = self.same(numbers)
        places = made if self.product else numbers * 2.0 - numbers
        return self.table.index_select(0, (places[0] + 0.25).to(torch.int64)), made / 4096.0


def proven(module: nn.Module, folder: Path, accelerator: str = "gpu") -> list[AcceleratorProof]:
    method = Method("forward", module.eval(), {"numbers": ROWS}, ("found", "made"))
    path = folder / "planted.tflite"
    path.write_bytes(convert([method]))
    request = ExportRequest("litert", "tee-tiny", "fp32", None, None, folder, default_photo(), accelerator=accelerator)
    job = Job(request, load_model("tee-tiny"), None, [method], Recipe("fp32"))
    return prove_accelerated(job, {"forward": [run_reference(method, (ROWS,))]}, FORMAT, path, Steps())


class Deaf:
    """An accelerator that computes the same in whatever it is told, as one without fp16 does."""

    adapter = Adapter("Deaf", software=True)

    def __init__(self, path: Path, computed: str) -> None:
        pass

    def run(self, name: str, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return Planted(product=False)(*inputs)

    def placement(self, name: str) -> Placement:
        return Placement(1, 1.0, ())


@needs_driver
class TestPlantedIndex:
    def test_one_that_is_computed_in_fp16_fails_the_proof(self, tmp_path):
        with pytest.raises(UserError, match=r"does not compute on gpu .* was not kept: in fp16 forward: found SQNR"):
            proven(Planted(product=True), tmp_path)

    def test_index_arithmetic_stays_on_the_cpu_and_passes(self, tmp_path):
        exact, half = proven(Planted(product=False), tmp_path)
        assert (exact.computed, half.computed) == ("fp32", "fp16")
        assert not exact.failed
        assert not half.failed
        assert [metric.name for metric in half.methods[0].parity][:2] == ["share of multiply-adds", "pieces"]


@torch.no_grad()
def test_a_device_that_does_not_compute_in_fp16_proves_nothing_about_it(tmp_path, monkeypatch):
    monkeypatch.setattr(accelerating, "program_class", lambda *_: Deaf)
    with pytest.raises(UserError, match=r"^Deaf, in software computes in fp32 where it is told fp16, without a word"):
        proven(Planted(product=False), tmp_path)


def test_the_cpu_alone_needs_no_further_proof(tmp_path):
    assert proven(Planted(product=False), tmp_path, accelerator="cpu") == []


def test_two_runs_are_the_same_only_bit_by_bit():
    one = {"forward": [(torch.ones(2), torch.zeros(1))]}
    assert same(one, {"forward": [(torch.ones(2), torch.zeros(1))]})
    assert not same(one, {"forward": [(torch.ones(2), torch.full((1,), 1e-7))]})
