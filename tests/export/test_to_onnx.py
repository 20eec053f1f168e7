"""Export to ONNX from the command line to an artifact that is proven, described and usable."""

import json

import onnx
import pytest
import torch

from export.backends.onnx.convert import layer_of
from export.backends.onnx.program import WEIGHTS, OnnxProgram
from export.core.catalogue import regions_method
from export.core.sidecar import Sidecar, labels_folder
from export.verify.comparison import compare, run_reference
from export.verify.tolerances import TOLERANCES
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.storage.files import sha256, size_bytes
from minivlm.weights.labels import read_labels
from minivlm.weights.loading import create_model
from tests.tiny import CONFIG

MADE = [
    ("tee-tiny", "fp32"),
    ("tee-tiny", "fp16"),
    ("minilm-tiny", "fp32"),
    ("minilm-tiny", "int4"),
    ("minivlm-tiny", "int8"),
]


@pytest.fixture(scope="module")
def whole(exported):
    return exported("minivlm-tiny", "onnx", "int8")


@pytest.mark.parametrize(("model", "precision"), MADE)
class TestArtifact:
    def test_its_sidecar_describes_it_and_every_metric_keeps_its_tolerance(self, exported, model, precision):
        made = exported(model, "onnx", precision)
        sidecar = Sidecar.read(made.artifact)
        assert (sidecar.model, sidecar.runtime, sidecar.precision) == (model, "onnx", precision)
        assert (sidecar.bytes, sidecar.sha256) == (size_bytes(made.artifact), sha256(made.artifact))
        assert {"onnx", "onnxruntime", "torch"} <= sidecar.versions.keys()
        metrics = [metric for method in sidecar.methods for metric in method.parity] + list(sidecar.proof)
        assert all(metric.passed for metric in metrics), [str(metric) for metric in metrics]
        assert {method.delegated_macs for method in sidecar.methods} == {1.0}

    def test_each_graph_says_what_it_is_without_the_sidecar(self, exported, model, precision):
        artifact = exported(model, "onnx", precision).artifact
        for file in artifact.glob("*.onnx") if artifact.is_dir() else [artifact]:
            graph = onnx.load(file, load_external_data=False)
            facts = {entry.key: entry.value for entry in graph.metadata_props}
            method = file.stem if artifact.is_dir() else "forward"
            assert facts == {"model": model, "precision": precision, "method": method}
            assert graph.producer_name == "minivlm-edge"


class TestDetector:
    def test_regions_of_a_photo_that_the_export_did_not_see_equal_pytorch_s(self, exported):
        method = regions_method("forward", create_model("tee-tiny"), None, default_photo().with_name("flower.jpg"))
        given = OnnxProgram(exported("tee-tiny", "onnx").artifact).run("forward", method.example)
        metrics = compare(method, run_reference(method, method.example), given, TOLERANCES["fp32"])
        assert all(metric.passed for metric in metrics), [str(metric) for metric in metrics]

    def test_a_photo_with_few_regions_fills_the_rows_as_pytorch_does(self, exported):
        method = regions_method("forward", create_model("tee-tiny"), None, default_photo())
        example = (method.inputs["image"], torch.tensor([3.0, 4.0]))  # as if the photo had 3 x 4 pixels
        expected = dict(zip(method.outputs, method.module(*example), strict=True))
        given = dict(
            zip(method.outputs, OnnxProgram(exported("tee-tiny", "onnx").artifact).run("forward", example), strict=True)
        )
        scores, given_scores = expected["scores"], given["scores"]
        assert 0 < (scores > 0.0).sum() < 10
        assert torch.equal(scores > 0.0, given_scores > 0.0)
        # a thousandth of a pixel
        torch.testing.assert_close(given["proposals"], expected["proposals"], atol=1e-3, rtol=0)


class TestHalf:
    def test_weights_are_float16_and_inputs_and_outputs_float32(self, exported):
        graph = onnx.load(exported("tee-tiny", "onnx", "fp16").artifact).graph
        types = {item.name: item.data_type for item in graph.initializer}
        for node in graph.node:
            if node.op_type in ("Conv", "Gemm"):
                assert types[node.input[1]] == onnx.TensorProto.FLOAT16, node.name
        floats = {item.type.tensor_type.elem_type for item in (*graph.input, *graph.output)}
        assert floats == {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}  # tags and attributes are numbers of lines


