"""Weights between two trainings: what the second has learnt, with less of what it has forgotten.

Of weights that one training made of another's, those on the way from one to the other are often better than both at
what either can do (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
"""

from dataclasses import replace
from pathlib import Path

import torch

from minivlm.errors import UserError
from minivlm.storage.files import is_file, sha256
from minivlm.storage.folders import new_folder
from minivlm.weights import checkpoint
from minivlm.weights.checkpoint import CheckpointInfo
from minivlm.weights.labels import LABEL_FILES, copy_labels
from minivlm.weights.loading import load_model


def average(first: Path, second: Path, share: float, folder: Path) -> CheckpointInfo:
    """Write a checkpoint whose weights are a share of the way from one to another.

    Args:
        first: A checkpoint.
        second: One of the same model, with the same labels.
        share: Of the way, between 0 and 1.
        folder: Must not exist yet, or be empty.

    Raises:
        UserError: A share that is none, no checkpoints, of different models, or a folder in use.
    """
    if not 0.0 < share < 1.0:
        raise UserError(
            f"a share of {share:g}: give one above 0, which is {first} itself, and below 1, which is {second}"
        )
    infos = [checkpoint.read_info(one) for one in (first, second)]
    shapes = [(one.model, one.heads, dict(one.sizes)) for one in infos]
    if shapes[0] != shapes[1] or any(_label(first, name) != _label(second, name) for name in LABEL_FILES):
        raise UserError(
            f"{first} and {second} are of different models or labels: between them there is nothing; give two"
            " trainings of one model, such as a start and what came of it"
        )
    model, other = (load_model(checkpoint=one).module for one in (first, second))
    weights = model.state_dict()  # shares its memory with the model
    with torch.no_grad():
        for key, tensor in other.state_dict().items():
            own = weights[key]
            own.copy_(torch.lerp(own, tensor, share) if own.is_floating_point() else tensor)
    origins = [one.origin for one in infos]
    told = f"{1.0 - share:g} of {origins[0]}, {share:g} of {origins[1]}"
    if origins[0] == origins[1]:  # such as trainings that differ in their seeds
        told = f"{origins[0]}; two such, averaged"
    sources = {part: text if text == infos[0].sources.get(part) else told for part, text in infos[1].sources.items()}
    info = replace(infos[1], origin=told, random=any(one.random for one in infos), sources=sources)
    with new_folder(folder, "the checkpoint") as made:
        copy_labels(first, made)
        checkpoint.save(made, model, info)
    return info


def _label(folder: Path, name: str) -> str | None:
    return sha256(folder / name) if is_file(folder / name) else None
