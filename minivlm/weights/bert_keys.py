"""Keys of BERT's weights in the Hugging Face layout, and where they belong in a `FusionTransformer`.

Names follow `transformers` (`models/bert/modeling_bert.py`), the older names of google-research/bert conversions
(`gamma`, `beta`) and microsoft/Oscar (`img_embedding`).
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.weights.state_dicts import shown

MODULES = {
    "embeddings.word_embeddings": "embeddings.words",
    "embeddings.position_embeddings": "embeddings.positions",
    "embeddings.token_type_embeddings": "embeddings.types",
    "embeddings.LayerNorm": "embeddings.norm",
    "img_embedding": "region_projection",
    "pooler.dense": "pooler.dense",
    "cls.predictions.transform.dense": "caption_head.dense",
    "cls.predictions.transform.LayerNorm": "caption_head.norm",
    "cls.predictions.decoder": "caption_head.decoder",
    "cls.predictions": "caption_head.decoder",  # the decoder's bias lies one level up
}
LAYER_MODULES = {
    "attention.self.query": "attention.query",
    "attention.self.key": "attention.key",
    "attention.self.value": "attention.value",
    "attention.output.dense": "attention.output",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "intermediate",
    "output.dense": "output",
    "output.LayerNorm": "output_norm",
}
# Buffers of some versions of `transformers`; both count or are zero, whatever was trained.
POSITION_IDS = "embeddings.position_ids"
TYPE_IDS = "embeddings.token_type_ids"
PREFIX = "bert."
"""Before the encoder's keys in a model with a head."""
ENCODER = ("embeddings.", "encoder.", "pooler.", "img_embedding.")
NEEDED = (*ENCODER, "cls.predictions.")
"""Where a key that has no place here would mean another computation."""
LEAVES = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
OUTER_BIAS, INNER_BIAS = "cls.predictions.bias", "cls.predictions.decoder.bias"


def rename(state: Mapping[str, Tensor], source: str) -> tuple[dict[str, Tensor], list[str]]:
    """Return a BERT's tensors under this project's names, and the keys that have none.

    Args:
        state: A BertModel's, or one's with a head.
        source: What an error message calls the state.

    Raises:
        UserError: Two keys mean one tensor and differ, or a part of BERT holds something that BERT does not have.
    """
    _check_one_model(state, source)
    renamed: dict[str, Tensor] = {}
    first: dict[str, str] = {}
    ignored = []
    for key, tensor in state.items():
        bare = key.removeprefix(PREFIX)
        name = _name(bare)
        if name is None:
            _check_ignored(bare, key, tensor, source)
            ignored.append(key)
            continue
        if bare == OUTER_BIAS and INNER_BIAS in state:
            continue  # the decoder's own is the one that `transformers` adds
        if name in renamed and not _same(renamed[name], tensor):
            raise UserError(f"{source} holds {first[name]} and {key}, which both mean {name}, and differ: save one")
        renamed[name], first[name] = tensor, key
    return renamed, ignored


def _check_one_model(state: Mapping[str, Tensor], source: str) -> None:
    """Refuse a state dict where some of the encoder's keys begin with "bert." and others do not."""
    encoder = [key for key in state if key.removeprefix(PREFIX).startswith(ENCODER)]
    bare = next((key for key in encoder if not key.startswith(PREFIX)), None)
    prefixed = next((key for key in encoder if key.startswith(PREFIX)), None)
    if bare is not None and prefixed is not None:
        raise UserError(
            f"{source} mixes keys that begin with {PREFIX!r}, such as {shown(prefixed)}, and others, such as"
            f" {shown(bare)}: save the state dict of one model"
        )


def _same(one: Tensor, other: Tensor) -> bool:
    return one is other or (_plain(one) and _plain(other) and one.dtype == other.dtype and torch.equal(one, other))


def _plain(tensor: Tensor) -> bool:
    return tensor.layout is torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized


def _name(key: str) -> str | None:
    module, _, leaf = key.rpartition(".")
    layer = re.fullmatch(r"encoder\.layer\.(0|[1-9]\d*)\.(.+)", module)
    name = LAYER_MODULES.get(layer[2]) if layer else MODULES.get(module)
    if name is None or leaf not in LEAVES:
        return None
    prefix = f"encoder.layers.{layer[1]}." if layer else ""
    return f"{prefix}{name}.{LEAVES[leaf]}"


def _check_ignored(key: str, full: str, tensor: Tensor, source: str) -> None:
    """Refuse a key inside a part that is read: leaving it out would change what the part computes."""
    if key in (POSITION_IDS, TYPE_IDS) and tensor.ndim and _plain(tensor):
        counted = torch.arange(tensor.shape[-1]) if key == POSITION_IDS else torch.zeros(1)
        if bool((tensor == counted.to(tensor.dtype)).all()):
            return
    if key.startswith(NEEDED):
        raise UserError(f"{source} holds {shown(full)}, which has no place in a BERT: give a plain one's float weights")
