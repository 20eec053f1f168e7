"""int4 in every format: which matrices are in four bits, and what that makes of the artifact."""

import json

import pytest

from export.core.formats import FORMATS
from minivlm.language.transformer import TransformerConfig
from minivlm.models.registry import get_config
from minivlm.storage.files import size_bytes

CONFIG = get_config("minilm-tiny")


@pytest.mark.parametrize("runtime", FORMATS)
def test_the_large_matrices_and_the_words_are_in_four_bits(exported, runtime):
    made = exported("minilm-tiny", runtime, "int4")
    sidecar = json.loads(made.sidecar.read_text())
    matrices, tables = (
        [rule for rule in sidecar["quantization"] if rule["bits"] == 4 and f"({kind})" in rule["rule"]]
        for kind in ("linear", "embedding")
    )
    (four,), (words,) = matrices, tables
    assert all(rule["rule"].endswith("4 bits in groups of 32") for rule in (four, words))
    assert words["layers"] == ["embeddings.words"]
    assert isinstance(CONFIG, TransformerConfig)
    wanted = [f"encoder.layers.{n}.{part}" for n in range(CONFIG.layers) for part in ("intermediate", "output")]
    assert {*wanted, "caption_head.decoder"} <= set(four["layers"])
    assert all(metric["value"] >= metric["bound"] for metric in sidecar["methods"][0]["parity"] if metric["at_least"])


@pytest.mark.parametrize("runtime", FORMATS)
def test_they_take_less_room_than_in_eight(exported, runtime):
    four, eight = (size_bytes(exported("minilm-tiny", runtime, precision).artifact) for precision in ("int4", "int8"))
    assert isinstance(CONFIG, TransformerConfig)
    hidden, between = CONFIG.hidden, CONFIG.intermediate
    weights = CONFIG.layers * (4 * hidden**2 + 2 * hidden * between) + 2 * hidden**2 + 2 * CONFIG.vocabulary * hidden
    # Half a byte a weight less, but a scale of 2 to 4 bytes for 32 of them; descriptions differ by some kilobytes.
    assert four < eight - (0.5 - 4 / 32) * weights + 8_000
