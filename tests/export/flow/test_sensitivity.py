"""Which blocks there are, what a trial rounds, which trials nothing beats, and what is compared turn by turn."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from export.core.methods import Method
from export.core.precision import Kind, Mode, Rule, deciding_rule
from export.flow.sensitivity import WARM_UP, Speed, Trial, block_of, compare_speed, front, rules_for

RULES = (
    Rule(("stem", "blocks.0"), Mode.FLOAT),
    Rule(("blocks",), Mode.STATIC, (Kind.CONVOLUTION,)),
    Rule(("*",), Mode.DYNAMIC, (Kind.LINEAR,)),
)
BLOCKS = ("stem", "blocks.0", "blocks.1", "head")


class TestBlockOf:
    @pytest.mark.parametrize(
        ("layer", "block"),
        [
            ("detector.backbone.body.blocks.3.0.conv_pw", "backbone.body.blocks.3"),
            ("backbone.bifpn.cells.10.nodes.2.conv", "backbone.bifpn.cells.10"),
            ("transformer.encoder.layers.11.output", "encoder.layers.11"),
            ("detector.box_head.fc1", "box_head.fc1"),
            ("caption_head.transform.dense", "caption_head.transform"),
            ("pooler", "pooler"),
            ("0.weight", "0.weight"),
        ],
    )
    def test_is_the_name_up_to_the_first_number_or_two_components(self, layer: str, block: str) -> None:
        assert block_of(layer) == block


class TestRulesFor:
    def decided(self, blocks: Sequence[str], layer: str, kind: Kind = Kind.CONVOLUTION) -> Mode:
        return deciding_rule(rules_for(blocks, BLOCKS, RULES), layer, kind).mode

    def test_other_blocks_stay_in_float(self) -> None:
        assert self.decided(["blocks.1"], "head.fc", Kind.LINEAR) is Mode.FLOAT
        assert self.decided(["head"], "net.blocks.1.conv") is Mode.FLOAT

    def test_a_block_is_rounded_as_the_table_rounds_its_kind(self) -> None:
        assert self.decided(["blocks.1"], "net.blocks.1.conv") is Mode.STATIC
        assert self.decided(["head"], "head.fc", Kind.LINEAR) is Mode.DYNAMIC

    def test_so_is_one_that_the_table_leaves_in_float(self) -> None:
        assert deciding_rule(RULES, "net.blocks.0.conv", Kind.CONVOLUTION).mode is Mode.FLOAT
        assert self.decided(["blocks.0"], "net.blocks.0.conv") is Mode.STATIC

    def test_what_the_format_cannot_round_stays_in_float(self) -> None:
        assert self.decided(["stem"], "stem.conv") is Mode.FLOAT


def trial(name: str, decibels: float, times: float | None = 1.0, size: int = 100, **shares: float) -> Trial:
    speed = None if times is None else Speed(median=times, low=times, high=times)
    return Trial(name=name, blocks=(), decibels=decibels, bytes=size, speed=speed, shares=shares)


class TestFront:
    def test_what_is_worse_in_both_is_not_on_it(self) -> None:
        exact, fast, both = trial("exact", 100.0, 1.0), trial("fast", 20.0, 2.0), trial("bad", 19.0, 1.9)
        assert front([exact, fast, both]) == [exact, fast]

    def test_what_equals_in_both_stays(self) -> None:
        first = trial("first", 30.0)
        second = replace(first, name="second")
        assert front([first, second]) == [first, second]

    def test_scores_come_before_decibels_and_the_worst_task_decides(self) -> None:
        able = trial("able", 10.0, vqa=0.99, caption=0.99)
        noisy = trial("noisy", 50.0, vqa=1.0, caption=0.9)
        assert front([able, noisy]) == [able]

    def test_without_times_the_smaller_wins(self) -> None:
        small, large = trial("small", 30.0, None, 50), trial("large", 30.0, None, 100)
        assert front([small, large]) == [small]


class Counting:
    """A program that only counts its runs."""

    def __init__(self, runs: list[str], name: str) -> None:
        self.runs, self.name = runs, name

    def run(self, method: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        self.runs.append(self.name)
        return ()


def test_programs_are_timed_turn_by_turn_and_the_first_turns_do_not_count() -> None:
    runs: list[str] = []
    methods = [Method(name, nn.Identity(), {"x": torch.zeros(1)}, ("y",)) for name in ("one", "two")]
    speed = compare_speed(Counting(runs, "float"), Counting(runs, "other"), methods, turns=3)  # type: ignore[arg-type]
    assert runs == ["float", "float", "other", "other"] * (WARM_UP + 3)
    assert 0.0 < speed.low <= speed.median <= speed.high
