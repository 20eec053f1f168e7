"""The detector as a stage: what learns and how fast, what a step moves, what is saved, and what it can learn."""

import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from minivlm.errors import UserError
from minivlm.inference.backend import load_torch_detector
from minivlm.training.detection import Batch
from minivlm.training.detector_stage import DetectorStage, with_proposals
from minivlm.training.recipes import SMALL_WORLD, DetectorRecipe
from minivlm.training.trainer import TrainOptions, train
from minivlm.vision.rpn import RPNConfig
from minivlm.vision.tee import TEE
from minivlm.vision.tee_config import TEE_TINY
from minivlm.weights.loading import load_model
from tests.training.made import random_boxes, seeded, truth_of
from tests.training.tiny_run import LABELS, Squares, tiny_recipe, tiny_stage


class Scenes:
    """Two pictures of two rectangles each, whose colour says their class, on noise."""

    def __len__(self) -> int:
        return 2

    def example(self, index: int, generator: torch.Generator, progress: float) -> Any:
        image = 0.1 * torch.randn(3, 128, 128, generator=seeded(index))
        colours = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
        boxes, classes = random_boxes(2, index).round(), [1 + index, 3 + index % 2]
        for (x1, y1, x2, y2), kind in zip(boxes.int().tolist(), classes, strict=True):
            image[:, y1:y2, x1:x2] += colours[kind - 1][:, None, None]
        return image, truth_of(boxes, classes, [[kind] for kind in classes])

    def collate(self, examples: Any) -> Batch:
        return Squares(0).collate(examples)


def run(stage: DetectorStage, folder: Path, steps: int) -> None:
    train(stage, TrainOptions(folder=folder, steps=steps, device="cpu"), {})


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def test_made_up_pictures_are_learnt(tmp_path: Path) -> None:
    # So few weights, from nothing and in 30 steps, take a rate far above the recipe's.
    recipe = replace(tiny_recipe(batch=2, learning_rate=0.04, warmup=5, mixed=False), frozen=(), pretrained_rate=1.0)
    stage = tiny_stage(recipe, Scenes())
    lines: list[dict[str, float]] = []
    plain = stage.losses

    class Noting(DetectorStage):
        def losses(self, batch: Batch, generator: torch.Generator) -> Any:
            losses = plain(batch, generator)
            lines.append({name: value.item() for name, value in losses.items()})
            return losses

    run(Noting(**vars(stage)), tmp_path / "run", 30)
    first, last = lines[0], lines[-1]
    knows_nothing = math.log(2) + math.log(41) + math.log(11) / 2  # the attribute head starts with more of an opinion
    assert first["total"] == pytest.approx(knows_nothing, rel=0.1)
    assert last["total"] < first["total"] / 10
    assert last["objectness"] < first["objectness"] / 2
    assert last["classes"] < first["classes"] / 10
    assert last["attributes"] < first["attributes"] / 10


class TestPreparation:
    @pytest.fixture(scope="class")
    def stage(self) -> DetectorStage:
        return tiny_stage(tiny_recipe(), Squares(4))

    @pytest.fixture(scope="class")
    def rates(self, stage: DetectorStage) -> dict[int, float]:
        return {id(value): group.rate for group in stage.prepare() for value in group.parameters}

    def test_gives_weights_their_rates(self, stage: DetectorStage, rates: dict[int, float]) -> None:
        names = dict(stage.model.named_parameters())
        body = "backbone.efficientnet.body.blocks.2.0"
        expected = {
            f"{body}.conv_pw.weight": 0.3,
            f"{body}.bn1.weight": 0.3,
            f"{body}.se.conv_reduce.weight": 1.0,
            f"{body}.se.conv_reduce.bias": 1.0,
            "box_head.fc1.weight": 1.0,
            "rpn.deltas.bias": 1.0,
        }
        assert {name: rates[id(names[name])] for name in expected} == expected
        learning = {name for name, value in names.items() if not name.startswith(SMALL_WORLD.frozen)}
        assert {name for name, value in names.items() if id(value) in rates} == learning

    def test_sets_the_bifpns_momentum_alone(self, stage: DetectorStage, rates: dict[int, float]) -> None:
        of = {name: part.momentum for name, part in stage.model.named_modules() if isinstance(part, nn.BatchNorm2d)}
        assert {momentum for name, momentum in of.items() if ".bifpn." in name} == {0.05}
        assert {momentum for name, momentum in of.items() if ".bifpn." not in name} == {0.01}

    def test_lays_convolutions_out_as_cpus_like_them(self, stage: DetectorStage, rates: dict[int, float]) -> None:
        weight = stage.model.backbone.efficientnet.body.blocks[2][0].conv_pw.weight
        assert weight.is_contiguous(memory_format=torch.channels_last)


