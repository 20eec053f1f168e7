"""What a detector's training may start from."""

import re
from pathlib import Path

import pytest
import torch

from minivlm.errors import UserError
from minivlm.models.registry import build, get_config
from minivlm.models.sizes import with_sizes
from minivlm.training.detector_start import begin_with
from minivlm.weights import checkpoint
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.labels import DetectorLabels

LABELS = DetectorLabels(tags=("cat", "dog", "cow"), attributes=("red", "blue"))


@pytest.fixture
def nameless(tmp_path: Path) -> Path:
    """A detector of three classes and two attributes without names, as `minivlm checkpoint import` makes it."""
    model = build(with_sizes(get_config("tee-tiny"), {"tags": 3, "attributes": 2}))
    checkpoint.save(tmp_path, model, CheckpointInfo("tee-tiny", "an import", random=True))
    return tmp_path


def test_a_checkpoint_without_names_takes_the_datas(nameless: Path) -> None:
    start = begin_with(LABELS, name=None, start=nameless, backbone=None, seed=0)
    saved = torch.nn.Module.state_dict(start.model)
    fresh = build(start.model.config)
    checkpoint.load_weights(nameless, fresh)
    assert start.name == "tee-tiny"
    assert all(torch.equal(value, saved[key]) for key, value in fresh.state_dict().items())
    assert re.fullmatch(r"an import, sha256 [0-9a-f]+; trained further", start.origin)


@pytest.mark.parametrize(
    "labels",
    [DetectorLabels(tags=LABELS.tags[:2], attributes=LABELS.attributes), DetectorLabels(tags=LABELS.tags)],
    ids=["classes", "attributes"],
)
def test_one_of_other_numbers_is_refused(nameless: Path, labels: DetectorLabels) -> None:
    with pytest.raises(UserError, match=r"no names and 3 classes with 2 attributes.*make it with the data's numbers"):
        begin_with(labels, name=None, start=nameless, backbone=None, seed=0)
