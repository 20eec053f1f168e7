"""Whole numbers of Core ML packages: read back as they are, and each operator's sums against what NumPy adds up.

Packages are exported, changed in one number as it is read, and held against the model. Two more are made by hand.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.backends.coreml.arithmetic import around, factor, integer_layers
from export.backends.coreml.convert import layer_of
from export.backends.coreml.exporter import integers
from export.backends.coreml.quantize import SMALLEST, kind_of, stored_layers
from export.backends.coreml.rules import RULES
from export.core.integers import Integers
from export.core.job import Job, prepare
from export.core.precision import Kind
from export.core.request import ExportRequest
from export.mil.executor import read_functions
from export.verify.arithmetic import verify_arithmetic
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.quiet import quiet
from minivlm.vision.bifpn import WeightedSum

ARTIFACTS = [("tee-tiny", "int8"), ("minilm-tiny", "int8"), ("minilm-tiny", "int4")]
WEIGHTS, OUTPUTS = "stored weights: worst difference in steps", "integer arithmetic: worst difference in steps"
FLOATS = "float weights: worst difference"
STATIC = "detector.box_head.fc2"
FLOATED = "caption_head.decoder"
TABLE = "embeddings.words"


def job_of(model: str, precision: str) -> Job:
    return prepare(ExportRequest("coreml", model, precision, None, None, Path(), default_photo()), RULES[precision])


def read(exported: Any, model: str, precision: str) -> Any:
    with quiet():
        return read_functions(exported(model, "coreml", precision).artifact)["forward"]


def metrics(function: Any, job: Job) -> list[Any]:
    """Hold a function against its model; what a rule decides about is found by size, however it is stored."""
    (method,) = job.methods
    found = {
        (name, kind_of(operation)): None
        for name, operation, weight in stored_layers(function, method.module)
        if np.prod(weight.outputs[0].shape) >= SMALLEST
    }
    return verify_arithmetic(method, Integers(job.recipe.decide(found), integer_layers(function, method)))


def failures(function: Any, job: Job) -> list[str]:
    return [metric.name for metric in metrics(function, job) if not metric.passed]


@pytest.mark.parametrize("artifact", ARTIFACTS, ids=" ".join)
def test_an_artifact_s_whole_numbers_are_those_of_the_model(artifact, exported):
    """float16 rounds each factor and the result to 11 bits, half a step of an input in all; int64 would leave 0."""
    job = job_of(*artifact)
    found = {metric.name: metric for metric in metrics(read(exported, *artifact), job)}
    assert [name for name, metric in found.items() if not metric.passed] == []
    assert 0.4 < found[WEIGHTS].value <= 0.5 + 1e-4
    assert found[OUTPUTS].value < 0.5
    assert found["layers simulated in whole numbers"].value > 5


def test_the_exporter_tells_what_it_decided_and_what_the_file_holds(exported):
    """Nothing is simulated but what a rule has rounded, and every kind of layer is there."""
    job = job_of("tee-tiny", "int8")
    (method,) = job.methods
    function = read(exported, "tee-tiny", "int8")
    decided = job.recipe.decide((name, kind_of(one)) for name, one, _ in stored_layers(function, method.module))
    with quiet():
        told = integers(exported("tee-tiny", "coreml", "int8").artifact, {"forward": decided}, method)
        layers = list(told.layers)
    assert told.decisions == decided
    assert {one.kind for one in layers} >= {Kind.CONVOLUTION, Kind.DEPTHWISE, Kind.LINEAR}
    assert all((one.run is None) is (one.weight.bits == 32) for one in layers)


def placed(function: Any, job: Job, layer: str) -> tuple[Any, Any]:
    """A layer's operation and that of its weight."""
    found = stored_layers(function, job.methods[0].module)
    return next((operation, weight) for name, operation, weight in found if name == layer)


def put(variable: Any, change: Callable[[Any], Any]) -> None:
    """Change a constant that was read from a file."""
    variable._sym_val.val = change(np.array(variable.val))


