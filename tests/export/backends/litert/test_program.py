"""Running .tflite files: what cannot be run is said, and integers are PyTorch's."""

import sys
from importlib import import_module
from types import ModuleType

import pytest
import torch

from export.backends.litert import program as litert_program
from export.backends.litert.program import LiteRTProgram
from export.core.catalogue import fusion_method, regions_method
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.weights.loading import create_model


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(1000)])
def test_a_file_of_something_else_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not a model this runtime can load") as caught:
        LiteRTProgram(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(exported, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(exported("minilm-tiny", "litert").artifact.read_bytes()[:5000])
    with pytest.raises(UserError, match="is not a model this runtime can load"):
        LiteRTProgram(path)


def test_a_method_that_it_lacks_is_answered_with_those_it_has(exported):
    program = LiteRTProgram(exported("minilm-tiny", "litert").artifact)
    assert program.methods == ["forward"]
    with pytest.raises(UserError, match="no method 'backward': it has forward"):
        program.run("backward", [])


@pytest.mark.parametrize("threads", [1, 2])
def test_uses_as_many_threads_as_it_says(exported, threads):
    assert LiteRTProgram(exported("minilm-tiny", "litert").artifact, threads).threads == threads


def test_tags_come_out_as_64_bit_integers_though_the_file_holds_32(exported):
    method = regions_method("forward", create_model("tee-tiny"), None, default_photo())
    *_, tags, _, _ = LiteRTProgram(exported("tee-tiny", "litert").artifact).run("forward", method.example)
    assert tags.dtype == torch.int64


def test_where_only_the_predecessor_is_installed_it_runs_files(exported, monkeypatch):
    """tflite-runtime has the same interpreter under another name; this environment has it in its successor only."""
    artifact = exported("minilm-tiny", "litert").artifact
    example = fusion_method("forward", create_model("minilm-tiny")).example
    expected = LiteRTProgram(artifact).run("forward", example)
    predecessor = ModuleType("tflite_runtime")
    monkeypatch.setitem(sys.modules, "tflite_runtime", predecessor)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", import_module("ai_edge_litert.interpreter"))
    monkeypatch.setattr(litert_program, "find_spec", lambda name: predecessor if name == "tflite_runtime" else None)
    given = LiteRTProgram(artifact).run("forward", example)
    assert all(torch.equal(*pair) for pair in zip(expected, given, strict=True))
