"""int8 for ExecuTorch: how tables are rounded, which layers keep float, and what the artifacts weigh."""

import hashlib
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from export.backends.executorch.convert import export_program, lower
from export.backends.executorch.program import ExecuTorchProgram, run_once
from export.backends.executorch.quantize import RoundedEmbedding, decisions, layers, quantized
from export.backends.executorch.rewrites import Doubling
from export.backends.executorch.rules import INT8
from export.core.catalogue import fusion_method, regions_method
from export.core.methods import Method
from export.core.precision import Mode, Rule, in_float, kept_in_float
from export.core.ranges import SWISH_END, Spread
from export.core.recipe import Recipe
from export.verify.layers import weakest_layer
from minivlm.images.photos import default_photo
from minivlm.quiet import quiet
from minivlm.weights.loading import create_model


class TestRoundedEmbedding:
    @given(
        rows=st.integers(1, 30),
        groups=st.integers(1, 3),
        width=st.integers(1, 5).map(lambda half: 2 * half),
        bits=st.sampled_from([4, 8]),
        seed=st.integers(0, 1000),
    )
    @settings(deadline=None, max_examples=30)
    def test_every_number_is_within_half_a_step_of_its_group(self, rows, groups, width, bits, seed):
        generator = torch.Generator().manual_seed(seed)
        table = torch.randn(rows, groups, width, generator=generator) * torch.rand(rows, groups, 1, generator=generator)
        ids = torch.randint(rows, (2, 5), generator=generator)
        embedding = RoundedEmbedding(table.flatten(1), bits, width if groups > 1 else 0)
        given = embedding(ids).unflatten(2, (groups, width))
        steps = {4: 7, 8: 127}[bits]  # from 0 to the largest of a group
        step = table[ids].abs().amax(dim=-1, keepdim=True) / steps
        assert ((given - table[ids]).abs() <= 0.5 * step * (1 + 1e-5)).all()

    def test_four_bits_take_half_the_bytes_of_eight(self):
        four, eight = (RoundedEmbedding(torch.randn(3, 64), bits, 32) for bits in (4, 8))
        assert (four.rows.nbytes, eight.rows.nbytes) == (3 * 32, 3 * 64)

    @pytest.mark.parametrize("bits", [4, 8])
    def test_a_row_of_zeros_stays_zero(self, bits):
        assert not RoundedEmbedding(torch.zeros(3, 4), bits, 0)(torch.tensor([1])).any()


def detector() -> Method:
    return regions_method("forward", create_model("tee-tiny"), None, default_photo())


def transformer() -> Method:
    return fusion_method("forward", create_model("minilm-tiny"))


class TestKeptFloat:
    def test_of_a_detector_are_its_first_block_and_proposal_heads(self):
        kept = in_float(decisions(detector(), Recipe("int8", INT8)))
        for part in ("conv_stem", "blocks.0.", "rpn.objectness"):
            assert any(part in name for name in kept), part
        assert not [name for name in kept if ".blocks.1." in name or "bifpn" in name]
        assert not [name for name in kept if "box_head" in name]

    def test_of_a_transformer_are_those_that_were_asked_for(self):
        assert in_float(decisions(transformer(), Recipe("int8", INT8))) == []
        asked = kept_in_float(["caption_head.decoder", "embeddings.*"])
        kept = in_float(decisions(transformer(), Recipe("int8", (*asked, *INT8))))
        assert kept == ["caption_head.decoder", "embeddings.positions", "embeddings.types", "embeddings.words"]


class TestWeakestLayer:
    def test_is_none_when_all_is_well(self):
        with quiet():
            assert weakest_layer(transformer(), layers(transformer(), Recipe("int8", INT8))) is None

    def test_is_the_layer_whose_weights_hold_one_number_far_above_the_rest(self):
        method = transformer()
        method.module.get_submodule("region_projection").weight[:, 0] = 1e4  # 127 steps: the rest is rounded to 0
        method.inputs["regions"][..., 0] = 0.0  # and it has no say
        with quiet():
            assert weakest_layer(method, layers(method, Recipe("int8", INT8))) == "region_projection"
            spared = Recipe("int8", (*kept_in_float(["region_projection"]), *INT8))
            assert weakest_layer(method, layers(method, spared)) is None


