"""A detector whose equal scores are ordered by chance: any order is right, and nothing else is forgiven."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from export.core.catalogue import DetectorGraph, regions_method
from export.core.formats import FORMATS, artifact_path
from export.core.methods import Method
from export.core.sidecar import Sidecar
from export.flow.command import run_exporter
from export.verify.comparison import compare, settle
from export.verify.tolerances import TOLERANCES
from minivlm.images.photos import default_photo
from minivlm.vision.tee import TEE
from minivlm.weights.checkpoint import CheckpointInfo, save
from minivlm.weights.loading import create_model
from tests.export.detectors import all_equal, equal_objectness, equal_tags, nothing_found

FP32 = TOLERANCES["fp32"]


class OtherOrder(nn.Module):
    """A selection that puts equal scores in an order of chance, as another runtime may."""

    def __init__(self, selection: nn.Module, argument: int, generator: torch.Generator, size: float) -> None:
        super().__init__()
        self.selection = selection
        self.argument = argument
        self.generator = generator
        self.size = size

    def __getattr__(self, name: str):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.selection, name)

    def forward(self, *arguments):
        arguments = list(arguments)
        scores = arguments[self.argument]
        noise = torch.rand(scores.shape, generator=self.generator).double() * self.size
        arguments[self.argument] = scores.double() + noise
        return self.selection(*arguments)


def elsewhere(detector: TEE, seed: int, size: float = 1e-9) -> TEE:
    """Return the detector with both of its selections in another order among equals."""
    other = create_model("tee-tiny")
    other.load_state_dict(detector.state_dict())
    generator = torch.Generator().manual_seed(seed)
    other.selector = OtherOrder(other.selector, 0, generator, size)
    other.nms = OtherOrder(other.nms, 1, generator, size)
    return other


@cache
def method_of(kind) -> Method:
    return regions_method("forward", kind(create_model("tee-tiny")), None, default_photo())


def run(detector: TEE, method: Method) -> tuple[Tensor, ...]:
    with torch.no_grad():
        outputs = DetectorGraph(detector)(*method.example)
    return tuple(value.float() if value.is_floating_point() else value for value in outputs)


def judged(method: Method, given_: tuple[Tensor, ...]) -> dict[str, bool]:
    expected = settle(method, method.example, run(method.module.detector, method), given_)
    return {metric.name: metric.passed for metric in compare(method, expected, given_, FP32)}


@pytest.mark.parametrize("kind", [equal_objectness, equal_tags, all_equal])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_any_order_among_equal_scores_is_right(kind, seed):
    method = method_of(kind)
    other = run(elsewhere(method.module.detector, seed), method)
    assert all(judged(method, other).values()), judged(method, other)


def test_the_order_of_chance_is_another_than_pytorch_s():
    method = method_of(equal_objectness)
    own, other = (run(one, method) for one in (method.module.detector, elsewhere(method.module.detector, 1)))
    assert not all(metric.passed for metric in compare(method, own, other, FP32))


def test_where_no_scores_are_equal_nothing_changes():
    method = method_of(lambda model: model)
    expected = run(method.module.detector, method)
    for value, other in zip(settle(method, method.example, expected, expected), expected, strict=True):
        assert torch.equal(value, other)


@pytest.mark.parametrize("kind", [equal_objectness, equal_tags])
@pytest.mark.parametrize(
    ("output", "change", "missed"),
    [
        (1, lambda boxes: boxes + torch.tensor([9.0, 9.0, 9.0, 9.0]), "regions matched at IoU 0.9"),
        (4, lambda scores: scores * 0.9, "95 % of scores within"),
        (0, lambda features: features.roll(1, dims=0), "median feature SQNR dB"),
        (7, lambda proposals: torch.cat([proposals[:20], proposals[20:] - 9.0]), "proposals found at IoU 0.9"),
    ],
)
def test_a_wrong_result_is_wrong_among_equals_too(kind, output, change, missed):
    method = method_of(kind)
    other = list(run(elsewhere(method.module.detector, 3), method))
    other[output] = change(other[output])
    assert not judged(method, tuple(other))[missed]


def test_boxes_that_suppress_each_other_cannot_both_be_chosen():
    method = method_of(equal_tags)
    detector = elsewhere(method.module.detector, 3)
    detector.nms.selection.iou_threshold = 0.95  # an artifact that forgets to suppress
    assert not judged(method, run(detector, method))["regions matched at IoU 0.9"]


def test_a_score_that_is_lower_is_not_equal():
    method = method_of(lambda model: model)
    other = run(elsewhere(method.module.detector, 3, size=3.0), method)  # of logits that spread over 2
    assert not all(judged(method, other).values())


def asking(model: TEE, least: float) -> TEE:
    model.config = replace(model.config, least_score=least)
    return model


def test_what_scores_too_little_is_no_region_on_either_side():
    scores = run(create_model("tee-tiny"), method_of(lambda model: model))[4].sort(descending=True).values
    between = float(scores[3] + scores[4]) / 2.0
    method = regions_method("forward", asking(create_model("tee-tiny"), between), None, default_photo())
    own, forgetful = run(method.module.detector, method), run(create_model("tee-tiny"), method)
    assert (own[4] > 0.0).tolist() == [True] * 4 + [False] * 6
    assert all(judged(method, own).values())
    assert not judged(method, forgetful)["regions matched at IoU 0.9"]


@pytest.mark.parametrize("apart", [-1e-7, 1e-7])  # less than runtimes differ by
def test_what_scores_just_enough_may_be_one_or_none(apart: float):
    scores = run(create_model("tee-tiny"), method_of(lambda model: model))[4].sort(descending=True).values
    method = regions_method("forward", asking(create_model("tee-tiny"), float(scores[3])), None, default_photo())
    other = run(asking(create_model("tee-tiny"), float(scores[3]) + apart), method)
    assert (other[4] > 0.0).sum() == (3 if apart > 0.0 else 4)
    assert all(judged(method, other).values()), judged(method, other)


def test_no_region_on_both_sides_is_agreement_and_on_one_side_is_not():
    method, full = method_of(nothing_found), method_of(lambda model: model)
    nothing, something = run(method.module.detector, method), run(full.module.detector, full)
    assert not (nothing[4] > 0.0).any()
    assert all(judged(method, nothing).values())
    assert not judged(method, something)["regions matched at IoU 0.9"]
    assert not judged(full, nothing)["regions matched at IoU 0.9"]


@pytest.mark.parametrize(
    "runtime", ["onnx", *(pytest.param(name, marks=pytest.mark.full) for name in ("executorch", "litert", "coreml"))]
)
@pytest.mark.parametrize(
    "kind", [lambda model: equal_tags(equal_objectness(model)), nothing_found], ids=["equal", "none"]
)
def test_a_real_artifact_of_such_a_detector_is_proven(runtime, kind, tmp_path):
    save(tmp_path / "run", kind(create_model("tee-tiny")), CheckpointInfo("tee-tiny", origin="trained", random=False))
    target = FORMATS[runtime]
    run_exporter(target, "", ["--checkpoint", str(tmp_path / "run"), "--output", str(tmp_path / "out")])
    sidecar = Sidecar.read(artifact_path(tmp_path / "out", "tee-tiny", target, "fp32"))
    assert all(metric.passed for metric in sidecar.methods[0].parity)
