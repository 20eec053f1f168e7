"""The examples know nothing of this project, and say what its pipeline says."""

import ast
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from export.backends.coreml.program import CoreMLProgram
from minivlm.images.photos import default_photo, load_photo
from minivlm.images.preprocess import letterbox
from minivlm.inference.pipeline import Pipeline
from minivlm.vision.pixels import IMAGENET_RGB, MSRA_BGR
from minivlm.weights.labels import shipped_vocabulary
from tests.tiny import save_photo

EXAMPLES = Path(__file__).parents[2] / "examples"
PHOTO = default_photo()
QUESTION = "What's on the cafés' roof?"
RUNTIMES = {"onnx": "onnxruntime", "litert": "ai_edge_litert", "executorch": "executorch", "coreml": "coremltools"}


@pytest.fixture(scope="module")
def feeding() -> Any:
    sys.path.insert(0, str(EXAMPLES))
    try:
        return import_module("feeding")
    finally:
        sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load("minivlm-tiny")


def check_said(stdout: str, pipeline: Pipeline) -> None:
    """Compare what an example printed with the reference."""
    regions = pipeline.regions(PHOTO)
    *rows, caption, answer = stdout.splitlines()
    best = regions.top(5)
    assert [row.split("\t")[0] for row in rows] == pipeline.phrases(best)
    numbers = torch.tensor([[float(value) for value in row.split("\t")[1:]] for row in rows])
    # Tolerance: scores are printed with 4 digits, boxes with 2; a twentieth of a pixel is fp32 at a fifth of the size.
    torch.testing.assert_close(numbers[:, 0], best.scores, atol=1e-3, rtol=0)
    torch.testing.assert_close(numbers[:, 1:], best.boxes, atol=0.05, rtol=0)
    assert caption == f"caption: {pipeline.caption(regions).text}"
    expected = pipeline.answer(regions, QUESTION, top=1).best[0]
    assert answer.startswith(f"answer: {expected.text} (")
    assert float(answer.rpartition("(")[2].rstrip(")")) == pytest.approx(expected.probability, abs=1e-3)


@pytest.mark.parametrize("runtime", ["executorch", "onnx", "litert"])
def test_each_says_what_the_pipeline_says(exported, pipeline, tmp_path, runtime):
    artifact = exported("minivlm-tiny", runtime).artifact
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(EXAMPLES / f"run_{runtime}.py"), str(artifact), str(PHOTO), QUESTION]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    check_said(done.stdout, pipeline)


def test_core_ml_s_feeding_is_right_in_the_reference_executor(exported, pipeline, feeding, capsys):
    """Core ML itself predicts on a Mac only: here the package runs in the executor, by the same names and types."""

    def open_artifact(artifact: Path, sidecar: dict[str, Any]) -> Callable[..., Any]:
        program = CoreMLProgram(artifact)
        types = {
            method["name"]: [(item["name"], item["dtype"]) for item in method["inputs"]]
            for method in sidecar["methods"]
        }

        def run(method: str, inputs: dict[str, Any]) -> dict[str, Any]:
            assert [(name, str(value.dtype)) for name, value in inputs.items()] == types[method]
            assert {str(value.dtype) for value in inputs.values()} <= {"float32", "int32"}  # all that Core ML takes
            outputs = program.reference(method).run({name: torch.from_numpy(value) for name, value in inputs.items()})
            return {name: value.numpy() for name, value in outputs.items()}

        return run

    feeding.tell(open_artifact, exported("minivlm-tiny", "coreml").artifact, PHOTO, QUESTION)
    check_said(capsys.readouterr().out, pipeline)


def test_a_part_has_regions_only(exported, pipeline, tmp_path):
    artifact = exported("tee-tiny", "onnx").artifact
    command = [sys.executable, str(EXAMPLES / "run_onnx.py"), str(artifact), str(PHOTO)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    regions = Pipeline.load("minivlm-tiny").regions(PHOTO)
    assert len(done.stdout.splitlines()) == min(5, int(regions.valid.sum()))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_each_imports_its_runtime_numpy_and_pillow_only(runtime):
    allowed = {RUNTIMES[runtime], "feeding", "numpy", "PIL", *sys.stdlib_module_names}
    if runtime == "executorch":
        allowed.add("torch")  # its tensors are PyTorch's
    for file in (f"run_{runtime}.py", "feeding.py"):
        tree = ast.parse((EXAMPLES / file).read_text())
        found = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
        found |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {name.partition(".")[0] for name in found} <= allowed


@pytest.mark.parametrize("pixels", [IMAGENET_RGB, MSRA_BGR], ids=lambda pixels: pixels.channels)
@pytest.mark.parametrize("size", [(160, 120), (33, 500), (64, 64), (1, 7)])
def test_photos_are_fitted_to_the_bit(feeding, tmp_path, pixels, size):
    path = save_photo(tmp_path / "photo.png", size)
    rule = {"height": 96, "width": 128, "channels": pixels.channels, "padding": 0.0}
    image, extent, photo_size = feeding.fit(path, {**rule, "mean": pixels.mean, "std": pixels.std})
    expected = letterbox(load_photo(path), (96, 128), pixels)
    assert torch.equal(torch.from_numpy(image), expected.image)
    assert torch.equal(torch.from_numpy(extent), expected.extent)
    assert photo_size == expected.photo_size


def is_settled(one: str) -> bool:
    """Unicode has had it for long: about others Python and the tokenizers library have tables of different years."""
    return unicodedata.ucd_3_2_0.category(one) == unicodedata.category(one) != "Cn"


SETTLED = st.characters(exclude_categories=["Cs"]).filter(is_settled)


@given(text=st.text(SETTLED, max_size=40))
def test_texts_have_the_tokens_of_the_pipeline(feeding, pipeline, text):
    tokenizer = pipeline.labels.tokenizer
    tokens = feeding.Tokens(shipped_vocabulary(400), {"special": vars(tokenizer.special), "longest_word": 100})
    assert tokens.encode(text) == tokenizer.encode(text)
    assert tokens.decode(tokens.encode(text)) == tokenizer.decode(tokenizer.encode(text))
