"""Real measurements: the smallest models, in processes of their own."""

import hashlib

import pytest

from bench import run
from bench.environment import available_cores
from bench.timing import PROFILES
from bench.worker import Request
from minivlm.errors import UserError
from minivlm.photos import default_photo


def request(model: str, **changes) -> Request:
    fields = {
        "runtime": "pytorch",
        "precision": "fp32",
        "threads": 1,
        "photo": str(default_photo()),
        "profile": "quick",
    }
    return Request(model, **{**fields, **changes})


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_transformer_in_pytorch():
    record = run.measure(request("minilm-tiny"))
    assert (record.model, record.runtime, record.precision, record.unit) == ("minilm-tiny", "pytorch", "fp32", "ms")
    assert (record.threads, record.threads_asked) == (1, 1)
    (samples,) = record.samples.values()
    assert len(samples) >= PROFILES["quick"].runs
    assert all(sample > 0.0 for sample in [*samples, record.first_ms, record.load_ms])
    # Table 2's sequence: 35 text tokens and 50 regions.
    assert record.inputs["token_ids"] == [1, 35]
    assert record.inputs["regions"][:2] == [1, 50]
    assert record.photo == {"name": "china.jpg", "sha256": digest(default_photo())}
    assert record.artifact is None
    assert record.weights == "random (seed 0)"
    assert record.environment["cores"] == available_cores()
    assert record.time.endswith("+00:00")


def test_a_detector_s_artifact_in_executorch(exported):
    artifact = exported("tee-tiny").artifact
    photo = default_photo().with_name("flower.jpg")
    record = run.measure(request("tee-tiny", runtime="executorch", artifact=str(artifact), photo=str(photo)))
    assert record.runtime == "executorch"
    assert record.artifact == digest(artifact)
    assert record.inputs == {"image": [1, 3, 128, 128], "extent": [2]}
    assert record.photo["name"] == "flower.jpg"


def test_a_failure_in_the_process_is_a_user_s_error_in_one_line():
    with pytest.raises(UserError) as caught:
        run.measure(request("minilm-tinny"))
    assert str(caught.value).startswith(
        "measuring minilm-tinny on pytorch failed: unknown model 'minilm-tinny': did you"
    )
    assert "\n" not in str(caught.value)
