"""How much of a detector's time its tail takes."""

import pytest
import torch

from bench import detector_tail
from bench.detector_tail import Tail, detector_of, in_turns, tail_of, tail_table, tailless_method
from export.core.catalogue import regions_method
from export.core.weights import Weights
from minivlm.errors import UserError
from minivlm.images.photos import default_photo
from minivlm.weights.loading import create_model
from minivlm.weights.making import make_random


def test_the_share_is_the_median_over_rounds_of_what_the_networks_leave():
    # By hand: 10 %, 20 %, 40 %; quartiles at 15 and 30.
    tail = tail_of([100.0, 200.0, 50.0], [90.0, 160.0, 30.0])
    assert (tail.whole, tail.networks) == (100.0, 90.0)
    assert tail.share == pytest.approx(20.0)
    assert tail.spread == pytest.approx(7.5)


def test_a_machine_that_slows_down_between_rounds_does_not_change_the_share():
    assert tail_of([10.0, 20.0, 40.0], [8.0, 16.0, 32.0]).share == pytest.approx(20.0)


def test_calls_take_turns_and_the_first_rounds_do_not_count():
    order: list[str] = []
    found = in_turns([lambda: order.append("a"), lambda: order.append("b")], rounds=5)
    assert order == ["a", "b"] * (detector_tail.WARMUP + 5)
    assert [len(times) for times in found] == [5, 5]


def test_without_the_tail_the_networks_compute_what_they_compute_with_it():
    detector = create_model("tee-tiny")
    whole = regions_method("forward", detector, None, default_photo())
    method = tailless_method(detector, whole)
    objectness, deltas, features, *_ = method.module(*method.example)
    expected = detector.rpn(detector.backbone(whole.inputs["image"]))
    torch.testing.assert_close((objectness, deltas), expected, atol=0, rtol=0)
    assert features.shape == (40, 64)  # proposals and feature length of the tiny detector


def test_the_table_has_a_row_a_runtime():
    table = tail_table("tee-0", 2, 20, {"executorch": Tail(100.0, 90.0, 10.0, 1.0)})
    assert table.rows[0].label == "executorch"
    assert table.rows[0].cells[2].measured == 10.0


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--model", "minilm"], "has no tail"),
        (["--threads", "0"], "no number of threads from 1"),
        (["--runtimes", "executorhc"], "did you mean executorch"),
    ],
)
def test_mistakes(argv, part):
    with pytest.raises(UserError, match=part):
        detector_tail.main(argv)


class TestCheckpoint:
    @pytest.fixture(scope="class")
    def weights(self, tmp_path_factory) -> Weights:
        folder = tmp_path_factory.mktemp("weights") / "mine"
        make_random(folder, "minivlm-tiny", sizes={"tags": 12})
        return Weights(folder)

    def test_of_a_whole_model_has_its_detector_measured(self, weights):
        assert detector_of(weights, None) == "tee-tiny"
        assert detector_of(weights, "tee-tiny") == "tee-tiny"
        assert detector_of(Weights(), None) == "tee-0"

    @pytest.mark.parametrize(("asked", "part"), [("minilm-tiny", "has no tail"), ("tee-0", "not 'tee-0'")])
    def test_that_holds_another_is_refused(self, weights, asked, part):
        with pytest.raises(UserError, match=part):
            detector_of(weights, asked)
