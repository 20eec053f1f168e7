"""Detectors whose photos are not like others: equal scores, nothing found."""

import torch

from minivlm.vision.tee import TEE


@torch.no_grad()
def equal_objectness(model: TEE) -> TEE:
    """Give every anchor the same score."""
    model.rpn.objectness.weight.zero_()
    return model


@torch.no_grad()
def equal_tags(model: TEE) -> TEE:
    """Give every region the same probabilities, the same for every tag."""
    model.box_head.classifier.weight.zero_()
    model.box_head.classifier.bias.zero_()
    return model


def all_equal(model: TEE) -> TEE:
    """Leave no score above another."""
    return equal_tags(equal_objectness(model))


@torch.no_grad()
def nothing_found(model: TEE) -> TEE:
    """Move every region out of the photo: nothing is left of it."""
    model.box_head.deltas.weight.zero_()
    model.box_head.deltas.bias.copy_(torch.tensor([1e4, 0.0, 0.0, 0.0]))
    return model
