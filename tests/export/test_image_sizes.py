"""Every image size that is announced, in every format; which sizes those are is `vision.tee_config`'s to say."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from export.core.formats import FORMATS, artifact_path, exporter_of, program_class
from export.core.methods import Method
from export.core.recipe import Recipe
from export.core.sidecar import Sidecar
from export.flow.command import run_exporter
from minivlm.console import Steps
from minivlm.vision.bifpn import BiFPNCell, Enlarge, halve

SIZES = ("32", "96", "224", "416", "160x192", "2048x96", "32x2048", "608")


class Fusion(nn.Module):
    """What depends on a map's size in the BiFPN: to half the cells and back."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = BiFPNCell(4)

    def forward(self, feature: Tensor) -> tuple[Tensor]:
        first = next(iter(self.cell.top_down))
        return (first([feature, self.cell.enlarge(halve(feature), feature)]),)


@given(height=st.integers(1, 64), width=st.integers(1, 64))
@settings(max_examples=100, deadline=None)
def test_doubling_and_cutting_is_nearest_neighbour_upsampling_of_what_was_halved(height, width):
    feature = torch.randn(1, 2, -(-height // 2), -(-width // 2), generator=torch.Generator().manual_seed(height))
    expected = F.interpolate(feature, size=(height, width), mode="nearest")
    assert torch.equal(Enlarge()(feature, torch.zeros(1, 2, height, width)), expected)


@pytest.mark.parametrize("runtime", FORMATS)
@pytest.mark.parametrize("size", [(3, 5), (13, 4), (1, 7)])
def test_odd_maps_are_halved_and_enlarged_as_in_pytorch(runtime, size, tmp_path):
    feature = torch.randn(1, 4, *size, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    method = Method("forward", Fusion().eval().requires_grad_(False), {"feature": feature}, ("sum",))
    target = FORMATS[runtime]
    path = tmp_path / f"fusion.{target.suffix}"
    exporter_of(target).build([method], Recipe("fp32"), path, Steps())
    (given_,) = program_class(target)(path).run("forward", [feature])
    (expected,) = method.module(feature)
    torch.testing.assert_close(given_, expected, rtol=0, atol=1e-5)  # float32's sums


def export(folder, model: str, runtime: str, precision: str, size: str) -> Sidecar:
    """Export by the command line, which proves the artifact or fails."""
    target = FORMATS[runtime]
    run_exporter(
        target, "", ["--model", model, "--precision", precision, "--image-size", size, "--output", str(folder)]
    )
    return Sidecar.read(artifact_path(folder, model, target, precision))


@pytest.mark.parametrize("runtime", ["litert", "coreml"])
def test_a_detector_of_odd_maps_is_proven(runtime, tmp_path):
    sidecar = export(tmp_path, "tee-tiny", runtime, "fp32", "160x224")  # 5 x 7 cells of stride 32
    assert sidecar.image_size == (160, 224)
    assert all(metric.passed for metric in sidecar.methods[0].parity)


@pytest.mark.full
@pytest.mark.parametrize("runtime", FORMATS)
@pytest.mark.parametrize("size", SIZES)
def test_a_tiny_detector_is_proven_at_every_kind_of_size(runtime, size, tmp_path):
    assert export(tmp_path, "tee-tiny", runtime, "fp32", size).methods


@pytest.mark.full
@pytest.mark.parametrize("runtime", FORMATS)
def test_so_it_is_in_int8(runtime, tmp_path):
    # The scores of random weights lie so close that int8 mixes them up the more, the more anchors there are.
    assert export(tmp_path, "tee-tiny", runtime, "int8", "96").methods


@pytest.mark.full
@pytest.mark.parametrize("runtime", FORMATS)
@pytest.mark.parametrize("size", ["416x416", "480x640"])
def test_a_real_detector_is_proven_at_sizes_that_64_does_not_divide(runtime, size, tmp_path):
    assert export(tmp_path, "tee-0", runtime, "fp32", size).methods
