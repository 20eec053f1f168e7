"""Which blocks there are, what a trial rounds, which trials there are, and what is compared turn by turn."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from export.core.methods import Method
from export.core.precision import Kind, Mode, Rule, by_rule, deciding_rule, fits_name
from export.core.recipe import Recipe
from export.core.sidecar import Sidecar
from export.flow.sensitivity import WARM_UP, Study, block_of, compare_speed, patterns_of, rounding, rules_for
from export.flow.trials import EVERYTHING, FLOAT, TABLE, Trial
from minivlm.console import Steps
from minivlm.weights.loading import load_model

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
            ("detector.backbone.efficientnet.body.conv_stem", "stem"),
            ("detector.backbone.efficientnet.body.bn1.act", "stem"),
            ("backbone.bifpn.cells.10.nodes.2.conv", "backbone.bifpn"),
            ("backbone.bifpn.skip_laterals.0.1", "backbone.bifpn"),
            ("transformer.encoder.layers.11.output", "encoder.layers.11"),
            ("detector.box_head.fc1", "box_head"),
            ("caption_head.transform.dense", "caption_head"),
            ("pooler", "pooler"),
        ],
    )
    def test_is_a_stage_the_stem_or_a_part_of_the_model(self, layer: str, block: str) -> None:
        assert block_of(layer) == block

    @pytest.mark.parametrize("name", ["tee-tiny", "minilm-tiny"])
    def test_a_block_s_patterns_fit_its_layers_and_no_others(self, name: str) -> None:
        module = load_model(name).module
        layers = [
            layer
            for layer, part in module.named_modules()
            if not list(part.children()) and not layer.endswith("nms")  # it has no numbers to round
        ]
        for layer in layers:
            for block in {block_of(other) for other in layers}:
                fits = any(fits_name(pattern, layer) for pattern in patterns_of(block))
                assert fits == (block == block_of(layer)), (layer, block)


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

    def test_kinds_that_the_table_leaves_in_float_within_a_module_stay_there(self) -> None:
        gates = Rule(("blocks",), Mode.FLOAT, (Kind.ARITHMETIC,))
        rules = rules_for(["blocks.1"], BLOCKS, (gates, Rule(("blocks",), Mode.STATIC)))
        assert deciding_rule(rules, "net.blocks.1.add", Kind.ARITHMETIC).mode is Mode.FLOAT
        assert deciding_rule(rules, "net.blocks.1.conv", Kind.CONVOLUTION).mode is Mode.STATIC

    def test_what_the_format_cannot_round_stays_in_float(self) -> None:
        assert self.decided(["stem"], "stem.conv") is Mode.FLOAT


class Net(nn.Module):
    """Three layers of a transformer and a pooler."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
        self.pooler = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.pooler(x)


LAYERS = ("layers.0", "layers.1", "layers.2", "pooler")
FIRST_AND_POOLER = (Rule(("layers.[12]",), Mode.FLOAT), Rule(("*",), Mode.DYNAMIC, (Kind.LINEAR,)))


class Sketch(Study):
    """A study whose artifacts are the texts of their recipes, judged by what is in `QUALITY`."""

    def _made(self, name: str, recipe: Recipe) -> Path:
        decided = by_rule(recipe.decide((layer, Kind.LINEAR) for layer in LAYERS)) if recipe.rules else []
        self.folder.joinpath(name).write_text(json.dumps(decided))
        return self.folder / name

    def _judged(self, name: str, blocks: Sequence[str], artifact: Path, sidecar: Sidecar) -> Trial:
        harm = sum(HARM[layer] for layer, _, _ in rounding(sidecar))
        shares = {} if self.examination is None else {"vqa": 1.0 - harm}
        return Trial(name=name, blocks=tuple(blocks), decibels=-harm, bytes=1, speed=None, shares=shares)


HARM = {"layers.0": 0.01, "layers.1": 0.025, "layers.2": 0.03, "pooler": 0.005}
"""What rounding a layer costs of the score. The floor of 0.97 leaves 0.03."""


def tried(rules: tuple[Rule, ...], folder: Path, monkeypatch: pytest.MonkeyPatch, scored: bool = False) -> list[str]:
    return [trial.name for trial in trials(rules, folder, monkeypatch, scored)]


def trials(
    rules: tuple[Rule, ...],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    scored: bool = False,
    known: Sequence[Trial] = (),
) -> list[Trial]:
    def read(path: Path) -> Any:
        return SimpleNamespace(quantization=json.loads(path.read_text()))

    monkeypatch.setattr(Sidecar, "read", read)
    methods = [Method("forward", Net(), {"x": torch.zeros(1, 2)}, ("y",))]
    job: Any = SimpleNamespace(methods=methods, recipe=Recipe("int8", rules))
    unused: Any = None
    judge: Any = object() if scored else None
    before = {trial.name: trial for trial in known}
    made = Sketch(
        job=job, exporter=unused, folder=folder, turns=2, threads=1, steps=Steps(), examination=judge, known=before
    )
    return list(made.run())


class TestStudy:
    """Expected by hand: the order is that of `HARM`, and sums of it are what trials cost."""

    def test_what_rounds_as_the_table_does_is_not_tried_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = tried(FIRST_AND_POOLER, tmp_path, monkeypatch)
        # "+ layers.0" would be the pooler and layers.0, which is the table.
        assert names == [FLOAT, TABLE, EVERYTHING, *LAYERS, "+ layers.1"]

    def test_a_table_that_rounds_everything_is_everything(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = tried(FIRST_AND_POOLER[1:], tmp_path, monkeypatch)
        assert names == [FLOAT, TABLE, *LAYERS, "+ layers.0", "+ layers.1"]

    def test_blocks_join_until_a_score_falls_below_the_floor(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The pooler and layers.1 together cost 0.0301, and "+ layers.0" would be next.
        monkeypatch.setitem(HARM, "layers.0", 0.026)
        monkeypatch.setitem(HARM, "layers.1", 0.0251)
        assert tried(FIRST_AND_POOLER, tmp_path, monkeypatch)[-2:] == ["+ layers.1", "+ layers.0"]
        assert tried(FIRST_AND_POOLER, tmp_path, monkeypatch, scored=True)[-2:] == ["pooler", "+ layers.1"]

    def test_what_is_known_is_not_made_again_but_the_float_artifact_that_others_are_timed_beside(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, again = tmp_path / "first", tmp_path / "again"
        first.mkdir()
        again.mkdir()
        known = trials(FIRST_AND_POOLER, first, monkeypatch)
        without = [trial for trial in known if trial.name not in (TABLE, "layers.1")]
        assert trials(FIRST_AND_POOLER, again, monkeypatch, known=without) == known
        # "+ layers.0" is the table, and nothing kept it.
        assert {path.name for path in again.iterdir()} == {FLOAT, TABLE, "layers.1", "+ layers.0"}


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
