"""Real measurements of the smallest models: one in a process of its own, the others here."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.costs.counts import OperatingPoint, count_model
from bench.machine.environment import available_cores
from bench.measure import measuring
from bench.measure.measuring import first_run, has_nan, perform, steady_stop
from bench.measure.task import Task
from bench.measure.timing import PROFILES, Stop
from bench.records.record import Case, Record
from bench.workers.process import ask
from export import to_onnx
from export.core.weights import Weights
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.language.transformer import FusionTransformer
from minivlm.models.costs import count_params
from minivlm.models.registry import build
from minivlm.vision.regions import Regions
from minivlm.weights.loading import WeightsOrigin, describe_model
from minivlm.weights.making import make_random
from tests.bench.plans import plan

BRIEF = replace(PROFILES["quick"], warmup=Stop(1, 0.0), steady=Stop(3, 0.0))


@pytest.fixture(autouse=True)
def _brief(monkeypatch):
    """Three runs; and threads are set for the whole process."""
    monkeypatch.setattr(measuring, "PROFILES", {"quick": BRIEF})
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def task(
    model: str,
    *flags: object,
    runtime: str = "pytorch",
    precision: str = "fp32",
    threads: int = 1,
    artifact: Path | None = None,
    **changes,
) -> Task:
    """Return the third repeat of a case; flags are those of bench/run.py, changes those of the plan."""
    made = replace(plan("--models", "minilm-tiny", "--profile", "quick", *flags), **changes)
    case = Case("cpu", model, runtime, precision, threads)
    return Task(plan=made, case=case, run="a run", round=2, artifact=artifact)


def measured(*args, **changes) -> Record:
    told = []
    record = perform(task(*args, **changes), lambda: told.append(1))
    # Loaded, each stage of the first run, one warm-up run, and those that count.
    assert len(told) == 1 + len(record.samples) + 1 + len(record.totals)
    assert Record.from_json(record.to_json()) == record
    return record


def of(checkpoint: Path) -> dict:
    """Return the part of a plan that says whose weights are measured."""
    weights = Weights(checkpoint)
    return {"weights": weights, "origin": weights.describe("minilm-tiny").origin}


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_process_of_its_own_answers_with_a_record():
    answer = ask(task("minilm-tiny").to_json(), 600.0)
    record = Record.from_json(answer.line)
    assert (record.run, record.round, record.status, record.device) == ("a run", 2, "ok", "cpu")
    assert (record.model, record.runtime, record.precision, record.unit) == ("minilm-tiny", "pytorch", "fp32", "ms")
    assert (record.threads, record.threads_asked) == (1, 1)
    (samples,) = record.samples.values()
    assert len(samples) >= PROFILES["quick"].steady.runs
    assert all(sample > 0.0 for sample in [*samples, record.first_ms, record.load_ms])
    assert record.photo == {"name": "china.jpg", "sha256": digest(default_photo())}
    assert record.artifact is None
    assert record.weights == "random (seed 0)"
    assert record.environment["cores"] == available_cores()
    assert record.time.endswith("+00:00")


def test_a_user_s_mistake_in_the_process_is_told_in_one_line():
    failure = ask(task("minilm-tinny").to_json(), 600.0).failure
    assert failure.reason.startswith("unknown model 'minilm-tinny': did you mean")
    assert "\n" not in failure.reason


def test_threads_are_set_and_read_back():
    assert measured("minilm-tiny", threads=2).threads == torch.get_num_threads() == 2


def test_memory_has_what_the_model_added(monkeypatch):
    record = measured("grid-tiny")
    assert record.memory.peak_bytes >= record.memory.baseline_bytes > 0
    assert record.memory.planned_bytes is None


def test_counts_are_those_of_the_model_at_the_measured_input():
    record = measured("tee-tiny")
    assert record.inputs["image"] == [1, 3, 128, 128]
    counted = count_model("tee-tiny", OperatingPoint(128, 128, 40))["total"]
    # Beside what the tables count: 10 regions' features of 64 and tags of 256, 512 hidden, 11 attributes.
    assert record.counts.macs == counted.macs + 10 * ((64 + 256) * 512 + 512 * 11)


def test_a_long_measurement_has_latency_over_time():
    record = measured("grid-tiny", sustained=0.02)  # 1.2 s
    assert sum(record.totals) >= 1000.0
    assert record.sustained[0][0] >= 1.0
    assert measured("grid-tiny").sustained is None


def test_a_long_measurement_stops_by_the_clock():
    stop = steady_stop(PROFILES["normal"], 2.0)
    assert stop.reached(10, 120.0)
    assert not stop.reached(10**6, 119.0)
    assert steady_stop(PROFILES["normal"], None) == PROFILES["normal"].steady


def test_a_detector_s_artifact_in_executorch(exported):
    artifact = exported("tee-tiny").artifact
    photo = default_photo().with_name("flower.jpg")
    record = measured("tee-tiny", runtime="executorch", artifact=artifact, photo=photo, threads=2)
    assert (record.runtime, record.threads) == ("executorch", 2)
    assert record.artifact.sha256 == digest(artifact)
    assert record.artifact.bytes == artifact.stat().st_size
    assert record.artifact.delegated == {"forward": pytest.approx(1.0, abs=0.05)}
    assert any("SQNR" in name for name in record.artifact.parity)
    assert record.inputs == {"image": [1, 3, 128, 128], "extent": [2]}
    assert record.photo["name"] == "flower.jpg"
    # The same multiply-adds as PyTorch's, from the sidecar.
    assert record.counts == measured("tee-tiny").counts


@pytest.mark.parametrize(
    ("outputs", "found"),
    [
        (torch.tensor([1.0, float("nan")]), True),
        ({"a": [np.array([float("nan")])]}, True),
        (Regions(*[torch.zeros(1)] * 4 + [torch.tensor([float("nan")])]), True),
        (torch.tensor([1.0, float("-inf")]), False),  # a score that is masked
        (torch.tensor([1]), False),
        (None, False),
    ],
)
def test_outputs_that_are_not_numbers_fail_the_first_run(outputs, found):
    assert has_nan(outputs) is found
    stages = [("forward", lambda: outputs)]
    if not found:
        assert first_run(stages, lambda: None) >= 0.0
        return
    with pytest.raises(UserError, match="outputs of forward are not numbers"):
        first_run(stages, lambda: None)


def test_a_model_that_computes_nan_is_a_failure(monkeypatch):
    forward = FusionTransformer.forward
    monkeypatch.setattr(FusionTransformer, "forward", lambda *given: (forward(*given)[0] * float("nan"),))
    with pytest.raises(UserError, match="are not numbers"):
        perform(task("minilm-tiny"), lambda: None)


def test_an_artifact_is_what_its_sidecar_says_whatever_its_name(exported):
    artifact = exported("tee-tiny").artifact
    with pytest.raises(UserError, match="for tee-tiny, executorch, int8 is one of tee-tiny, executorch, fp32"):
        perform(task("tee-tiny", runtime="executorch", precision="int8", artifact=artifact), lambda: None)


class TestWeights:
    """What is measured is the weights that were asked for, with their sizes, on every runtime."""

    @pytest.fixture(scope="class")
    def checkpoint(self, tmp_path_factory) -> Path:
        folder = tmp_path_factory.mktemp("weights") / "mine"
        make_random(folder, "minivlm-tiny", seed=5, sizes={"tags": 12, "answers": 5, "layers": 3})
        return folder

    def test_of_a_checkpoint_are_loaded_and_named(self, checkpoint):
        weights = digest(checkpoint / "model.safetensors")
        record = measured("minivlm-tiny", **of(checkpoint))
        assert record.weights == f"random (seed 5), sha256 {weights[:12]}"
        config = describe_model(None, checkpoint=checkpoint).config
        assert record.counts.params == count_params(build(config))[0]
        part = measured("minilm-tiny", **of(checkpoint))
        assert part.weights == record.weights
        assert part.counts.params == count_params(build(config.language))[0]

    def test_of_a_checkpoint_that_was_replaced_meanwhile_are_refused(self, checkpoint):
        with pytest.raises(UserError, match=r"are random \(seed 5\), sha256 .*, and the run began with others"):
            measured("minivlm-tiny", weights=Weights(checkpoint), origin=WeightsOrigin("others", True, "0" * 64))

    def test_of_another_seed_in_an_artifact_are_refused(self, exported):
        artifact = exported("minilm-tiny").artifact
        with pytest.raises(UserError, match=r"the weights are random \(seed 0\), and the run began with others"):
            measured(
                "minilm-tiny",
                runtime="executorch",
                artifact=artifact,
                weights=Weights(seed=1),
                origin=WeightsOrigin.of_seed(1),
            )

    @pytest.mark.parametrize("changes", [{"precision": "int8"}, {"model": "minilm"}])
    def test_an_artifact_of_something_else_is_refused(self, exported, changes):
        asked = {"model": "minilm-tiny", "runtime": "executorch", **changes}
        with pytest.raises(UserError, match="is one of minilm-tiny, executorch, fp32 by the sidecar"):
            measured(**asked, artifact=exported("minilm-tiny").artifact)

    def test_at_another_image_size_the_record_says_so(self):
        for model in ("tee-tiny", "minivlm-tiny"):
            usual, other = (measured(model, image_size=size) for size in (None, (64, 96)))
            assert usual.inputs["image"] == [1, 3, 128, 128]
            assert other.inputs["image"] == [1, 3, 64, 96]
            assert other.counts.macs < usual.counts.macs

    def test_of_other_sizes_are_counted_in_an_artifact_as_in_pytorch(self, checkpoint, tmp_path):
        to_onnx.main(["--model", "minilm-tiny", "--checkpoint", str(checkpoint), "--output", str(tmp_path)])
        artifact = tmp_path / "minilm-tiny-onnx-fp32.onnx"
        record = measured("minilm-tiny", runtime="onnx", artifact=artifact, **of(checkpoint))
        expected = measured("minilm-tiny", **of(checkpoint))
        assert (record.counts, record.weights) == (expected.counts, expected.weights)
