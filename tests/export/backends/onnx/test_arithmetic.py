"""Whole numbers of ONNX files: read back as they are, and each operator's sums against what NumPy adds up.

Files are exported, changed in one number, and held against the model.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from export.backends.onnx import arithmetic
from export.backends.onnx.arithmetic import integer_layers, rounded_input
from export.backends.onnx.exporter import integers
from export.backends.onnx.quantize import calibration_samples
from export.backends.onnx.rules import RULES
from export.backends.onnx.values import watch
from export.core.integers import IntegerLayer
from export.core.job import Job, prepare
from export.core.precision import Kind
from export.core.request import ExportRequest
from export.verify.arithmetic import verify_arithmetic
from minivlm.images.photos import default_photo
from tests.export.whole_numbers import assert_sums_are_equal

ARTIFACTS = [("tee-tiny", "int8"), ("minilm-tiny", "int8"), ("minilm-tiny", "int4")]


def job_of(model: str, precision: str) -> Job:
    request = ExportRequest("onnx", model, precision, None, None, Path(), default_photo())
    return prepare(request, RULES[precision])


def layers_of(path: Path, job: Job) -> list[IntegerLayer]:
    (method,) = job.methods
    samples = calibration_samples(method, job.recipe) if method.detector else []
    return list(integer_layers(onnx.load(path), method, samples))


def failures(path: Path, job: Job) -> list[str]:
    (method,) = job.methods
    found = [(one.layer, one.kind) for one in layers_of(path, job)]
    decided = {method.name: job.recipe.decide(dict.fromkeys(found))}
    metrics = verify_arithmetic(method, integers(path, job.recipe, decided, method))
    return [metric.name for metric in metrics if not metric.passed]


@pytest.fixture(params=ARTIFACTS, ids=" ".join)
def artifact(request, exported) -> tuple[Path, Job]:
    model, precision = request.param
    return exported(model, "onnx", precision).artifact, job_of(model, precision)


def test_an_artifact_s_sums_are_equal_whole_number_by_whole_number(artifact):
    path, job = artifact
    assert_sums_are_equal([one.run for one in layers_of(path, job) if one.run is not None])
    assert failures(path, job) == []


def changed(path: Path, folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> Path:
    """Copy a file with its constants changed by name."""
    model = onnx.load(path)
    tensors = {item.name: numpy_helper.to_array(item).copy() for item in model.graph.initializer}
    before = {name: array.copy() for name, array in tensors.items()}
    change(tensors)
    for item in model.graph.initializer:
        if not np.array_equal(before[item.name], tensors[item.name]):
            item.CopyFrom(numpy_helper.from_array(tensors[item.name], item.name))
    onnx.save(model, folder / "changed.onnx")
    return folder / "changed.onnx"


FC2 = "detector.box_head.fc2"


def scale_halved(tensors):
    tensors[f"{FC2}.weight_scale"][5] /= 2


def row_shifted(tensors):
    tensors[f"{FC2}.weight_quantized"][5] -= 1


def zero_off(tensors):
    tensors[f"{FC2}.weight_zero_point"][5] += 1


def bias_shifted(tensors):
    tensors[f"{FC2}.bias_quantized"][5] += 1


@pytest.mark.parametrize("fault", [scale_halved, row_shifted, zero_off, bias_shifted])
def test_one_wrong_number_of_a_static_layer_is_found(fault, exported, tmp_path):
    path = changed(exported("tee-tiny", "onnx", "int8").artifact, tmp_path, fault)
    assert f"stored weights: worst difference in steps, {FC2}" in failures(path, job_of("tee-tiny", "int8"))


POINTWISE = "detector.backbone.efficientnet.body.blocks.3.0.conv_pw.weight"


def pointwise_row_shifted(tensors):
    tensors[f"{POINTWISE}_int8"][5] -= 1


def pointwise_scale_halved(tensors):
    tensors[f"{POINTWISE}_scale"][5] /= 2


@pytest.mark.parametrize("fault", [pointwise_row_shifted, pointwise_scale_halved])
def test_it_is_found_among_weights_that_were_rounded_for_their_inputs(fault, exported, tmp_path):
    path = changed(exported("tee-tiny", "onnx", "int8").artifact, tmp_path, fault)
    name = f"weights rounded for their inputs: worst difference in steps, {POINTWISE.removesuffix('.weight')}"
    assert name in failures(path, job_of("tee-tiny", "int8"))


def decoder(tensors, part):
    """A constant of the last matrix, which alone has as many rows as there are words."""
    return next(array for name, array in tensors.items() if name.endswith(part) and 400 in array.shape[-1:])


def decoder_scale_halved(tensors):
    decoder(tensors, "_scale")[7] /= 2


def decoder_row_shifted(tensors):
    decoder(tensors, "_quantized")[:, 7] -= 1


def decoder_zero_off(tensors):
    decoder(tensors, "_zero_point")[7] = 1


@pytest.mark.parametrize("fault", [decoder_scale_halved, decoder_row_shifted, decoder_zero_off])
def test_one_wrong_number_of_a_dynamic_layer_is_found(fault, exported, tmp_path):
    path = changed(exported("minilm-tiny", "onnx", "int8").artifact, tmp_path, fault)
    found = failures(path, job_of("minilm-tiny", "int8"))
    assert found == ["stored weights: worst difference in steps, caption_head.decoder"]


def test_one_wrong_scale_of_a_group_is_found(exported, tmp_path):
    def fault(tensors):
        next(array for name, array in tensors.items() if name.endswith("_scales") and len(array) == 400)[7] /= 2

    path = changed(exported("minilm-tiny", "onnx", "int4").artifact, tmp_path, fault)
    (found,) = failures(path, job_of("minilm-tiny", "int4"))
    assert found.startswith("stored weights: worst difference in steps, ")


def test_numbers_that_are_read_by_another_scale_than_they_were_written_by_are_found(exported, tmp_path):
    """DequantizeLinear with a zero of its own, one off: all that goes into the layer is one step too low."""
    model = onnx.load(exported("tee-tiny", "onnx", "int8").artifact)
    gemm = next(node for node in model.graph.node if node.name == f"{FC2}/Gemm")
    reading = next(node for node in model.graph.node if gemm.input[0] in node.output)
    zero = next(item for item in model.graph.initializer if item.name == reading.input[2])
    value = numpy_helper.to_array(zero) + np.uint8(1)
    model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.uint8), "other"))
    reading.input[2] = "other"
    onnx.save(model, tmp_path / "changed.onnx")
    found = failures(tmp_path / "changed.onnx", job_of("tee-tiny", "int8"))
    assert found == [f"integer arithmetic: worst difference in steps, {FC2}"]


def test_inputs_are_rounded_as_the_standard_says():
    """By ONNX's own reference implementation."""
    values = np.random.default_rng(0).standard_normal((50, 40)).astype(np.float32)
    node = helper.make_node("DynamicQuantizeLinear", ["x"], ["whole", "scale", "zero"])
    ends = [helper.make_tensor_value_info(name, kind, None) for name, kind in (("x", 1), ("whole", 2))]
    more = [helper.make_tensor_value_info("scale", 1, []), helper.make_tensor_value_info("zero", 2, [])]
    graph = helper.make_graph([node], "rounding", ends[:1], [ends[1], *more])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    whole, scale, zero = ReferenceEvaluator(model).run(None, {"x": values})
    found, step = rounded_input(torch.from_numpy(values))
    np.testing.assert_array_equal(found.numpy(), whole.astype(int) - int(zero))
    assert float(step) == pytest.approx(float(scale), rel=1e-7)


