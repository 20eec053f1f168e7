"""Whole numbers of .tflite files: read back as they are, and each operator's sums against what NumPy adds up.

Files are exported, changed in one number, and held against the model.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from export.backends.litert.arithmetic import Operator, integer_layers, norm_before
from export.backends.litert.graph import group_scales, module_of, parsed, signature_graph, tensor_name
from export.backends.litert.layers import watched
from export.backends.litert.quantize import operators
from export.backends.litert.rules import RULES
from export.core.formats import FORMATS, exporter_of
from export.core.integers import IntegerLayer, Integers
from export.core.job import Job, prepare
from export.core.methods import Method
from export.core.precision import MATRICES, Mode, Rule
from export.core.recipe import Recipe
from export.core.request import ExportRequest
from export.verify.arithmetic import verify_arithmetic
from minivlm.console import Steps
from minivlm.images.photos import default_photo
from tests.export.whole_numbers import assert_sums_are_equal

ARTIFACTS = [("tee-tiny", "int8"), ("minilm-tiny", "int8"), ("minilm-tiny", "int4")]


def job_of(model: str, precision: str) -> Job:
    return prepare(ExportRequest("litert", model, precision, None, None, Path(), default_photo()), RULES[precision])


def read(exported: Any, model: str, precision: str) -> Any:
    return parsed(exported(model, "litert", precision).artifact.read_bytes())


def layers_of(model: Any, job: Job) -> list[IntegerLayer]:
    (method,) = job.methods
    return list(integer_layers(model, method))


def failures(model: Any, job: Job) -> list[str]:
    layers = layers_of(model, job)
    decided = job.recipe.decide(dict.fromkeys((one.layer, one.kind) for one in layers if one.weight is not None))
    return [one.name for one in verify_arithmetic(job.methods[0], Integers(decided, layers)) if not one.passed]


@pytest.mark.parametrize("artifact", ARTIFACTS, ids=" ".join)
def test_an_artifact_s_sums_are_equal_whole_number_by_whole_number(artifact, exported):
    job = job_of(*artifact)
    model = read(exported, *artifact)
    assert_sums_are_equal([one.run for one in layers_of(model, job) if one.run is not None])
    assert failures(model, job) == []


def test_a_dynamic_convolution_over_several_cells_rounds_by_one_range_of_its_map(tmp_path: Path) -> None:
    """Expected: LiteRT's own numbers. With a range for each cell, sums of cells would have no scale."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 1))
    image = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    method = Method("forward", net.eval(), {"image": image}, ("map",))
    recipe = Recipe("int8", (Rule(("0",), Mode.DYNAMIC, MATRICES),))
    built = exporter_of(FORMATS["litert"]).build([method], recipe, tmp_path / "net.tflite", Steps(Console(quiet=True)))
    assert built.integers is not None
    (layer,) = (one for one in built.integers(method).layers if one.run is not None)
    assert_sums_are_equal([layer.run])


def placed(model: Any, layer: str) -> tuple[Any, Any, Any]:
    """The operator of a layer that has weights, its graph, and the description of its weights."""
    _, graph = signature_graph(model, "forward")
    for operator in graph.operators:
        one = Operator(model, graph, operator, {})
        if module_of(tensor_name(graph, operator.outputs[0])) == layer and one.weighted:
            return operator, graph, graph.tensors[operator.inputs[1]]
    raise AssertionError(layer)


def scale_halved(model: Any, layer: str) -> None:
    _, _, tensor = placed(model, layer)
    scale = np.array(tensor.quantization.scale, np.float32)
    scale[5] /= 2
    tensor.quantization.scale = scale


def row_shifted(model: Any, layer: str) -> None:
    _, _, tensor = placed(model, layer)
    buffer = model.buffers[tensor.buffer]
    values = np.array(buffer.data, np.uint8).view(np.int8).reshape([int(size) for size in tensor.shape]).copy()
    values[5] -= 1
    buffer.data = values.reshape(-1).view(np.uint8)


def zero_off(model: Any, layer: str) -> None:
    _, _, tensor = placed(model, layer)
    zeros = np.array(tensor.quantization.zeroPoint, np.int64)
    zeros[5] = 1
    tensor.quantization.zeroPoint = zeros


STATIC = "detector.backbone.efficientnet.body.blocks.5.0.conv_pw"
INNER = "detector.backbone.efficientnet.body.blocks.5.1.conv_pw"
"""Reads what no lateral of the BiFPN reads."""
DYNAMIC = "detector.box_head.fc2"
TABLE = "embeddings.words"