def test_doubling_in_int8_copies_and_rounds_nothing_more():
    class Backbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.ModuleDict({"enlarge": Doubling(4)})

        def forward(self, feature: torch.Tensor) -> tuple[torch.Tensor]:
            return (self.backbone["enlarge"](feature, torch.zeros(1, 4, 6, 8)),)

    feature = torch.randn(1, 4, 3, 4, generator=torch.Generator().manual_seed(0))
    method = Method("forward", Backbone(), {"feature": feature}, ("doubled",))
    with quiet(), torch.no_grad():
        (doubled,) = quantized(method, Recipe("int8", INT8))(feature)
    low, high = min(0.0, feature.min().item()), max(0.0, feature.max().item())
    step = (high - low) / 255  # the range of a map is cut in 255 steps
    repeated = feature.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert (doubled - repeated).abs().max() <= 0.5 * step * (1 + 1e-4)
    assert 4 <= len(doubled.unique()) <= feature.numel()


def test_relu6_behind_a_convolution_has_all_steps_for_what_passes():
    class Backbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU6(inplace=True))

        def forward(self, feature: torch.Tensor) -> tuple[torch.Tensor]:
            return (self.backbone(feature),)

    torch.manual_seed(0)
    module, feature = Backbone(), torch.randn(1, 3, 16, 16).round()  # whole numbers of a range: rounded to themselves
    feature.clamp_(-2.0, 2.0)
    module.backbone[0].weight.data.copy_(torch.randint(-127, 128, (4, 3, 1, 1)) / 127 * 30)
    module.backbone[0].weight.data[:, 0] = 30.0  # the largest, so that a row's step is 30 / 127
    method = Method("forward", module, {"feature": feature}, ("clamped",))
    with quiet(), torch.no_grad():
        exact = module(feature)[0]
        (given,) = quantized(method, Recipe("int8", INT8))(feature)
    # The input's step is 4 / 255, so that whole numbers are up to half a step off, times three weights of 30.
    of_input = 3 * 30 * 0.5 * 4 / 255
    assert (given - exact).abs().max() <= of_input + 0.5 * 6 / 255 + 1e-4
    assert len(given.unique()) > 10  # with the convolution's scale, over 300 wide, 5 of its 255 steps lie in 0 to 6


@pytest.mark.parametrize("model", [pytest.param("tee-tiny", marks=pytest.mark.full), "minilm-tiny"])
class TestArtifact:
    def test_passed_its_verification_and_names_what_stays_in_float(self, exported, model):
        sidecar = json.loads(exported(model, precision="int8").sidecar.read_text())
        assert sidecar["precision"] == "int8"
        assert bool(sidecar["kept_float"]) == (model == "tee-tiny")
        (method,) = sidecar["methods"]
        assert method["delegated_macs"] == 1.0
        assert all(
            metric["value"] >= metric["bound"] if metric["at_least"] else metric["value"] <= metric["bound"]
            for metric in method["parity"]
        )

    def test_is_smaller_than_in_float(self, exported, model):
        sizes = {
            precision: exported(model, precision=precision).artifact.stat().st_size for precision in ("fp32", "int8")
        }
        assert sizes["int8"] < 0.8 * sizes["fp32"]  # tiny weights: the programs weigh as much

    def test_runs_as_the_rounded_model_does_in_pytorch(self, exported, model):
        if model == "tee-tiny":
            pytest.skip("near-equal scores: the verification compares regions by box")
        method = transformer()
        with quiet(), torch.no_grad():
            expected = quantized(method, Recipe("int8", INT8))(*method.example)
        given = ExecuTorchProgram(exported(model, precision="int8").artifact).run("forward", method.example)
        # XNNPACK rounds each row by its own range, PyTorch the whole input by one: a few steps of 1/255.
        for ours, theirs in zip(given, expected, strict=True):
            assert (ours - theirs).abs().max() < 0.1 * theirs.abs().max()


def test_two_exports_are_the_same_bytes(exported, tmp_path):
    from export.to_executorch import main

    main(["--model", "minilm-tiny", "--precision", "int8", "--output", str(tmp_path)])
    first, second = (
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (exported("minilm-tiny", precision="int8").artifact, tmp_path / "minilm-tiny-executorch-int8.pte")
    )
    assert first == second


