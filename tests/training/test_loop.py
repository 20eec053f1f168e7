"""Training steps: by hand where one step is looked at, and by what they lead to."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from minivlm.errors import UserError
from minivlm.models.registry import build
from minivlm.training.detection import SMALL_LESSONS, Batch, detection_losses
from minivlm.training.loop import Training, begin, take_step
from minivlm.training.recipes import OBJECTS365, SMALL_WORLD, DetectorRecipe
from minivlm.vision.tee import TEE, TEE_TINY
from tests.training.made import random_boxes, seeded, truth_of

TINY = replace(SMALL_WORLD, rpn=TEE_TINY.rpn)


def changed(recipe: DetectorRecipe, **numbers: Any) -> DetectorRecipe:
    return replace(recipe, optimization=replace(recipe.optimization, **numbers))


def fresh() -> TEE:
    model = build(TEE_TINY)
    model.initialize(seeded())
    return model


def scenes() -> Batch:
    """Two pictures of two rectangles each, whose colour says their class, on noise."""
    images, truths = 0.1 * torch.randn(2, 3, 128, 128, generator=seeded()), []
    colours = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])
    for index, image in enumerate(images):
        boxes, classes = random_boxes(2, index).round(), [1 + index, 3 + index % 2]
        for (x1, y1, x2, y2), kind in zip(boxes.int().tolist(), classes, strict=True):
            image[:, y1:y2, x1:x2] += colours[kind - 1][:, None, None]
        truths.append(truth_of(boxes, classes, [[kind] for kind in classes]))
    return Batch(images=images, extents=torch.full((2, 2), 128.0), truths=tuple(truths))


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


def moved(model: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}


def test_made_up_pictures_are_learnt():
    # So few weights, from nothing and in 30 steps, take a rate far above the recipe's.
    recipe = changed(replace(TINY, frozen=(), pretrained_rate=1.0), learning_rate=0.04, warmup=5, mixed=False)
    training, batch = begin(fresh(), recipe, 30, seeded(1)), scenes()
    losses = [take_step(training, batch) for _ in range(30)]
    first, last = losses[0], losses[-1]
    knows_nothing = math.log(2) + math.log(41) + math.log(11) / 2  # the attribute head starts with more of an opinion
    assert first.total == pytest.approx(knows_nothing, rel=0.1)
    assert last.total < first.total / 10
    assert last.objectness < first.objectness / 2
    assert last.classes < first.classes / 10
    assert last.attributes < first.attributes / 10


class TestStep:
    def test_of_sgd_by_hand(self):
        recipe = replace(OBJECTS365, rpn=TEE_TINY.rpn, lessons=SMALL_LESSONS)
        recipe = changed(recipe, warmup=4, weight_decay=0.5)
        model, batch = fresh(), scenes()
        training = begin(model, recipe, 10, seeded(1))
        before = copied(model)
        detection_losses(model, batch, seeded(1), SMALL_LESSONS).total.backward()
        grads = {key: value.grad.clone() for key, value in model.named_parameters()}
        model.load_state_dict(before)  # BatchNorm has seen the pictures
        take_step(training, batch)
        rate = 0.4 * (1 / 3 + 2 / 3 / 4)  # the first of four steps from a third
        for key, value in model.named_parameters():
            decay = 0.5 * before[key] if value.ndim > 1 else 0.0
            expected = before[key] - rate * (grads[key] + decay)
            torch.testing.assert_close(value.detach(), expected, rtol=1e-5, atol=1e-7)  # float32, in another order

    def test_is_no_longer_than_the_clip(self):
        recipe = replace(OBJECTS365, rpn=TEE_TINY.rpn)
        recipe = changed(recipe, warmup=0, learning_rate=1.0, weight_decay=0.0, clip=0.01)
        model = fresh()
        before = {key: value.detach().clone() for key, value in model.named_parameters()}
        take_step(begin(model, recipe, 10, seeded(1)), scenes())
        length = torch.stack([(value - before[key]).square().sum() for key, value in model.named_parameters()]).sum()
        assert length.sqrt().item() == pytest.approx(0.01, rel=1e-2)  # weights are rounded to float32

    def test_returns_losses_without_their_graph(self):
        losses = take_step(begin(fresh(), TINY, 10, seeded(1)), scenes())
        assert not losses.total.requires_grad

    def test_leaves_what_is_frozen(self):
        model = fresh()
        training = begin(model, TINY, 10, seeded(1))
        before = copied(model)
        take_step(training, scenes())
        after = moved(model, before)
        assert not any(key.startswith(TINY.frozen) for key in after)
        learning = {key for key, value in model.named_parameters() if value.requires_grad}
        # Of the few anchors of stride 64 chance draws some or none.
        assert {key for key in learning if ".bottom_up.3." not in key} <= after
        statistics = [key for key in before if key.endswith("running_mean") and not key.startswith(TINY.frozen)]
        assert set(statistics) <= after

    @pytest.mark.parametrize("spoil", ["picture", "weight", "gradient"])
    def test_refuses_what_is_no_number_in_one_line(self, spoil: str):
        model, batch = fresh(), scenes()
        training = begin(model, TINY, 10, seeded(1))
        if spoil == "picture":
            batch.images[1, 0, 5, 5] = math.nan
        elif spoil == "gradient":
            model.rpn.deltas.weight.register_hook(lambda gradient: gradient * math.nan)
        else:
            model.box_head.classifier.weight.data[3, 0] = math.inf
        before = {key: value.detach().clone() for key, value in model.named_parameters()}
        with pytest.raises(
            UserError, match=r"loss \S+ .* length (nan|inf) at step 1: .* learning_rate, 0.001"
        ) as caught:
            take_step(training, batch)
        assert "\n" not in str(caught.value)
        assert all(torch.equal(value, before[key]) for key, value in model.named_parameters())


class TestBeginning:
    @pytest.fixture(scope="class")
    def training(self) -> Training:
        return begin(fresh(), changed(TINY, warmup=0), 10, seeded())

    def test_gives_weights_their_rates_and_decays(self, training):
        found = {
            id(value): (group["initial_lr"], group["weight_decay"])
            for group in training.optimizer.param_groups
            for value in group["params"]
        }
        names = dict(training.model.named_parameters())
        body = "backbone.efficientnet.body.blocks.2.0"
        expected = {
            f"{body}.conv_pw.weight": (3e-4, 1e-4),
            f"{body}.bn1.weight": (3e-4, 0.0),
            f"{body}.se.conv_reduce.weight": (1e-3, 1e-4),
            f"{body}.se.conv_reduce.bias": (1e-3, 0.0),
            "box_head.fc1.weight": (1e-3, 1e-4),
            "rpn.deltas.bias": (1e-3, 0.0),
        }
        for name, numbers in expected.items():
            assert found[id(names[name])] == pytest.approx(numbers), name
        assert len(found) == sum(value.requires_grad for value in names.values())

    def test_sets_the_bifpns_momentum_alone(self, training):
        of = {name: part.momentum for name, part in training.model.named_modules() if isinstance(part, nn.BatchNorm2d)}
        assert {momentum for name, momentum in of.items() if ".bifpn." in name} == {0.05}
        assert {momentum for name, momentum in of.items() if ".bifpn." not in name} == {0.01}

    def test_refuses_other_anchors(self):
        with pytest.raises(ValueError, match="the recipe's anchors"):
            begin(fresh(), SMALL_WORLD, 10, seeded())
