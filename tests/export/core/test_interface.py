"""What artifacts declare in every format: documented names, and types that the sidecar tells as they are."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from export.core.catalogue import regions_method
from export.core.feeding import feeding_of
from export.core.interface import Interface, TensorSpec
from export.runtime.program import open_program
from export.verify.comparison import run_reference
from minivlm.images.photos import default_photo
from minivlm.language.layout import TransformerInputs
from minivlm.models.registry import vision_language_config
from minivlm.vision.regions import Regions
from minivlm.weights.labels import random_labels
from minivlm.weights.loading import load_model

WHOLE_NUMBERS = {"executorch": "int64", "onnx": "int64", "litert": "int32", "coreml": "int32"}
"""What each format has for ids."""

ENDS = {
    "regions": (["image", "extent"], [*Regions._fields, "proposals"]),
    "prefill": (["tag_ids", "regions", "context_mask"], ["context_keys", "context_values"]),
    "step": (
        [
            *("last_token", "position", "context_keys", "context_values", "context_mask"),
            *("caption_keys", "caption_values"),
        ],
        ["logits", "next_caption_keys", "next_caption_values"],
    ),
    **dict.fromkeys(("vqa", "nlvr2", "match"), (list(TransformerInputs._fields), ["logits"])),
}
"""By method, the names of docs/artifacts.md."""

IDS = {"token_ids", "token_types", "positions", "tag_ids", "last_token", "position", "tags", "attributes"}


def described(artifact: Path) -> dict[str, Any]:
    return {method["name"]: method for method in json.loads(artifact.with_suffix(".json").read_text())["methods"]}


@pytest.mark.parametrize("runtime", WHOLE_NUMBERS)
class TestEveryFormat:
    def test_has_the_documented_names_in_their_order(self, exported, runtime):
        artifact = exported("minivlm-tiny", runtime).artifact
        program, methods = open_program(artifact, 1), described(artifact)
        assert methods.keys() == ENDS.keys()
        for name, (inputs, outputs) in ENDS.items():
            told = program.interface(name).named(inputs, outputs)  # raises where the artifact has other names
            assert [spec["name"] for spec in methods[name]["inputs"]] == inputs
            assert [spec["name"] for spec in methods[name]["outputs"]] == outputs
            nameless = runtime == "executorch"
            assert [spec.name for spec in told.inputs] == inputs
            assert {spec.name == "" for spec in program.interface(name).inputs} == {nameless}

    def test_and_the_types_that_the_sidecar_tells(self, exported, runtime):
        for method in described(exported("minivlm-tiny", runtime).artifact).values():
            for spec in (*method["inputs"], *method["outputs"]):
                assert spec["dtype"] == (WHOLE_NUMBERS[runtime] if spec["name"] in IDS else "float32")


def test_litert_s_own_interpreter_tells_the_names(exported):
    """Not by our own program: what a stranger sees, who has the runtime only."""
    from ai_edge_litert.interpreter import Interpreter

    told = Interpreter(model_path=str(exported("minivlm-tiny", "litert").artifact)).get_signature_list()
    assert {name: (set(ends["inputs"]), set(ends["outputs"])) for name, ends in told.items()} == {
        name: (set(inputs), set(outputs)) for name, (inputs, outputs) in ENDS.items()
    }


def test_int8_keeps_names_and_order(exported):
    artifact = exported("tee-tiny", "litert", "int8").artifact
    told = open_program(artifact, 1).interface("forward")
    assert ([spec.name for spec in told.inputs], [spec.name for spec in told.outputs]) == ENDS["regions"]
    assert [spec["name"] for spec in described(artifact)["forward"]["outputs"]] == ENDS["regions"][1]


def test_other_names_are_no_interface():
    told = Interface([TensorSpec("args_0", [1], "float32")], [])
    with pytest.raises(ValueError, match="args_0 instead of image"):
        told.named(["image"], [])


def test_a_detector_without_attributes_gives_none_and_says_so():
    model = load_model("tee-tiny", sizes={"attributes": 0}).module
    method = regions_method("forward", model, None, default_photo())
    assert method.outputs == ("features", "boxes", "geometry", "tags", "scores", "proposals")
    assert len(run_reference(method, method.example)) == len(method.outputs)
    told = feeding_of(model.config, (128, 128), None).regions
    assert (told.attribute_classes, told.attribute_names) == (None, None)


def test_the_sidecar_names_the_file_of_attributes_where_there_is_one():
    config = vision_language_config("minivlm-tiny")
    labels = random_labels(config)
    told = feeding_of(config, (128, 128), labels).regions
    assert (told.attribute_classes, told.attribute_names) == (11, "attributes.txt")
    told = feeding_of(config, (128, 128), replace(labels, attributes=())).regions
    assert (told.attribute_classes, told.attribute_names) == (11, None)
