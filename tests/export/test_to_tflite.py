"""Export to LiteRT from the command line to a file that is proven and described, in all three precisions."""

import json

import pytest
import torch

from export.backends.litert.convert import convert
from export.backends.litert.graph import graphs, kind, module_of, packed, parsed, tensor_name
from export.backends.litert.layers import layers, tensors
from export.backends.litert.program import LiteRTProgram
from export.backends.litert.quantize import operators, quantize
from export.backends.litert.rules import RULES
from export.core.calibration import calibration_set
from export.core.catalogue import fusion_method, regions_method
from export.core.methods import Method
from export.core.precision import Decision, in_float, kept_in_float
from export.core.recipe import Recipe
from export.verify.comparison import compare, run_reference
from export.verify.layers import weakest_layer
from export.verify.tolerances import TOLERANCES, beside_arithmetic
from minivlm.images.photos import default_photo
from minivlm.weights.loading import create_model

INT8, FLOAT = 9, 0
"""Element types by the numbers of the .tflite schema."""


@pytest.fixture(scope="module")
def finder() -> Method:
    return regions_method("forward", create_model("tee-tiny"), None, default_photo())


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    config = create_model("tee-tiny").config
    rules = (*kept_in_float(["blocks.5.*"]), *RULES["int8"])
    return Recipe("int8", rules, calibration_set(None, 2, config, config.image_size))


@pytest.fixture(scope="module")
def converted(exported) -> bytes:
    return exported("tee-tiny", "litert").artifact.read_bytes()


@pytest.fixture(scope="module")
def quantized(converted, finder, recipe) -> tuple[bytes, list[Decision]]:
    return quantize(converted, [finder], recipe)


@pytest.mark.parametrize("model", ["tee-tiny", "minilm-tiny"])
class TestFloat:
    def test_leaves_the_artifact_and_its_sidecar(self, exported, model):
        made = exported(model, "litert")
        assert sorted(path.name for path in made.artifact.parent.iterdir()) == [made.sidecar.name, made.artifact.name]
        assert made.artifact.name == f"{model}-litert-fp32.tflite"

    def test_keeps_every_bound_and_leaves_nearly_all_work_to_xnnpack(self, exported, model):
        (method,) = json.loads(exported(model, "litert").sidecar.read_text())["methods"]
        assert len(method["parity"]) >= 2
        assert all((f["value"] >= f["bound"]) is f["at_least"] for f in method["parity"] if f["value"] != f["bound"])
        assert method["delegated_macs"] > 0.9

    def test_holds_each_weight_once(self, exported, model):
        weights = sum(value.numel() * 4 for value in create_model(model).parameters())
        assert exported(model, "litert").artifact.stat().st_size < 1.1 * weights + 400_000  # 600 operators' description


def test_regions_of_another_photo_equal_pytorch_s(exported):
    method = regions_method("forward", create_model("tee-tiny"), None, default_photo().with_name("flower.jpg"))
    given = LiteRTProgram(exported("tee-tiny", "litert").artifact).run("forward", method.example)
    metrics = compare(method, run_reference(method, method.example), given, TOLERANCES["fp32"])
    assert all(metric.passed for metric in metrics), [str(metric) for metric in metrics]


def test_a_photo_with_few_regions_fills_the_rows_as_pytorch_does(exported, finder):
    example = (finder.inputs["image"], torch.tensor([3.0, 4.0]))  # as if the photo had 3 x 4 pixels
    expected = dict(zip(finder.outputs, finder.module(*example), strict=True))
    program = LiteRTProgram(exported("tee-tiny", "litert").artifact)
    given = dict(zip(finder.outputs, program.run("forward", example), strict=True))
    scores, given_scores = expected["scores"], given["scores"]
    assert 0 < (scores > 0.0).sum() < 10
    assert torch.equal(scores > 0.0, given_scores > 0.0)
    torch.testing.assert_close(given["proposals"], expected["proposals"], atol=1e-3, rtol=0)  # a thousandth of a pixel


def test_the_same_model_converts_to_the_same_bytes(exported):
    content = exported("minilm-tiny", "litert").artifact.read_bytes()
    assert convert([fusion_method("forward", create_model("minilm-tiny"))]) == content


def test_tensors_are_named_after_the_modules_that_compute_them(converted, finder):
    modules = dict(finder.module.named_modules())
    convolutions = [item for item in operators(converted, "forward") if "CONV_2D" in item.kind]
    named = {item.module for item in convolutions if isinstance(modules.get(item.module), torch.nn.Conv2d)}
    # Lists are not called, so that both of these would be "3" by the converter's names.
    for node in ("top_down.3", "bottom_up.3"):
        assert f"detector.backbone.bifpn.cells.0.{node}.depthwise" in named
    # Those of squeeze-and-excitation stand in a module that takes timm's place.
    assert all(item.module in modules or ".se." in item.module for item in convolutions)


