"""ONNX artifacts on disk: weights stored once, damage told in one line, threads as asked."""

import shutil

import numpy as np
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper

from export.backends.onnx.program import WEIGHTS, OnnxProgram, write_graph, write_package
from minivlm.errors import UserError

WIDTH = 32
GENERATOR = np.random.default_rng(0)
LARGE = GENERATOR.standard_normal((WIDTH, WIDTH)).astype(np.float32)  # 4096 bytes: moves into the shared file
OTHER = GENERATOR.standard_normal((WIDTH, WIDTH)).astype(np.float32)
SMALL = GENERATOR.standard_normal(WIDTH).astype(np.float32)  # 128 bytes: stays in the graph


def product(weight: np.ndarray, title: str = "weight", method: str = "forward") -> ModelProto:
    """Return the graph of x @ weight + SMALL, as float32."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", title], ["y"]), helper.make_node("Add", ["y", "bias"], ["z"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, WIDTH])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, WIDTH])],
        [numpy_helper.from_array(weight, title), numpy_helper.from_array(SMALL, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {"method": method})
    return model


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "model.onnxpackage"
    write_package({"first": product(LARGE), "second": product(LARGE, "renamed"), "third": product(OTHER)}, folder)
    return folder


@pytest.fixture
def single(tmp_path):
    path = tmp_path / "model.onnx"
    write_graph(product(LARGE), path)
    return path


class TestPackage:
    def test_equal_weights_are_stored_once_whatever_they_are_called(self, package):
        assert (package / WEIGHTS).stat().st_size == LARGE.nbytes + OTHER.nbytes
        assert sorted(path.name for path in package.iterdir()) == ["first.onnx", "second.onnx", "third.onnx", WEIGHTS]

    @pytest.mark.parametrize(("method", "weight"), [("first", LARGE), ("second", LARGE), ("third", OTHER)])
    def test_each_method_computes_with_its_weights(self, package, method, weight):
        x = torch.linspace(-1.0, 1.0, WIDTH)[None]
        (given,) = OnnxProgram(package, threads=1).run(method, [x])
        expected = x.double().numpy() @ weight.astype(np.float64) + SMALL
        assert np.allclose(given.numpy(), expected, atol=1e-5)  # float32 sums of 32 products of size 1

    def test_the_same_graphs_give_the_same_bytes(self, package, tmp_path):
        again = tmp_path / "again.onnxpackage"
        write_package({"first": product(LARGE), "second": product(LARGE, "renamed"), "third": product(OTHER)}, again)
        assert all((again / path.name).read_bytes() == path.read_bytes() for path in package.iterdir())

    def test_without_graphs_it_is_refused(self, tmp_path):
        (tmp_path / "model.onnxpackage").mkdir()
        with pytest.raises(UserError, match=r"holds no \.onnx graphs: export it again"):
            OnnxProgram(tmp_path / "model.onnxpackage")

    @pytest.mark.parametrize("length", [None, 0, 100])
    def test_without_its_weights_or_with_a_part_of_them_a_method_does_not_load(self, package, length):
        if length is None:
            (package / WEIGHTS).unlink()
        else:
            (package / WEIGHTS).write_bytes((package / WEIGHTS).read_bytes()[:length])
        with pytest.raises(UserError, match="is not a program this runtime can load") as caught:
            OnnxProgram(package).load("first")
        assert "\n" not in str(caught.value)


class TestProgram:
    @pytest.mark.parametrize("content", [b"", b"not a program", bytes(1000)])
    def test_a_file_of_something_else_is_refused_in_one_line(self, tmp_path, content):
        path = tmp_path / "model.onnx"
        path.write_bytes(content)
        with pytest.raises(UserError, match="is not a program this runtime can load") as caught:
            OnnxProgram(path)
        assert "\n" not in str(caught.value)

    def test_a_truncated_file_is_refused(self, single):
        single.write_bytes(single.read_bytes()[:2000])
        with pytest.raises(UserError, match="is not a program this runtime can load"):
            OnnxProgram(single)

    def test_a_file_knows_the_name_of_its_method_wherever_it_lies(self, single, tmp_path):
        moved = shutil.move(single, tmp_path / "other.onnx")
        assert OnnxProgram(moved).methods == ["forward"]

    def test_a_method_that_it_lacks_is_answered_with_those_it_has(self, package):
        program = OnnxProgram(package)
        assert program.methods == ["first", "second", "third"]
        with pytest.raises(UserError, match="no method 'fourth': it has first, second, third"):
            program.run("fourth", [])

    @pytest.mark.parametrize("threads", [1, 2])
    def test_uses_as_many_threads_as_it_says(self, single, threads):
        assert OnnxProgram(single, threads).threads == threads

    def test_takes_a_thread_a_core_by_default(self, single):
        assert OnnxProgram(single).threads >= 1

    def test_no_method_s_threads_go_on_spinning_while_another_runs(self, package):
        """The runtime's own key, of onnxruntime_session_options_config_keys.h."""
        program = OnnxProgram(package)
        for method in program.methods:
            program.load(method)
            options = program._sessions[method].get_session_options()
            assert options.get_session_config_entry("session.force_spinning_stop") == "1"

    def test_outputs_of_one_run_survive_the_next(self, single):
        program = OnnxProgram(single)
        (first,) = program.run("forward", [torch.ones(1, WIDTH)])
        kept = first.clone()
        program.run("forward", [torch.zeros(1, WIDTH)])
        assert torch.equal(first, kept)
