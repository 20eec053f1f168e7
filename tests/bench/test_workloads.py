"""What one run consists of, for parts, baselines and whole models."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from bench.workloads import CAPTION_TOKENS, Workload, is_device_model, pytorch_workload
from minivlm.backend import TorchBackend
from minivlm.photos import default_photo
from minivlm.registry import build, get_config, load_model


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Workloads set them for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def workload(model: str, photo: Path | None = None, threads: int = 1) -> Workload:
    return pytorch_workload(load_model(model), photo or default_photo(), threads, None)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_is_that_of_the_runtime(threads):
    made = workload("minilm-tiny", threads=threads)
    assert made.threads == torch.get_num_threads() == threads


@pytest.mark.parametrize("model", ["tee-tiny", "minilm-tiny", "grid-tiny", "r101-f-tiny"])
def test_a_part_has_one_stage_that_runs_it_without_gradients(model):
    ((name, call),) = workload(model).stages
    assert name == "forward"
    ran = set()
    hook = register_module_forward_pre_hook(lambda module, _: ran.add(torch.is_inference_mode_enabled()))
    try:
        call()
    finally:
        hook.remove()
    assert ran == {True}


@pytest.mark.parametrize("model", ["grid-tiny", "r101-f-tiny"])
def test_baselines_see_the_photo_in_its_own_shape_and_tee_in_a_square(model):
    # 640 x 427 pixels with the short side at 128.
    assert workload(model).inputs["image"] == [1, 3, 128, 192]
    assert workload("tee-tiny").inputs["image"] == [1, 3, 128, 128]


def test_a_whole_model_goes_from_the_photo_to_a_caption_of_fixed_length(monkeypatch, photo_path):
    written = []
    session = TorchBackend.session

    def counting(self, context):
        made = session(self, context)
        advance = made.advance
        monkeypatch.setattr(
            made, "advance", lambda parents, tokens: (written.append(tokens), advance(parents, tokens))[1]
        )
        return made

    monkeypatch.setattr(TorchBackend, "session", counting)
    made = workload("minivlm-tiny", photo_path)
    assert [name for name, _ in made.stages] == ["preprocess", "regions", "prefill", f"{CAPTION_TOKENS} tokens"]
    for run in (1, 2):  # every run begins a new caption
        for _, call in made.stages:
            call()
        assert len(written) == run * CAPTION_TOKENS
    assert written[:CAPTION_TOKENS] == written[CAPTION_TOKENS:]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        *((name, True) for name in ("tee-0", "minilm", "bert-base", "minivlm")),
        *((name, False) for name in ("r101-f", "grid-r50", "oscar-b")),
    ],
)
def test_baselines_are_no_device_models(model, expected):
    with torch.device("meta"):
        assert is_device_model(build(get_config(model))) is expected