def test_a_step_leaves_what_is_frozen(tmp_path: Path) -> None:
    stage = tiny_stage(tiny_recipe(), Squares(4))
    before = copied(stage.model)
    run(stage, tmp_path / "run", 1)
    moved = {key for key, value in stage.model.state_dict().items() if not torch.equal(value, before[key])}
    assert not any(key.startswith(SMALL_WORLD.frozen) for key in moved)
    learning = {key for key, value in stage.model.named_parameters() if value.requires_grad}
    # Of the few anchors of stride 64 chance draws some or none.
    assert {key for key in learning if ".bottom_up.3." not in key} <= moved
    statistics = [key for key in before if key.endswith("running_mean") and not key.startswith(SMALL_WORLD.frozen)]
    assert set(statistics) <= moved


class TestMixedStyles:
    """`style_mixing` as a recipe asks for it; tests/training/test_style_mixing.py says what it does."""

    def recipe(self) -> DetectorRecipe:
        return replace(tiny_recipe(), mixed_styles=1.0)

    def test_change_what_is_learnt(self, tmp_path: Path) -> None:
        mixed, plain = tiny_stage(self.recipe(), Squares(4)), tiny_stage(tiny_recipe(), Squares(4))
        run(mixed, tmp_path / "mixed", 1)
        run(plain, tmp_path / "plain", 1)
        assert not torch.equal(mixed.model.box_head.fc1.weight, plain.model.box_head.fc1.weight)

    def test_are_the_same_in_a_training_that_goes_on(self, tmp_path: Path) -> None:
        whole, parts = tiny_stage(self.recipe(), Squares(4)), tmp_path / "parts"
        run(whole, tmp_path / "whole", 2)
        stopped = tiny_stage(self.recipe(), Squares(4))
        losses = stopped.losses

        class Interrupted(DetectorStage):
            def losses(self, batch: Batch, generator: torch.Generator) -> Any:
                os.kill(os.getpid(), signal.SIGINT)  # after the first step the state is saved
                return losses(batch, generator)

        with pytest.raises(KeyboardInterrupt):
            run(Interrupted(**vars(stopped)), parts, 2)
        resumed = tiny_stage(self.recipe(), Squares(4))
        train(resumed, TrainOptions(folder=parts, steps=2, device="cpu", resume=True), {})
        assert copied(resumed.model).keys() == copied(whole.model).keys()
        for key, value in whole.model.state_dict().items():
            assert torch.equal(value, resumed.model.state_dict()[key]), key


class TestSaved:
    def test_is_a_checkpoint_of_the_registrys_model(self, tmp_path: Path) -> None:
        recipe = replace(tiny_recipe(), rpn=replace(TEE_TINY.rpn, pre_nms=50, proposals=20))
        stage = tiny_stage(recipe, Squares(4))
        stage = replace(stage, model=with_proposals(stage.model, recipe, "tee-tiny"))
        run(stage, tmp_path / "run", 1)
        loaded = load_model(checkpoint=tmp_path / "run")
        assert isinstance(loaded.module, TEE)
        assert loaded.module.config == TEE_TINY
        assert not loaded.origin.random
        assert loaded.origin.description.startswith("trained in a test")
        for key, value in loaded.module.state_dict().items():
            assert torch.equal(value, stage.model.state_dict()[key]), key

    def test_says_what_its_classes_are(self, tmp_path: Path) -> None:
        run(tiny_stage(tiny_recipe(), Squares(4)), tmp_path / "run", 1)
        assert (tmp_path / "run" / "tags.txt").read_text().splitlines() == list(LABELS.tags)
        assert (tmp_path / "run" / "attributes.txt").read_text().splitlines() == list(LABELS.attributes)
        assert load_torch_detector(checkpoint=tmp_path / "run").tags == LABELS.tags


class TestProposals:
    def test_are_as_many_as_the_recipe_says(self) -> None:
        model = tiny_stage(tiny_recipe(), Squares(4)).model
        recipe = replace(tiny_recipe(), rpn=replace(TEE_TINY.rpn, pre_nms=50, proposals=20))
        other = with_proposals(model, recipe, "tee-tiny")
        assert (other.selector.config.pre_nms, other.selector.nms.max_output) == (50, 20)
        assert all(torch.equal(value, other.state_dict()[key]) for key, value in model.state_dict().items())

    @pytest.mark.parametrize(
        "rpn", [SMALL_WORLD.rpn, replace(TEE_TINY.rpn, aspect_ratios=(1.0,)), replace(TEE_TINY.rpn, iou_threshold=0.5)]
    )
    def test_of_other_anchors_are_refused(self, rpn: RPNConfig) -> None:
        model = tiny_stage(tiny_recipe(), Squares(4)).model
        recipe: DetectorRecipe = replace(SMALL_WORLD, rpn=rpn)
        with pytest.raises(UserError, match=r"tee-tiny has .*: take another model or recipe"):
            with_proposals(model, recipe, "tee-tiny")
