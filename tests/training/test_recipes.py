"""Recipes: what must fit together in them, and the numbers that the paper prints."""

from dataclasses import replace

import pytest
import torch

from minivlm.models.registry import build, get_config
from minivlm.models.sizes import sizes_of
from minivlm.scenes.things import COLOURS, SIZES, all_things
from minivlm.training.optimization import SGD
from minivlm.training.recipes import OBJECTS365, RECIPES, SMALL_WORLD, VISUAL_GENOME, DetectorRecipe
from minivlm.vision.tee import TEE
from minivlm.vision.tee_config import TEEConfig


def tee_0() -> TEE:
    with torch.device("meta"):
        model = build(get_config("tee-0"))
    assert isinstance(model, TEE)
    return model


@pytest.mark.parametrize(
    ("recipe", "epochs", "rate", "batch"), [(OBJECTS365, 100, 0.4, 256), (VISUAL_GENOME, 200, 0.2, 512)]
)
def test_section_4_1(recipe: DetectorRecipe, epochs: int, rate: float, batch: int):
    how = recipe.optimization
    assert (how.epochs, how.learning_rate, how.batch) == (epochs, rate, batch)
    assert isinstance(how.optimizer, SGD)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_sides_are_inputs_of_a_tee(recipe: DetectorRecipe):
    config = get_config("tee-0")
    assert isinstance(config, TEEConfig)
    sides = [side for phase in recipe.sides for side in phase.sides]
    assert all(side % config.size_multiple == 0 for side in sides)
    assert max(sides) <= recipe.longest
    assert max(recipe.rpn.anchor_sizes) <= max(sides)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_phases_fill_the_training(recipe: DetectorRecipe):
    ends = [phase.until for phase in recipe.sides]
    assert ends == sorted(set(ends))
    assert ends[0] > 0.0
    assert ends[-1] == 1.0


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_weights_trained_with_its_anchors_are_those_of_a_tee(recipe: DetectorRecipe):
    of_tee = tee_0().config.rpn
    assert (recipe.rpn.strides, recipe.rpn.aspect_ratios) == (of_tee.strides, of_tee.aspect_ratios)
    assert recipe.rpn.iou_threshold == of_tee.iou_threshold


def test_the_samples_detector_is_made_for_the_scenes() -> None:
    config = get_config("tee-sample")
    assert isinstance(config, TEEConfig)
    assert sizes_of(config) == {"tags": len(all_things()), "attributes": len(COLOURS) + len(SIZES)}
    assert config.rpn == replace(tee_0().config.rpn, anchor_sizes=SMALL_WORLD.rpn.anchor_sizes)


def test_what_is_frozen_is_the_beginning_of_the_backbone():
    model = tee_0()
    frozen = [key for key, _ in model.named_parameters() if key.startswith(SMALL_WORLD.frozen)]
    assert all(model.get_submodule(part) for part in SMALL_WORLD.frozen)
    assert frozen == [key for key, _ in model.named_parameters()][: len(frozen)]
    # tee-0 up to stride 4, counted by hand from Tan and Le (2019): the stem's 3 x 32 x 9 and its norm, one block
    # MBConv1 (1,448 parameters) and two MBConv6 (6,004 and 10,710).
    of_frozen = sum(model.get_parameter(key).numel() for key in frozen)
    assert of_frozen == 3 * 32 * 9 + 2 * 32 + 1448 + 6004 + 10710