@pytest.mark.parametrize("fault", [scale_halved, row_shifted])
@pytest.mark.parametrize(
    ("name", "layer"), [("tee-tiny", STATIC), ("tee-tiny", DYNAMIC), ("minilm-tiny", TABLE)], ids=lambda item: item
)
def test_one_wrong_number_of_a_layer_is_found(
    fault: Callable[[Any, str], None], name: str, layer: str, exported: Any
) -> None:
    model = read(exported, name, "int8")
    fault(model, layer)
    assert failures(model, job_of(name, "int8")) == [f"stored weights: worst difference in steps, {layer}"]


def test_a_zero_of_weights_that_is_one_off_is_found(exported):
    model = read(exported, "minilm-tiny", "int8")
    zero_off(model, TABLE)
    assert f"stored weights: worst difference in steps, {TABLE}" in failures(model, job_of("minilm-tiny", "int8"))


def test_a_scale_of_an_input_that_is_halved_is_found_in_the_bias(exported):
    """A bias is in steps of the input's scale by the weight's: read by half of it, it is half of the model's."""
    model = read(exported, "tee-tiny", "int8")
    operator, graph, _ = placed(model, INNER)
    held = graph.tensors[operator.inputs[0]].quantization
    held.scale = [float(held.scale[0]) / 2]
    bias = graph.tensors[operator.inputs[2]].quantization
    bias.scale = np.array(bias.scale, np.float32) / 2  # the interpreter refuses a bias of another scale
    assert f"stored weights: worst difference in steps, {INNER}" in failures(model, job_of("tee-tiny", "int8"))


def test_one_wrong_scale_of_a_group_is_found(exported):
    model = read(exported, "minilm-tiny", "int4")
    _, graph, tensor = placed(model, "caption_head.decoder")
    buffer = model.buffers[graph.tensors[group_scales(tensor)].buffer]
    scales = np.array(buffer.data, np.uint8).view(np.float16).copy()
    scales[7] /= 2
    buffer.data = scales.view(np.uint8)
    found = failures(model, job_of("minilm-tiny", "int4"))
    assert found == ["stored weights: worst difference in steps, caption_head.decoder"]


def test_the_sums_of_a_static_convolution_are_numpy_s(exported):
    """A convolution of single cells is a product: by integers of NumPy, from the file and the interpreter's tensors."""
    model, job = read(exported, "tee-tiny", "int8"), job_of("tee-tiny", "int8")
    operator, graph, tensor = placed(model, STATIC)
    values = dict(watched(model, job.methods[0]))
    source, weight, bias = (graph.tensors[index] for index in operator.inputs)
    out = graph.tensors[operator.outputs[0]]
    rows = values[int(operator.inputs[0])].astype(np.int64) - int(source.quantization.zeroPoint[0])
    matrix = np.array(model.buffers[weight.buffer].data, np.uint8).view(np.int8).astype(np.int64)
    added = np.array(model.buffers[bias.buffer].data, np.uint8).view(np.int32).astype(np.int64)
    sums = rows @ matrix.reshape(len(added), -1).T + added
    scale = np.float64(np.float32(source.quantization.scale[0])) * np.asarray(tensor.quantization.scale, np.float64)
    whole = np.rint(sums * scale / np.float64(np.float32(out.quantization.scale[0]))) + int(
        out.quantization.zeroPoint[0]
    )
    expected = np.clip(whole, -128, 127)
    (one,) = [item for item in layers_of(model, job) if item.layer == STATIC]
    np.testing.assert_array_equal(one.run.expected.numpy(), expected)
    np.testing.assert_array_equal(one.run.given.numpy(), expected)


def test_the_file_s_own_operators_are_those_that_are_judged(exported):
    path = exported("minilm-tiny", "litert", "int8").artifact
    weighted = {item.module for item in operators(path.read_bytes(), "forward") if item.stored is not None}
    judged = {one.layer for one in layers_of(parsed(path.read_bytes()), job_of("minilm-tiny", "int8"))}
    assert {"embeddings.words", "encoder.layers.1.attention.query", "caption_head.decoder"} <= weighted & judged


@pytest.mark.parametrize(
    ("layer", "regions", "norm"),
    [
        ("transformer.encoder.layers.0.intermediate", True, "transformer.encoder.layers.0.attention_norm"),
        ("encoder.layers.3.attention.key", True, "encoder.layers.2.output_norm"),
        ("encoder.layers.0.attention.query", False, "embeddings.norm"),
        ("encoder.layers.0.attention.query", True, ""),  # rows of regions come in between
        ("encoder.layers.1.output", True, ""),
        ("caption_head.decoder", False, ""),
    ],
)
def test_a_layer_norm_whose_rows_go_into_a_layer_alone_is_known(layer, regions, norm):
    inputs = {"regions": torch.zeros(1)} if regions else {"last_token": torch.zeros(1)}
    assert norm_before(Method("step", torch.nn.Identity(), inputs, ("y",)), layer) == norm