class TestInt4:
    def test_every_matrix_but_the_regions_projection_reads_4_bits(self, exported):
        graph = onnx.load(exported("minilm-tiny", "onnx", "int4").artifact).graph
        fine = [layer_of(node) for node in graph.node if node.op_type == "MatMulNBits"]
        assert len(fine) == 2 * 6 + 3  # two layers of six matrices, the pooler, the caption head's two
        assert [layer_of(node) for node in graph.node if node.op_type == "MatMulInteger"] == ["region_projection"]

    def test_the_sidecar_says_so(self, exported):
        told = json.loads(exported("minilm-tiny", "onnx", "int4").sidecar.read_text())["quantization"]
        bits = {layer: item["bits"] for item in told for layer in item["layers"]}
        assert bits["encoder.layers.1.output"] == 4
        assert bits["region_projection"] == 8
        assert bits["embeddings.words"] == 4


class TestWholeModel:
    def test_has_a_graph_a_method_one_file_of_weights_and_its_words(self, whole):
        methods = ["match", "nlvr2", "prefill", "regions", "step", "vqa"]
        assert OnnxProgram(whole.artifact).methods == methods
        assert sorted(path.name for path in whole.artifact.iterdir()) == [
            *(f"{name}.onnx" for name in methods),
            WEIGHTS,
        ]
        assert read_labels(labels_folder(whole.artifact), CONFIG).tags

    def test_methods_read_the_transformer_s_weights_from_one_place(self, whole):
        places = {}
        for name in ("prefill", "vqa"):
            graph = onnx.load(whole.artifact / f"{name}.onnx", load_external_data=False).graph
            places[name] = {
                next(entry.value for entry in tensor.external_data if entry.key == "offset")
                for tensor in graph.initializer
                if tensor.external_data
            }
        # All but one: the embeddings of its tags' fixed types and positions are folded into a constant of its own.
        assert len(places["prefill"]) > 10
        assert len(places["prefill"] - places["vqa"]) <= 1

    def test_the_detector_s_box_head_and_the_transformer_compute_in_int8(self, whole):
        regions, step = (
            onnx.load(whole.artifact / f"{name}.onnx", load_external_data=False) for name in ("regions", "step")
        )
        inner = {node.output[0]: node for node in regions.graph.node}
        for node in regions.graph.node:
            if node.op_type == "Gemm":
                sources = [inner[name].op_type for name in node.input[:2] if name in inner]
                integer = sources == ["DequantizeLinear"] * 2  # activations and weight
                layer = layer_of(node)
                assert integer is ("box_head.deltas" not in layer and "attribute_head" not in layer), node.name
        embedded = [node for node in step.graph.node if node.op_type == "Gather" and "words" in node.name]
        types = {tensor.name: tensor.data_type for tensor in step.graph.initializer}
        assert [types[node.input[0]] for node in embedded] == [onnx.TensorProto.UINT8]  # as its quantizer stores tables
        assert any(node.op_type == "MatMulInteger" and "caption_head.decoder" in node.name for node in step.graph.node)

    def test_boxes_and_proposal_scores_stay_in_float_and_are_named(self, whole):
        kept = Sidecar.read(whole.artifact).kept_float
        assert {"detector.rpn.objectness", "detector.rpn.deltas", "detector.box_head.deltas"} <= set(kept)

    def test_was_calibrated_on_photos_that_are_named(self, whole):
        calibration = json.loads(whole.sidecar.read_text())["calibration"]
        assert calibration["photos"] == ["flower.jpg"]

    def test_a_method_of_a_damaged_graph_is_refused_and_the_others_run(self, whole, tmp_path):
        copy = tmp_path / whole.artifact.name
        copy.mkdir()
        for file in whole.artifact.iterdir():
            (copy / file.name).write_bytes(file.read_bytes()[: None if file.stem != "vqa" else 100])
        program = OnnxProgram(copy)
        program.load("match")
        with pytest.raises(UserError, match="is not a program this runtime can load"):
            program.load("vqa")
