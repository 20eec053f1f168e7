"""Runs divided into stages compute what undivided ones do, and everything that a run consists of."""

from pathlib import Path

import pytest
import torch

from bench.costs.counts import OperatingPoint, count_model
from bench.measure.pytorch_runs import CompiledBackend, eager_run, part_method
from bench.measure.stages import CAPTION_TOKENS, CaptionRun, DetectorRun
from bench.measure.timing import run_once
from minivlm.images.photos import default_photo, load_photo
from minivlm.inference.backend import TorchBackend, labels_of
from minivlm.models.costs import count_macs
from minivlm.weights.loading import load_model


def torch_backend(kind: type[TorchBackend] = TorchBackend) -> TorchBackend:
    model = load_model("minivlm-tiny")
    return kind(model, labels_of(model.module.config, None))


@pytest.mark.parametrize("name", ["tee-tiny", "r101-f-tiny"])
def test_the_parts_of_a_detector_are_its_forward(name, photo_path):
    model = load_model(name)
    image, extent = part_method(model, photo_path).example
    run = DetectorRun(model.module, lambda: (image, extent))
    assert [stage for stage, _ in run.stages] == ["backbone", "proposals", "head"]
    run_once(run.stages)
    with torch.no_grad():
        expected = model.module(image, extent)
    for given, wanted in zip(run.regions, expected, strict=True):
        assert torch.equal(given, wanted)  # the same operations in the same order


@pytest.mark.parametrize("name", ["tee-tiny", "r101-f-tiny", "grid-tiny", "minilm-tiny"])
def test_no_stage_keeps_gradients(name):
    run = eager_run(load_model(name), default_photo(), None)
    seen = set()
    handle = torch.nn.modules.module.register_module_forward_pre_hook(
        lambda module, inputs: seen.add(torch.is_inference_mode_enabled())
    )
    try:
        run_once(run.stages)
    finally:
        handle.remove()
    assert seen == {True}


def test_baselines_see_the_photo_in_its_own_shape_and_tee_in_a_square():
    # 640 x 427 pixels with the short side at 128.
    for name in ("grid-tiny", "r101-f-tiny"):
        assert eager_run(load_model(name), default_photo(), None).inputs["image"] == [1, 3, 128, 192]
    assert eager_run(load_model("tee-tiny"), default_photo(), None).inputs["image"] == [1, 3, 128, 128]


def test_a_run_counts_what_the_tables_count():
    """The multiply-adds of TEE's parts, run for real, are those of `count_model` on the meta device.

    Beside them are those of the attribute head, which the paper counts nowhere: 10 regions' features of 64 and tags of
    256, 512 hidden, 11 attributes.
    """
    model = load_model("tee-tiny")
    macs, _ = count_macs(lambda: run_once(eager_run(model, default_photo(), None).stages))
    counted = count_model("tee-tiny", OperatingPoint(128, 128, model.module.config.rpn.proposals))["total"].macs
    assert macs == counted + 10 * ((64 + 256) * 512 + 512 * 11)


class Counting:
    """Counts the tokens that sessions of a backend are asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type[TorchBackend]) -> None:
        self.written: list[list[int]] = []
        session = kind.session

        def counting(backend, context):
            made = session(backend, context)
            advance = made.advance
            made.advance = lambda parents, tokens: (self.written.append(list(tokens)), advance(parents, tokens))[1]
            return made

        monkeypatch.setattr(kind, "session", counting)


def test_a_caption_has_a_fixed_number_of_tokens_and_every_run_begins_anew(monkeypatch, photo_path):
    counting = Counting(monkeypatch, TorchBackend)
    run = eager_run(load_model("minivlm-tiny"), photo_path, None)
    assert [name for name, _ in run.stages] == ["preprocess", "backbone", "proposals", "head", "prefill", "steps"]
    assert run.tokens == CAPTION_TOKENS
    for number in (1, 2):
        run_once(run.stages)
        assert len(counting.written) == number * CAPTION_TOKENS
    assert counting.written[:CAPTION_TOKENS] == counting.written[CAPTION_TOKENS:]


def test_nothing_is_run_before_the_first_run(monkeypatch):
    """Or the first run would not be the first."""
    called = []
    monkeypatch.setattr(TorchBackend, "regions", lambda self, fitted: called.append("regions"))
    monkeypatch.setattr(TorchBackend, "session", lambda self, context: called.append("session"))
    assert CaptionRun(torch_backend(), load_photo(default_photo())).whole().inputs == {"image": [1, 3, 128, 128]}
    assert called == []


def test_compiled_captions_are_the_eager_ones(monkeypatch, photo_path):
    """With the compiler itself left out, which takes a minute: the networks it is given do the same work."""
    monkeypatch.setattr(torch, "compile", lambda module: module)
    texts = []
    for kind in (TorchBackend, CompiledBackend):
        counting = Counting(monkeypatch, kind)
        run_once(CaptionRun(torch_backend(kind), load_photo(photo_path)).whole().stages)
        texts.append(counting.written[-CAPTION_TOKENS:])
    assert texts[0] == texts[1]


def test_inputs_are_those_of_the_paper_s_table():
    # Table 2: 35 text tokens and 50 regions.
    inputs = eager_run(load_model("minilm-tiny"), Path(default_photo()), None).inputs
    assert inputs["token_ids"] == [1, 35]
    assert inputs["regions"][:2] == [1, 50]
