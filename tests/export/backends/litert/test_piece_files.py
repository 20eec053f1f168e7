"""Pieces as files: what an app is told of them is enough to run them, with LiteRT's API that apps have."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.backends.litert.piece_files import INDEX, pieces_folder, write_pieces
from export.backends.litert.program import LiteRTProgram
from export.core.catalogue import regions_method
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.storage.files import sha256
from minivlm.weights.loading import create_model

TYPES = {"float32": np.float32, "int32": np.int32, "bool": np.bool_}
"""All that go from piece to piece: the Kotlin app knows these, and int64."""


@pytest.fixture(scope="module")
def detector(exported) -> Path:
    return exported("tee-tiny", "litert").artifact


@pytest.fixture(scope="module")
def folder(detector, tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("pieces") / pieces_folder(detector).name
    write_pieces(detector, made)
    return made


@pytest.fixture(scope="module")
def index(folder) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / INDEX).read_text())
    return loaded


def run(file: Path, piece: dict[str, Any], known: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Run a piece as android_demo's LiteRTRuntime.kt does, by the names and types of the index alone."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator

    model = CompiledModel.from_file(str(file), HardwareAccelerator.CPU)
    given = {
        str(told["tensor"]): model.create_input_buffer_by_name("part", str(told["tensor"])) for told in piece["inputs"]
    }
    found = {
        str(told["tensor"]): model.create_output_buffer_by_name("part", str(told["tensor"]))
        for told in piece["outputs"]
    }
    for told in piece["inputs"]:
        given[str(told["tensor"])].write(np.ascontiguousarray(known[told["tensor"]], TYPES[told["dtype"]]))
    model.run_by_name("part", given, found)
    return {
        told["tensor"]: found[str(told["tensor"])]
        .read(int(np.prod(told["shape"])), TYPES[told["dtype"]])
        .reshape(told["shape"])
        for told in piece["outputs"]
    }


def test_an_app_that_knows_the_index_computes_what_the_whole_does(detector, folder, index):
    method = regions_method("forward", create_model("tee-tiny"), None, default_photo())
    (described,) = index["methods"]
    assert list(described["inputs"]) == list(method.inputs)
    known = {described["inputs"][name]: value.numpy() for name, value in method.inputs.items()}
    for piece in described["pieces"]:
        known |= run(folder / piece["file"], piece, known)
    whole = LiteRTProgram(detector, 1).run("forward", method.example)
    for name, expected in zip(method.outputs, whole, strict=True):
        given = torch.from_numpy(known[described["outputs"][name]]).to(expected.dtype)
        torch.testing.assert_close(given, expected, rtol=1e-4, atol=1e-4)  # other kernels may be chosen for a part


def test_all_of_the_work_is_in_three_pieces_for_the_accelerator(index):
    """docs/accelerators.md: backbone and RPN, box head, attribute head."""
    pieces = index["methods"][0]["pieces"]
    assert [piece["accelerated"] for piece in pieces] == [False, True, False, True, False, True, False]
    assert all((piece["macs"] > 0) is piece["accelerated"] for piece in pieces)


def test_every_file_and_the_artifact_have_their_checksums(detector, folder, index):
    assert index["sha256"] == sha256(detector)
    for piece in index["methods"][0]["pieces"]:
        assert piece["sha256"] == hashlib.sha256((folder / piece["file"]).read_bytes()).hexdigest()
    files = {piece["file"] for piece in index["methods"][0]["pieces"]}
    assert {path.name for path in folder.iterdir()} == files | {INDEX}


def test_pieces_of_before_are_replaced_as_a_whole(detector, tmp_path):
    folder = tmp_path / "pieces"
    folder.mkdir()
    (folder / "old.tflite").touch()
    write_pieces(detector, folder)
    assert not (folder / "old.tflite").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["pieces"]


def test_an_artifact_that_is_not_what_its_sidecar_says_is_not_cut(detector, tmp_path):
    for path in (detector, detector.with_suffix(".json")):
        (tmp_path / path.name).write_bytes(path.read_bytes() + b" ")
    with pytest.raises(UserError, match="describes other bytes"):
        write_pieces(tmp_path / detector.name, tmp_path / "pieces")
    assert not (tmp_path / "pieces").exists()
