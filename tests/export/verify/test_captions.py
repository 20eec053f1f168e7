"""The whole model's verification: equal artifacts pass, and an error of detector or captions alone is seen."""

import pytest
import torch

from export.core.sidecar import Sidecar
from export.runtime.artifact_backend import ArtifactBackend, open_backend
from export.verify.captions import STEPS, follow, verify_captions, write_freely
from export.verify.tolerances import TOLERANCES
from minivlm.images.photos import default_photo, load_photo
from minivlm.images.preprocess import NetworkInput
from minivlm.inference.backend import TorchBackend, caption_context, load_torch_backend


@pytest.fixture(scope="module")
def reference() -> TorchBackend:
    return load_torch_backend("minivlm-tiny")


@pytest.fixture(scope="module")
def fitted(reference) -> NetworkInput:
    return reference.fit(load_photo(default_photo()))


class Faulty(ArtifactBackend):
    """An artifact of which one method returns something else."""

    def __init__(self, artifact: ArtifactBackend, method: str, output: int, change) -> None:
        class Program:
            methods = artifact._program.methods

            def run(self, name, inputs):
                outputs = list(artifact._program.run(name, inputs))
                if name == method:
                    outputs[output] = change(outputs[output])
                return tuple(outputs)

        super().__init__(
            Program(),
            model=artifact.model,
            config=artifact.config,
            origin=artifact.origin,
            labels=artifact.labels,
            image_size=artifact.image_size,
            detector_hash="",
        )


def values(reference, artifact, fitted) -> dict[str, float]:
    with torch.no_grad():
        metrics = verify_captions(reference, artifact, fitted.image, fitted.extent, TOLERANCES["fp32"])
    return {metric.name: metric.value for metric in metrics}


@pytest.fixture(scope="module")
def artifact(exported) -> ArtifactBackend:
    return open_backend(exported("minivlm-tiny").artifact)


def test_a_right_artifact_passes_every_tolerance(reference, artifact, fitted):
    with torch.no_grad():
        metrics = verify_captions(reference, artifact, fitted.image, fitted.extent, TOLERANCES["fp32"])
    assert all(metric.passed for metric in metrics), [str(metric) for metric in metrics]


def test_an_error_of_the_detector_shows_under_its_own_regions_only(reference, artifact, fitted):
    found = values(reference, Faulty(artifact, "regions", 0, lambda features: -features), fitted)
    assert found["caption, same regions: best entry equal"] == 1.0
    assert found["caption, own regions: KL nats"] > 0.01


def test_an_error_of_the_step_shows_in_both(reference, artifact, fitted):
    found = values(reference, Faulty(artifact, "step", 0, lambda logits: -logits), fitted)
    assert found["caption, same regions: best entry equal"] < 0.2
    assert found["caption, own regions: KL nats"] > 0.1
    assert found["caption tokens equal"] < 0.2


def test_captions_have_full_length_whatever_they_say(reference, fitted):
    with torch.no_grad():
        context = caption_context(reference, reference.regions(fitted))
        tokens = write_freely(reference, context)
        logits = follow(reference, context, tokens[:-1])
    assert len(tokens) == STEPS + 1
    assert logits.argmax(dim=1).tolist() == tokens[1:], "following its own words, a model writes them again"


def test_the_sidecar_of_a_whole_model_holds_the_verification(exported):
    sidecar = Sidecar.read(exported("minivlm-tiny").artifact)
    assert [metric.name for metric in sidecar.proof][-1] == "caption tokens equal"
    assert all(metric.passed for metric in sidecar.proof)
