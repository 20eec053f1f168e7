"""The same command twice makes the same artifact, byte by byte."""

from importlib import import_module

import pytest

from export.formats import FORMATS, artifact_path
from export.sidecar import Sidecar


@pytest.mark.parametrize(("model", "precision"), [("minilm-tiny", "int8"), ("tee-tiny", "fp32")])
@pytest.mark.parametrize("runtime", FORMATS)
def test_the_same_command_twice_gives_the_same_bytes(exported, tmp_path, runtime, model, precision):
    first = exported(model, runtime, precision).artifact
    target = FORMATS[runtime]
    main = import_module(target.exporter.partition(":")[0]).main
    main(["--model", model, "--precision", precision, "--output", str(tmp_path)])
    second = artifact_path(tmp_path, model, target, precision)
    assert Sidecar.read(second).sha256 == Sidecar.read(first).sha256
