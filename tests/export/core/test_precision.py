"""One table of rules says which layers are kept in which numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.backends.coreml import rules as coreml_rules
from export.backends.executorch import rules as executorch_rules
from export.backends.litert import rules as litert_rules
from export.backends.onnx import rules as onnx_rules
from export.core.formats import FORMATS
from export.core.precision import (
    OTHERWISE,
    Decision,
    Kind,
    Mode,
    Rule,
    by_rule,
    deciding_rule,
    fits_name,
    in_float,
    kept_in_float,
    rules_of_backbone,
)

TABLES = {
    "executorch": executorch_rules.RULES,
    "onnx": onnx_rules.RULES,
    "litert": litert_rules.RULES,
    "coreml": coreml_rules.RULES,
}
BLOCK = "detector.backbone.efficientnet.body.blocks"


@pytest.mark.parametrize(
    ("pattern", "module", "fits"),
    [
        ("rpn", "rpn", True),
        ("rpn", "rpn.deltas", True),
        ("backbone.*", "backbone.bifpn.cells.0", True),
        ("backbone.bifpn.*", "detector.backbone.bifpn.cells.0", True),
        ("blocks.[456]", f"{BLOCK}.5.1.conv_pw", True),
        ("rpn", "rpn2", False),
        ("backbone.bifpn", "backbone", False),
        ("blocks.[456]", f"{BLOCK}.3.1.conv_pw", False),
        ("conv_pw", f"{BLOCK}.3.1.conv_pwl", False),
        ("RPN", "rpn", False),
        ("*", "", True),
    ],
)
def test_a_pattern_fits_a_module_and_what_is_in_it_from_any_component_on(pattern, module, fits):
    assert fits_name(pattern, module) is fits


def test_the_first_rule_that_fits_module_and_kind_decides_and_without_one_it_is_float():
    rules = (
        Rule(("box_head",), Mode.STATIC, (Kind.LINEAR,)),
        Rule(("box_head", "rpn"), Mode.WEIGHT_ONLY, (Kind.LINEAR, Kind.CONVOLUTION), bits=4),
    )
    assert deciding_rule(rules, "detector.box_head.fc1", Kind.LINEAR) is rules[0]
    assert deciding_rule(rules, "detector.box_head.mix", Kind.CONVOLUTION) is rules[1]
    assert deciding_rule(rules, "detector.box_head.fc1", Kind.ARITHMETIC) is OTHERWISE
    assert deciding_rule(rules, "backbone.conv_stem", Kind.CONVOLUTION) is OTHERWISE
    assert deciding_rule((), "anything", Kind.LINEAR).mode is Mode.FLOAT


@pytest.mark.parametrize("runtime", TABLES)
@given(kind=st.sampled_from(Kind), module=st.sampled_from(["rpn.deltas", f"{BLOCK}.5.0.conv_pw", "pooler.dense"]))
def test_what_is_asked_to_stay_in_float_overrules_every_table(runtime, kind, module):
    rules = (*kept_in_float(["rpn", "backbone.*", "pooler"]), *TABLES[runtime]["int8"])
    assert deciding_rule(rules, module, kind).mode is Mode.FLOAT


@pytest.mark.parametrize("runtime", TABLES)
class TestTables:
    def test_there_is_one_for_every_precision_that_the_format_has(self, runtime):
        offered = {precision for found in FORMATS[runtime].precisions.values() for precision in found}
        assert set(TABLES[runtime]) == offered
        assert TABLES[runtime]["fp32"] == ()

    def test_what_decides_where_boxes_are_stays_in_float(self, runtime):
        for layer in ("detector.rpn.objectness", "detector.rpn.deltas"):
            assert deciding_rule(TABLES[runtime]["int8"], layer, Kind.CONVOLUTION).mode is Mode.FLOAT

    def test_a_transformer_keeps_none_of_its_matrices_in_float(self, runtime):
        for layer, kind in (("embeddings.words", Kind.EMBEDDING), ("encoder.layers.3.output", Kind.LINEAR)):
            rule = deciding_rule(TABLES[runtime]["int8"], layer, kind)
            assert rule.mode in (Mode.DYNAMIC, Mode.WEIGHT_ONLY)
            assert rule.bits == 8


def test_a_rule_for_some_backbones_holds_for_no_other_model():
    always, limited = Rule(("body",), Mode.FLOAT), Rule(("body",), Mode.STATIC, backbones=("efficientnet_lite0",))
    assert rules_of_backbone((limited, always), "efficientnet_lite0") == (limited, always)
    assert rules_of_backbone((limited, always), "efficientnet_b0") == (always,)
    assert rules_of_backbone((limited, always), None) == (always,)
    assert "of efficientnet_lite0" in str(limited)


def test_onnx_runtime_computes_a_backbone_in_int8_where_nothing_leaves_integers_between_two_layers():
    for backbone, mode in (("efficientnet_lite0", Mode.STATIC), ("efficientnet_b0", Mode.FLOAT)):
        rules = rules_of_backbone(TABLES["onnx"]["int8"], backbone)
        for kind in (Kind.CONVOLUTION, Kind.DEPTHWISE, Kind.ARITHMETIC):
            assert deciding_rule(rules, f"{BLOCK}.1.0.conv_pw", kind).mode is mode


@pytest.mark.parametrize("runtime", [name for name, tables in TABLES.items() if "int4" in tables])
class TestInt4:
    def test_the_transformer_s_matrices_have_4_bits_in_groups_of_32(self, runtime):
        for layer in ("encoder.layers.3.attention.query", "transformer.caption_head.decoder", "pooler.dense"):
            rule = deciding_rule(TABLES[runtime]["int4"], layer, Kind.LINEAR)
            assert (rule.bits, rule.group) == (4, 32)
            assert str(rule).endswith("4 bits in groups of 32")

    def test_the_words_have_too_and_are_looked_up_as_in_int8(self, runtime):
        four, eight = (
            deciding_rule(TABLES[runtime][name], "embeddings.words", Kind.EMBEDDING) for name in ("int4", "int8")
        )
        assert (four.bits, four.group, four.mode) == (4, 32, eight.mode)

    @pytest.mark.parametrize(
        ("layer", "kind"),
        [
            ("embeddings.positions", Kind.EMBEDDING),
            ("transformer.region_projection", Kind.LINEAR),  # 1,030 numbers do not divide into groups of 32
            ("head.classifier", Kind.LINEAR),
            ("detector.box_head.fc1", Kind.LINEAR),
            (f"{BLOCK}.5.0.conv_pw", Kind.CONVOLUTION),
        ],
    )
    def test_all_else_is_as_in_int8(self, runtime, layer, kind):
        expected = deciding_rule(TABLES[runtime]["int8"], layer, kind)
        assert deciding_rule(TABLES[runtime]["int4"], layer, kind) == expected


class TestDecisions:
    static, late = Rule(("a",), Mode.STATIC), Rule(("b",), Mode.FLOAT)
    decisions = (
        Decision("b.2", Kind.LINEAR, late),
        Decision("a.1", Kind.LINEAR, static),
        Decision("b.1", Kind.LINEAR, late),
        Decision("b.2", Kind.LINEAR, late),  # a second method with the same layer
    )

    def test_the_layers_in_float_are_named_once_and_sorted(self):
        assert in_float(self.decisions) == ["b.1", "b.2"]

    def test_are_told_by_rule(self):
        assert by_rule(self.decisions) == [
            {"rule": "b: float", "mode": "float", "bits": None, "layers": ["b.2", "b.1"]},
            {"rule": "a: static, 8 bits", "mode": "static", "bits": 8, "layers": ["a.1"]},
        ]
