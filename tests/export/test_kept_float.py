"""A model of which everything is kept in float is exported all the same, in every format that has int8."""

import json

import pytest

from export.core.formats import FORMATS, artifact_path
from export.flow.command import run_exporter


@pytest.mark.parametrize("runtime", FORMATS)
def test_with_nothing_left_to_round_an_artifact_is_float(tmp_path, capsys, runtime):
    flags = ["--model", "minilm-tiny", "--precision", "int8", "--keep-float", "*", "--output", str(tmp_path)]
    run_exporter(FORMATS[runtime], "", flags)
    sidecar = json.loads(
        artifact_path(tmp_path, "minilm-tiny", FORMATS[runtime], "int8").with_suffix(".json").read_text()
    )
    assert [rule["mode"] for rule in sidecar["quantization"]] == ["float"]
