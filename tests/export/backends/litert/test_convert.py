"""Conversion to LiteRT: what says which module of the model an operator belongs to."""

import pytest
from torch import nn

from export.backends.litert.quantize import operators
from minivlm.weights.loading import create_model

MATRICES = ("FULLY_CONNECTED", "EMBEDDING_LOOKUP")
PROJECTIONS = ("query", "key", "value")


def layers_of_a_transformer() -> set[str]:
    """Names of the model's own matrices and tables, as a whole model's methods know them."""
    model = create_model("minivlm-tiny").language
    return {
        f"transformer.{name}" for name, layer in model.named_modules() if isinstance(layer, (nn.Linear, nn.Embedding))
    }


@pytest.mark.parametrize("signature", ["prefill", "step", "vqa"])
def test_every_matrix_has_the_name_of_its_own_module(exported, signature):
    content = exported("minivlm-tiny", "litert").artifact.read_bytes()
    placed = [item for item in operators(content, signature) if item.kind in MATRICES and item.stored is not None]
    assert {item.module for item in placed} <= layers_of_a_transformer() | {"head.classifier"}


def test_projections_that_a_method_gives_or_calls_itself_are_told_apart(exported):
    content = exported("minivlm-tiny", "litert").artifact.read_bytes()
    named = [item.module for item in operators(content, "prefill") if item.kind == "FULLY_CONNECTED"]
    last = (
        len(create_model("minivlm-tiny").language.encoder.layers) - 1
    )  # it asks nothing: a cache is all that is given
    parts = [(n, part) for n in range(last + 1) for part in PROJECTIONS if (n, part) != (last, "query")]
    wanted = [f"transformer.encoder.layers.{n}.attention.{part}" for n, part in parts]
    assert sorted(name for name in named if name.endswith(PROJECTIONS)) == sorted(wanted)