def test_the_sums_of_a_static_layer_are_numpy_s(exported, monkeypatch):
    """By integers of NumPy from the file's own constants and what went into the layer in the very run."""
    path, runs = exported("tee-tiny", "onnx", "int8").artifact, []
    monkeypatch.setattr(arithmetic, "watch", lambda *told: runs.append(watch(*told)) or runs[-1])
    (one,) = [one for one in layers_of(path, job_of("tee-tiny", "int8")) if one.layer == FC2]
    model = onnx.load(path)
    tensors = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    gemm = next(node for node in model.graph.node if node.name == f"{FC2}/Gemm")
    reading = next(node for node in model.graph.node if gemm.input[0] in node.output)
    writing = next(
        node for node in model.graph.node if node.op_type == "QuantizeLinear" and gemm.output[0] in node.input
    )
    (s_in, z_in), (s_out, z_out) = ([tensors[name] for name in node.input[1:3]] for node in (reading, writing))
    rows = runs[-1][reading.input[0]].numpy().astype(np.int64) - int(z_in)
    sums = rows @ tensors[f"{FC2}.weight_quantized"].astype(np.int64).T + tensors[f"{FC2}.bias_quantized"].astype(
        np.int64
    )
    real = sums * (s_in.astype(np.float64) * tensors[f"{FC2}.weight_scale"].astype(np.float64))
    whole = np.clip(np.rint(real / np.float64(s_out)) + int(z_out), 0, 255) - int(z_out)
    np.testing.assert_allclose(one.run.expected.numpy(), whole * np.float64(s_out), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(np.rint(one.run.given.numpy() / s_out), whole)


def test_every_kind_of_layer_is_there(exported):
    kinds = {one.kind for one in layers_of(exported("tee-tiny", "onnx", "int8").artifact, job_of("tee-tiny", "int8"))}
    assert kinds == {Kind.CONVOLUTION, Kind.DEPTHWISE, Kind.LINEAR, Kind.EMBEDDING}
