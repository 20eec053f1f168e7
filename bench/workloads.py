"""What one run of a model is on each runtime: the same inputs from the same photo everywhere."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.timing import Stage
from export.executorch_program import ExecuTorchProgram
from export.methods import Method, exportable_methods, fusion_method
from minivlm.language.transformer import FusionTransformer
from minivlm.model import VisionLanguageModel
from minivlm.photos import load_photo
from minivlm.preprocess import resize_short_side
from minivlm.registry import NamedModel
from minivlm.vision.faster_rcnn import FasterRCNN
from minivlm.vision.grid import GridExtractor
from minivlm.vision.tee import TEE


@dataclass(frozen=True)
class Workload:
    """Stages of one run, ready to be called.

    Attributes:
        stages: In order.
        threads: How many threads the runtime says it uses.
        inputs: Shape of each input by name.
    """

    stages: list[Stage]
    threads: int
    inputs: dict[str, list[int]]


def benchmark_methods(model: NamedModel, photo: Path) -> list[Method]:
    """Return a model's methods, those of the baselines included, with inputs made from the photo."""
    module = model.module
    if isinstance(module, FasterRCNN | GridExtractor):
        return [_baseline_method("forward", module, photo)]
    if isinstance(module, VisionLanguageModel) and isinstance(module.vision, FasterRCNN):
        return [_baseline_method("regions", module.vision, photo), fusion_method("fusion", module.language)]
    return exportable_methods(model, None, photo)


def _baseline_method(name: str, module: FasterRCNN | GridExtractor, photo: Path) -> Method:
    config = module.config
    fitted = resize_short_side(load_photo(photo), config.short_side, config.longest_side, config.pixels)
    inputs = {"image": fitted.image}
    if isinstance(module, FasterRCNN):
        inputs["extent"] = fitted.extent
    return Method(name, module, inputs, outputs=(), kind="regions")


def is_device_model(module: nn.Module) -> bool:
    """Tell whether a model is meant for devices, and so has artifacts; the baselines are not."""
    vision = module.vision if isinstance(module, VisionLanguageModel) else module
    return isinstance(vision, TEE | FusionTransformer)


def pytorch_workload(model: NamedModel, photo: Path, threads: int) -> Workload:
    """Run a model eagerly, as it is."""
    torch.set_num_threads(threads)
    methods = benchmark_methods(model, photo)
    return Workload([(method.name, _eager(method)) for method in methods], torch.get_num_threads(), _shapes(methods))


def _eager(method: Method) -> Callable[[], object]:
    def call() -> object:
        with torch.inference_mode():
            return method.module(*method.example)

    return call


def executorch_workload(model: NamedModel, photo: Path, threads: int, artifact: Path) -> Workload:
    """Run a model's artifact."""
    methods = benchmark_methods(model, photo)
    program = ExecuTorchProgram(artifact, threads)
    for method in methods:
        program.load(method.name)
    stages = [(method.name, _bound(program, method.name, method.example)) for method in methods]
    return Workload(stages, program.threads, _shapes(methods))


def _bound(program: ExecuTorchProgram, name: str, inputs: tuple[Tensor, ...]) -> Callable[[], object]:
    return lambda: program.run(name, inputs)


def _shapes(methods: list[Method]) -> dict[str, list[int]]:
    return {f"{method.name}.{name}": list(tensor.shape) for method in methods for name, tensor in method.inputs.items()}