def by_row(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def changed(values: Any) -> Any:
        values[5] = change(values[5])
        return values

    return changed


def scale_halved(operation: Any, weight: Any) -> None:
    put(weight.inputs["scale"], by_row(lambda scale: scale / 2))


def row_shifted(operation: Any, weight: Any) -> None:
    put(weight.inputs["data"], by_row(lambda row: row - (row > -127)))


@pytest.mark.parametrize("fault", [scale_halved, row_shifted])
@pytest.mark.parametrize(
    ("artifact", "layer"),
    [(ARTIFACTS[0], STATIC), (ARTIFACTS[1], FLOATED), (ARTIFACTS[1], TABLE), (ARTIFACTS[2], FLOATED)],
    ids=str,
)
def test_one_wrong_number_of_a_layer_is_found(fault, artifact, layer, exported):
    function, job = read(exported, *artifact), job_of(*artifact)
    fault(*placed(function, job, layer))
    assert failures(function, job) == [f"{WEIGHTS}, {layer}"]


@pytest.mark.parametrize("layer", [STATIC, "detector.backbone.efficientnet.body.blocks.0.0.conv_pw"])
def test_one_bias_that_was_changed_is_found(layer, exported):
    """By a thousandth of the largest: float16 tells a two-thousandth."""
    function, job = read(exported, *ARTIFACTS[0]), job_of(*ARTIFACTS[0])
    operation, _ = placed(function, job, layer)
    put(operation.inputs["bias"], by_row(lambda bias: bias + 1e-3 * abs(operation.inputs["bias"].val).max()))
    assert failures(function, job) == [f"{FLOATS}, {layer}"]


def test_one_weight_of_a_layer_in_float_that_was_changed_is_found(exported):
    function, job = read(exported, *ARTIFACTS[0]), job_of(*ARTIFACTS[0])
    layer = "detector.backbone.efficientnet.body.conv_stem"
    _, weight = placed(function, job, layer)
    put(weight.outputs[0], by_row(lambda row: row * 1.01))
    assert failures(function, job) == [f"{FLOATS}, {layer}"]


def test_numbers_that_are_read_by_another_scale_than_they_were_written_by_are_found(exported):
    """All that goes into the layer is half of what it was."""
    function, job = read(exported, *ARTIFACTS[0]), job_of(*ARTIFACTS[0])
    operation, _ = placed(function, job, STATIC)
    reading, writing = operation.inputs["x"].op, operation.inputs["x"].op.inputs["input"].op
    assert (reading.op_type, writing.op_type) == ("dequantize", "quantize")
    put(reading.inputs["scale"], lambda scale: scale / 2)
    put(writing.inputs["scale"], lambda scale: scale)  # a constant of its own or the same one: as it was
    assert failures(function, job) == [f"{OUTPUTS}, {STATIC}"]


def test_a_lateral_keeps_its_name_though_a_weighted_sum_s_share_went_into_its_weights(exported):
    """The converter multiplies its weights with the share and names it after the sum's product."""
    function, job = read(exported, *ARTIFACTS[0]), job_of(*ARTIFACTS[0])
    layer = "detector.backbone.bifpn.laterals.1.0"
    operation, _ = placed(function, job, layer)
    assert "fusion" in operation.outputs[0].name
    modules = dict(job.methods[0].module.named_modules())
    fusion = modules[layer_of(operation.outputs[0].name)]
    assert isinstance(fusion, WeightedSum)
    (first, *_) = fusion.frozen().weights
    assert 0.0 < first < 1.0
    assert factor(operation, layer, modules) == first
    assert factor(placed(function, job, STATIC)[0], STATIC, modules) == 1.0


def test_padding_that_hangs_on_the_map_is_refused_in_one_line():
    with pytest.raises(UserError, match=r"padded by 'same' and nothing simulates it: .* --keep-float") as refused:
        around({"pad_type": "same"})
    assert "\n" not in str(refused.value)
