"""Patterns of layers to keep in float: each has to do something."""

from pathlib import Path

import pytest
from torch import nn

from export.core.catalogue import fusion_method, regions_method
from export.core.formats import FORMATS, exporter_of
from export.core.job import check_patterns, prepare, running_layers
from export.core.precision import Rule
from export.core.request import ExportRequest
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.weights.loading import create_model


def request(model: str, *patterns: str, runtime: str = "executorch", precision: str = "int8") -> ExportRequest:
    return ExportRequest(
        runtime=runtime,
        model=model,
        precision=precision,
        checkpoint=None,
        image_size=None,
        output=Path("nowhere"),
        photo=default_photo(),
        keep_float=patterns,
    )


def rules(asked: ExportRequest) -> tuple[Rule, ...]:
    return exporter_of(FORMATS[asked.runtime]).rules[asked.precision]


def refusal(asked: ExportRequest) -> str:
    with pytest.raises(UserError) as caught:
        prepare(asked, rules(asked))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("model", "pattern", "answer"),
    [
        ("tee-tiny", "backbone.bifpm.*", "did you mean 'backbone.bifpn"),
        ("tee-tiny", "rnp", "did you mean 'rpn'"),
        ("tee-tiny", "zzz", "its parts are attribute_head, backbone, box_head, nms, rpn, selector"),
        ("tee-tiny", "encoder.layers.0", "fits no layer of tee-tiny"),
        ("minilm-tiny", "encoder.layer.0", "did you mean 'encoder.layers.0"),
        ("minilm-tiny", "", "fits no layer of minilm-tiny"),
        ("minivlm-tiny", "language.encoder", "fits no layer of minivlm-tiny"),
    ],
)
def test_a_pattern_that_fits_no_layer_is_refused_with_the_nearest_names(model, pattern, answer):
    assert answer in refusal(request(model, pattern))


def test_one_of_several_is_enough():
    assert "'rnp' fits no layer" in refusal(request("tee-tiny", "rpn", "rnp"))


def test_layers_that_never_run_are_none():
    module = create_model("tee-tiny")
    module.spare = nn.Linear(2, 2)
    method = regions_method("forward", module, None, default_photo())
    asked = request("tee-tiny", "spare")
    with pytest.raises(UserError, match="fits no layer"):
        check_patterns(asked, "tee-tiny", [method], rules(asked))


@pytest.mark.parametrize(
    ("runtime", "precision"), [("executorch", "fp32"), ("onnx", "fp32"), ("litert", "fp32"), ("coreml", "fp16")]
)
def test_where_nothing_is_rounded_there_is_nothing_to_keep(runtime, precision):
    assert "rounds no layer at" in refusal(request("minilm-tiny", "pooler", runtime=runtime, precision=precision))


@pytest.mark.parametrize(
    "pattern", ["rpn", "attribute_head", "backbone.bifpn.*", "blocks.[56]", "detector.box_head.fc1", "*"]
)
def test_patterns_that_fit_are_taken(pattern):
    method = regions_method("forward", create_model("tee-tiny"), None, default_photo())
    asked = request("tee-tiny", pattern)
    check_patterns(asked, "tee-tiny", [method], rules(asked))


def test_at_16_bits_litert_keeps_layers_too():
    asked = request("minilm-tiny", "pooler", runtime="litert", precision="fp16")
    assert prepare(asked, rules(asked)).recipe.rules[0].modules == ("pooler",)


def test_layers_that_run_are_those_of_the_forward_pass():
    layers = running_layers(fusion_method("forward", create_model("minilm-tiny")))
    assert {"embeddings.words", "encoder.layers.1.output", "pooler.dense", "caption_head.decoder"} <= set(layers)