class TestInt8:
    def test_a_transformer_s_tables_and_matrices_are_stored_in_8_bits(self, exported):
        made = exported("minilm-tiny", "litert", "int8")
        content = made.artifact.read_bytes()
        stored = {item.kind: item.stored for item in operators(content, "forward") if item.stored is not None}
        assert stored["FULLY_CONNECTED"] == stored["EMBEDDING_LOOKUP"] == INT8
        assert json.loads(made.sidecar.read_text())["kept_float"] == []
        assert "FAILED" not in made.stdout

    def test_late_blocks_run_in_int8_and_what_decides_boxes_in_float(self, quantized):
        content, _ = quantized
        model = parsed(content)
        graph = dict(graphs(model))["forward"]
        types = {
            module_of(tensor_name(graph, operator.outputs[0])): graph.tensors[operator.outputs[0]].type
            for operator in graph.operators
            if kind(model, operator) in ("CONV_2D", "FULLY_CONNECTED")
        }
        assert types["detector.backbone.efficientnet.body.blocks.4.0.conv_pw"] == INT8
        for module in ("detector.rpn.deltas", "detector.rpn.objectness", "detector.box_head.deltas"):
            assert types[module] == FLOAT

    def test_names_what_stays_in_float_among_it_what_was_asked(self, quantized, converted, finder):
        content, decisions = quantized
        kept = in_float(decisions)
        stored = {item.module: item.stored for item in operators(content, "forward") if item.macs}
        assert kept == sorted(module for module, dtype in stored.items() if dtype == FLOAT)
        assert {"detector.rpn.deltas", "detector.backbone.efficientnet.body.conv_stem"} <= set(kept)
        assert any("blocks.5.0" in name for name in kept)
        assert not any("blocks.6.0.conv_pw" in name for name in kept)

    def test_the_same_photos_give_the_same_bytes(self, quantized, converted, finder, recipe):
        assert quantize(converted, [finder], recipe)[0] == quantized[0]

    def test_is_smaller_and_finds_what_the_bounds_ask(self, quantized, converted, finder, tmp_path):
        path = tmp_path / "model.tflite"
        path.write_bytes(quantized[0])
        assert len(quantized[0]) < 0.7 * len(converted)  # 0.64 measured, with block 5 in float
        metrics = compare(
            finder,
            run_reference(finder, finder.example),
            LiteRTProgram(path).run("forward", finder.example),
            beside_arithmetic(TOLERANCES["int8"]),
        )
        assert all(metric.passed for metric in metrics), [str(metric) for metric in metrics]


class TestWeakestLayer:
    def test_is_the_one_whose_weights_were_damaged(self, converted, finder):
        model = parsed(converted)
        graph = dict(graphs(model))["forward"]
        victim = "detector.backbone.efficientnet.body.blocks.4.0.conv_pwl"
        operator = next(
            item
            for item in graph.operators
            if module_of(tensor_name(graph, item.outputs[0])) == victim and kind(model, item) == "CONV_2D"
        )
        weights = model.buffers[graph.tensors[operator.inputs[1]].buffer]
        weights.data = bytes(len(weights.data))
        assert weakest_layer(finder, layers(converted, packed(model), finder)) == victim

    def test_is_none_where_nothing_differs(self, converted, finder):
        assert weakest_layer(finder, layers(converted, converted, finder)) is None

    def test_sees_int8_tensors_as_the_numbers_they_stand_for(self, quantized, converted, finder):
        expected, given = (dict(tensors(content, finder)) for content in (converted, quantized[0]))
        name = next(name for name in given if "blocks.4.0.conv_pw:" in name and name in expected)
        assert torch.corrcoef(torch.stack([expected[name].flatten(), given[name].flatten()]))[0, 1] > 0.9


def test_fp16_weights_are_half_as_large_and_prove_true(converted, finder, tmp_path):
    content, decisions = quantize(converted, [finder], Recipe("fp16", RULES["fp16"]))
    assert in_float(decisions) == []
    assert len(content) < 0.6 * len(converted)
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    given = LiteRTProgram(path).run("forward", finder.example)
    metrics = compare(finder, run_reference(finder, finder.example), given, TOLERANCES["fp16"])
    assert all(metric.passed for metric in metrics), [str(metric) for metric in metrics]

    def test_is_not_looked_for_behind_the_selection_where_a_row_may_be_another_box_s(self, converted, finder):
        model = parsed(converted)
        graph = dict(graphs(model))["forward"]
        operator = next(
            item
            for item in graph.operators
            if module_of(tensor_name(graph, item.outputs[0])) == "detector.box_head.fc1"
        )
        weights = model.buffers[graph.tensors[operator.inputs[1]].buffer]
        weights.data = bytes(len(weights.data))
        assert weakest_layer(finder, layers(converted, packed(model), finder)) is None