class Layers(nn.Module):
    """Two convolutions, of which the first one's map is a result as well."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 5, 1)

    def forward(self, feature: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        between = self.first(feature)
        return between, self.second(between)


FIRST = Recipe("int8", (Rule(("first",), Mode.STATIC),))


def layers_of(feature: torch.Tensor) -> Method:
    torch.manual_seed(0)
    return Method("forward", Layers().eval(), {"feature": feature}, ("between", "out"))


def test_an_int8_map_may_be_a_result_and_the_input_of_a_convolution_in_float():
    """In PyTorch's simulation the two are equal but for one step of the map at most."""
    method = layers_of(torch.randn(1, 3, 6, 9, generator=torch.Generator().manual_seed(1)))
    with quiet(), torch.no_grad():
        expected = quantized(method, FIRST)(*method.example)
        program = lower([method], {"forward": export_program(method, FIRST)}, FIRST).program
        given = run_once(program.buffer, "forward", method.example)
    between = method.module.first(*method.example).detach()
    step = (between.max() - between.min()).item() / 255
    assert (given[0] - expected[0]).abs().max() <= step * (1 + 1e-3)
    most = method.module.second.weight.abs().sum(dim=1).max().item()
    assert (given[1] - expected[1]).abs().max() <= step * most * (1 + 1e-3)


def test_ranges_are_those_of_least_square_error():
    """Of Student's t with two degrees, whose ends are cut."""
    torch.manual_seed(0)
    method = layers_of(torch.distributions.StudentT(2.0).sample((1, 3, 64, 64)))
    with quiet(), torch.no_grad():
        nodes = quantized(method, FIRST).graph.nodes
    scale = next(node.args[1] for node in nodes if "quantize_per_tensor" in str(node.target))
    spread = Spread()
    spread.add(*method.example)
    low, high = spread.best(255)
    assert scale == pytest.approx((high - low) / 255, rel=1e-5)  # float32
    assert scale < 0.99 * (spread.whole().high - spread.whole().low) / 255


class Swished(nn.Module):
    """A convolution that one channel of goes far below 0, and what reads it: swish, and what else there is."""

    def __init__(self, also: bool) -> None:
        super().__init__()
        self.first, self.also = nn.Conv2d(3, 8, 1), also
        with torch.no_grad():
            self.first.bias[0] = -300.0

    def forward(self, feature: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        between = self.first(feature)
        return nn.functional.silu(between), between if self.also else feature


@pytest.mark.parametrize(("also", "low"), [(False, SWISH_END), (True, -300.0)])
def test_what_swish_alone_reads_ends_where_swish_is_nothing(also, low):
    """To the steps of the range, and the convolution's own spread around its bias."""
    torch.manual_seed(0)
    feature = torch.randn(1, 3, 64, 64)
    method = Method("forward", Swished(also).eval(), {"feature": feature}, ("out", "rest"))
    with quiet(), torch.no_grad():
        nodes = quantized(method, Recipe("int8", (Rule(("*",), Mode.STATIC),))).graph.nodes
    lows = [
        node.args[1] * (node.args[3] - node.args[2])
        for node in nodes
        if node.target == torch.ops.quantized_decomposed.quantize_per_tensor.default
    ]
    assert min(lows) == pytest.approx(low, rel=0.03)


def test_a_product_reads_a_sigmoid_in_the_scale_of_its_table():
    """Without a way to float and back in between: what is read was rounded once."""
    torch.manual_seed(0)
    method = Method("forward", Swished(False).eval(), {"feature": torch.randn(1, 3, 8, 8)}, ("out", "rest"))
    with quiet(), torch.no_grad():
        nodes = quantized(method, Recipe("int8", (Rule(("*",), Mode.STATIC),))).graph.nodes
    (gate,) = (node for node in nodes if node.target == torch.ops.aten.sigmoid.default)
    (rounded,) = gate.users
    assert rounded.args[1:3] == (1 / 256, -128)
    assert [reader.target for read in rounded.users for reader in read.users] == [torch.ops.aten.mul.Tensor]
