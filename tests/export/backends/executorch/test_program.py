"""Lowering and running: what stays outside delegates is counted, and what cannot be run is said."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from export.backends.executorch.convert import export_program, lower
from export.backends.executorch.partition import graph_macs
from export.backends.executorch.program import ExecuTorchProgram
from export.core.methods import Method
from export.core.precision import Mode, Rule
from export.core.recipe import Recipe
from minivlm.errors import UserError
from minivlm.quiet import quiet

STATIC = (Rule(("*",), Mode.STATIC),)


def edge_graph(module: nn.Module, *example: Tensor) -> torch.fx.GraphModule:
    """The graph in ExecuTorch's dialect with nothing delegated."""
    from executorch.exir import to_edge_transform_and_lower

    with quiet():
        edge = to_edge_transform_and_lower({"forward": torch.export.export(module.eval(), example)}, partitioner={})
    return edge.exported_program("forward").graph_module


class TestGraphMacs:
    def test_counts_convolutions_and_linear_layers(self):
        network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 5 * 6, 7))
        # 30 cells of 3 x 3 x 3 x 8, and 240 x 7.
        assert graph_macs(edge_graph(network, torch.zeros(1, 3, 5, 6))) == 30 * 27 * 8 + 240 * 7

    def test_counts_both_products_of_attention(self):
        class Attention(nn.Module):
            def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
                return torch.softmax(query @ key.transpose(1, 2), dim=2) @ value

        assert graph_macs(edge_graph(Attention(), *torch.zeros(3, 4, 10, 6))) == 2 * 4 * 10 * 10 * 6

    def test_element_wise_work_does_not_count(self):
        assert graph_macs(edge_graph(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(2)), torch.zeros(1, 2, 4, 4))) == 0


class OneResult(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (self.network(x),)


class TestOutputs:
    @pytest.fixture
    def doubling(self, tmp_path) -> ExecuTorchProgram:
        class Doubling(nn.Module):
            def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
                return x + x, (x + x).sum().reshape(1)

        method = Method("forward", Doubling().eval(), {"x": torch.zeros(300, 200)}, ("doubled", "total"))
        recipe = Recipe("fp32")
        lowered = lower([method], {"forward": export_program(method, recipe)}, recipe)
        (tmp_path / "doubling.pte").write_bytes(lowered.content)
        return ExecuTorchProgram(tmp_path / "doubling.pte")

    def test_of_a_run_stay_when_the_next_one_writes_into_the_runtime_s_memory(self, doubling):
        first = doubling.run("forward", [torch.ones(300, 200)])
        second = doubling.run("forward", [torch.full((300, 200), 2.0)])
        assert (first[0] == 2.0).all()
        assert (second[0] == 4.0).all()
        assert [total.item() for _, total in (first, second)] == [120_000.0, 240_000.0]

    def test_are_copied_without_pytorch_s_threads(self, doubling):
        """60,000 numbers are more than the 32,768 from which on it shares a copy among them."""
        seen = []

        class Watching(TorchDispatchMode):
            def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
                seen.append(str(operator))
                return operator(*args, **(kwargs or {}))

        given = torch.ones(300, 200)
        with Watching():
            doubling.run("forward", [given])
        assert not [name for name in seen if "clone" in name or "copy" in name]


class TestHalf:
    def test_layer_norm_of_large_rows_is_what_its_formula_says(self, tmp_path):
        """Normal numbers come out of a LayerNorm as they went in, whatever they were multiplied by; float16 has 2^-11.

        The kernel's own float16 sums squares of these beyond 65,504.
        """
        rows = torch.randn(4, 256, generator=torch.Generator().manual_seed(0))
        expected = (rows - rows.mean(1, keepdim=True)) / rows.std(1, unbiased=False, keepdim=True)
        method = Method("forward", OneResult(nn.Sequential(nn.LayerNorm(256))).eval(), {"x": 20.0 * rows}, ("y",))
        with quiet():
            lowered = lower([method], {"forward": export_program(method, Recipe("fp16"))}, Recipe("fp16"))
        with (tmp_path / "norm.pte").open("wb") as file:
            lowered.program.write_to_file(file)
        (given,) = ExecuTorchProgram(tmp_path / "norm.pte").run("forward", [20.0 * rows])
        torch.testing.assert_close(given, expected, rtol=2**-9, atol=2**-9)

    def test_convolutions_with_swish_between_them_are_one_piece(self):
        network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 8, 1), nn.SiLU()).eval()
        method = Method("forward", OneResult(network), {"x": torch.zeros(1, 3, 8, 8)}, ("y",))
        with quiet():
            lowered = lower([method], {"forward": export_program(method, Recipe("fp16"))}, Recipe("fp16"))
        (plan,) = lowered.program.executorch_program.execution_plan
        assert [delegate.id for delegate in plan.delegates] == ["XnnpackBackend"]


