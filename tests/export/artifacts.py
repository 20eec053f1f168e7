"""Artifacts made by hand: a few bytes, and the sidecar and labels that belong to them."""

import hashlib
from dataclasses import replace
from pathlib import Path

from export.core.formats import FORMATS, artifact_path
from export.core.interface import TensorSpec
from export.core.sidecar import MethodReport, Sidecar, labels_folder
from minivlm.inference.backend import labels_of
from minivlm.models.sizes import sizes_of
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.storage.files import sha256
from minivlm.weights.labels import write_labels
from minivlm.weights.loading import describe_model

METHODS = {"tee-tiny": ["forward"], "minilm-tiny": ["forward"], "minivlm-tiny": ["regions", "prefill", "step", "vqa"]}


def handmade(
    folder: Path,
    model: str = "minilm-tiny",
    runtime: str = "onnx",
    precision: str = "fp32",
    *,
    checkpoint: Path | None = None,
    seed: int = 0,
    image_size: tuple[int, int] = (128, 128),
) -> Path:
    """Make an artifact under its plain name that no runtime could run, but everything else takes for one."""
    path = artifact_path(folder, model, FORMATS[runtime], precision)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{model} {precision} {checkpoint} {seed} {image_size}")
    described, labels = describe_model(model, checkpoint=checkpoint, seed=seed), {}
    if isinstance(described.config, VisionLanguageConfig):
        write_labels(labels_folder(path), labels_of(described.config, checkpoint))
        labels = {file.name: sha256(file) for file in labels_folder(path).iterdir()}
    inputs = [] if model == "minilm-tiny" else [TensorSpec("image", [1, 3, *image_size], "float32")]
    outputs = [] if model == "minilm-tiny" else [TensorSpec("attributes", [10], "int64")]
    Sidecar(
        model=model,
        runtime=runtime,
        precision=precision,
        weights=described.origin,
        methods=[MethodReport(name, inputs, outputs, [], macs=1, delegated_macs=1.0) for name in METHODS[model]],
        kept_float=[],
        calibration=None,
        proof=[],
        photo="china.jpg",
        bytes=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        seconds={},
        versions={},
        words=labels,
        sizes=sizes_of(described.config),
    ).write(path)
    return path


def renamed(path: Path, precision: str) -> Path:
    """Give an artifact and its sidecar the name of another precision."""
    other = path.with_name(path.name.replace(Sidecar.read(path).precision, precision))
    path.with_suffix(".json").rename(other.with_suffix(".json"))
    return path.rename(other)


def described_as(path: Path, **changes: object) -> None:
    """Change what the sidecar says."""
    replace(Sidecar.read(path), **changes).write(path)