def test_a_channel_of_an_int8_convolution_without_weights_keeps_its_bias(tmp_path):
    """To half a step of what ReLU6 leaves; in steps of 2**-30, of which int32 has too few, nothing was left of it."""
    network = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU6())
    with torch.no_grad():
        network[0].weight.copy_(torch.randn(8, 8, 1, 1, generator=torch.Generator().manual_seed(0)))
        network[0].weight[0] = 0.0
        network[0].bias.fill_(2.0)
    x = torch.randn(1, 8, 6, 6, generator=torch.Generator().manual_seed(1))
    method, recipe = Method("forward", OneResult(network).eval(), {"x": x}, ("y",)), Recipe("int8", STATIC)
    with quiet():
        lowered = lower([method], {"forward": export_program(method, recipe)}, recipe)
    with (tmp_path / "layer.pte").open("wb") as file:
        lowered.program.write_to_file(file)
    (given,) = ExecuTorchProgram(tmp_path / "layer.pte").run("forward", [x])
    assert (given[:, 0] - 2.0).abs().max() <= 0.51 * 6 / 255


class TestProgram:
    @pytest.mark.parametrize("content", [b"", b"not a program", bytes(1000)])
    def test_a_file_of_something_else_is_refused_in_one_line(self, tmp_path, content):
        path = tmp_path / "model.pte"
        path.write_bytes(content)
        with pytest.raises(UserError, match="is not a program this runtime can load") as caught:
            ExecuTorchProgram(path)
        assert "\n" not in str(caught.value)

    def test_a_truncated_file_is_refused(self, exported, tmp_path):
        path = tmp_path / "model.pte"
        path.write_bytes(exported("minilm-tiny").artifact.read_bytes()[:5000])
        with pytest.raises(UserError, match="is not a program this runtime can load"):
            ExecuTorchProgram(path)

    @pytest.mark.parametrize("first", range(0, 64, 4))
    def test_damaged_first_bytes_never_end_the_process(self, exported, tmp_path, first):
        """A file without a sidecar has no hash to be told by."""
        content = bytearray(exported("minilm-tiny").artifact.read_bytes())
        content[first : first + 4] = b"\xff\xff\xff\xff"
        path = tmp_path / "model.pte"
        path.write_bytes(content)
        with pytest.raises(UserError, match="is not a program this runtime can load") as caught:
            ExecuTorchProgram(path)
        assert "\n" not in str(caught.value)

    def test_a_method_that_it_lacks_is_answered_with_those_it_has(self, exported):
        program = ExecuTorchProgram(exported("minilm-tiny").artifact)
        assert program.methods == ["forward"]
        with pytest.raises(UserError, match="no method 'backward': it has forward"):
            program.run("backward", [])

    @pytest.mark.parametrize("threads", [1, 2])
    def test_uses_as_many_threads_as_it_says(self, exported, threads):
        assert ExecuTorchProgram(exported("minilm-tiny").artifact, threads).threads == threads

    def test_its_planned_memory_is_that_of_the_methods_loaded_so_far(self, exported):
        program = ExecuTorchProgram(exported("tee-tiny").artifact)
        assert program.planned_bytes == 0
        program.load("forward")
        # At least the image and the widest map must be there: 3 x 128 x 128 floats, and no more than ten such maps.
        assert 4 * 3 * 128 * 128 <= program.planned_bytes <= 10 * 4 * 3 * 128 * 128
