"""BERT, MiniLM and TinyBERT weights in the Hugging Face layout, read into a `FusionTransformer`.

Key names follow `transformers` (`models/bert/modeling_bert.py`), the older names of google-research/bert conversions
(`gamma`, `beta`) and microsoft/Oscar (`img_embedding`).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.files import is_file, is_folder
from minivlm.language.transformer import FusionTransformer, TransformerConfig

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
REQUIRED_PARTS = ("embeddings", "encoder")
TIED_DECODER = "caption_head.decoder.weight"

CONFIG_FIELDS = {
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "intermediate": "intermediate_size",
    "heads": "num_attention_heads",
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
    "types": "type_vocab_size",
}
"""Field of `TransformerConfig` -> key of config.json."""

# What the fusion transformer has built in. Files that leave a key out mean the value here, as `transformers` does.
FIXED_FIELDS = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}

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
LEAVES = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What became of a pretrained file.

    Attributes:
        loaded: Parts of the transformer (its direct children) that were read.
        untouched: Parts that the file does not hold; they keep the weights they had, as a rule random ones.
        ignored: Keys of the file that have no place here, such as a next-sentence classifier.
    """

    loaded: tuple[str, ...]
    untouched: tuple[str, ...]
    ignored: tuple[str, ...]

    def __str__(self) -> str:
        kept = f"; not in the file and left as they were: {', '.join(self.untouched)}" if self.untouched else ""
        return f"loaded {', '.join(self.loaded)}{kept}"


def load_pretrained(transformer: FusionTransformer, source: str | Path) -> LoadReport:
    """Read weights from a local folder or from the Hugging Face hub.

    Args:
        transformer: Changed in place, only if everything fits.
        source: A folder with config.json and model.safetensors or pytorch_model.bin, or a name on the hub such as
            `microsoft/MiniLM-L12-H384-uncased`.

    Raises:
        UserError: The source cannot be had, or is not a BERT of this transformer's sizes.
    """
    folder = _folder(source)
    _check_config(_read_config(folder), transformer.config, folder)
    return load_state(transformer, _read_weights(folder), str(source))


def load_state(transformer: FusionTransformer, state: Mapping[str, Tensor], source: str = "state dict") -> LoadReport:
    """Copy the weights of a BertModel, BertForPreTraining or BertForMaskedLM.

    Args:
        transformer: Changed in place, only if everything fits.
        state: Keys with or without the `bert.` prefix. A decoder that is tied to the word embeddings may be left
            out; it is copied and from then on has a life of its own.
        source: What an error message calls the state.

    Raises:
        UserError: A part is incomplete, a required one is missing, or a shape is not this transformer's.
    """
    renamed, ignored = _rename(state)
    head_present = any(key.startswith("caption_head.") for key in renamed)
    if head_present and TIED_DECODER not in renamed and "embeddings.words.weight" in renamed:
        renamed[TIED_DECODER] = renamed["embeddings.words.weight"]

    wanted = transformer.state_dict()
    parts = [name for name, _ in transformer.named_children()]
    loaded = tuple(part for part in parts if part in REQUIRED_PARTS or any(_within(key, part) for key in renamed))
    for key, current in wanted.items():
        if not any(_within(key, part) for part in loaded):
            continue
        if key not in renamed:
            raise UserError(f"{source} has no weights for {key}; give a BERT with the sizes {transformer.config}")
        if renamed[key].shape != current.shape:
            raise UserError(
                f"{source}: {key} has shape {tuple(renamed[key].shape)}, this transformer needs"
                f" {tuple(current.shape)}; build it with the file's sizes"
            )
    extra = sorted(set(renamed) - set(wanted))
    if extra:
        raise UserError(f"{source} holds {extra[0]}, which this transformer lacks; build it with the file's sizes")
    transformer.load_state_dict({**wanted, **renamed})
    untouched = tuple(part for part in parts if part not in loaded)
    return LoadReport(loaded=loaded, untouched=untouched, ignored=tuple(ignored))


def _within(key: str, part: str) -> bool:
    return key.startswith(f"{part}.")


def _rename(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Return the tensors under this project's names, and the keys that have none."""
    renamed, ignored = {}, []
    for key, tensor in state.items():
        module, _, leaf = key.removeprefix("bert.").rpartition(".")
        layer = re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)", module)
        name = LAYER_MODULES.get(layer[2]) if layer else MODULES.get(module)
        if name is None or leaf not in LEAVES:
            ignored.append(key)
            continue
        prefix = f"encoder.layers.{layer[1]}." if layer else ""
        renamed[f"{prefix}{name}.{LEAVES[leaf]}"] = tensor
    return renamed, ignored


def _check_config(found: Mapping[str, Any], config: TransformerConfig, folder: Path) -> None:
    wanted: dict[str, Any] = {key: getattr(config, field) for field, key in CONFIG_FIELDS.items()}
    missing = [key for key in wanted if key not in found]
    if missing:
        raise UserError(f"{folder / 'config.json'} has no {missing[0]}; it must describe a BERT encoder")
    fixed = {"layer_norm_eps": config.layer_norm_eps, **FIXED_FIELDS}
    for key, value in {**wanted, **fixed}.items():
        if found.get(key, value) != value:
            raise UserError(
                f"{folder / 'config.json'}: {key} is {found[key]}, this transformer has {value};"
                " choose the model size that the weights were trained for"
            )


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} has no config.json; put the one published with the weights there") from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); get it again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object; get it again")
    return content


def _read_weights(folder: Path) -> dict[str, Tensor]:
    path = next((folder / name for name in WEIGHT_FILES if is_file(folder / name)), None)
    if path is None:
        raise UserError(f"{folder} has no weights; put {' or '.join(WEIGHT_FILES)} there")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both readers raise many kinds, by what is broken
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"{path} cannot be read ({reason}); get the file again") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path} is not a state dict of tensors; save model.state_dict() there")
    return state


def _folder(source: str | Path) -> Path:
    """Return the folder, downloading it when `source` is a name on the hub."""
    folder = Path(source)
    if is_folder(folder):
        return folder
    if isinstance(source, Path) or not re.fullmatch(r"[\w][\w.-]*(/[\w.-]+)?", source):
        raise UserError(f"no folder {source}; give one with config.json and {' or '.join(WEIGHT_FILES)}")
    return _download(source)


def _download(name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError

    def fetch(file: str) -> Path:
        try:
            return Path(hf_hub_download(name, file))
        except RemoteEntryNotFoundError:
            raise
        except Exception as error:  # the hub's errors and its HTTP client's have no base class in common
            raise UserError(
                f"cannot get {name} from the Hugging Face hub ({type(error).__name__}), and there is no folder {name};"
                f" put its config.json and {' or '.join(WEIGHT_FILES)} into the folder {name} and run again"
            ) from error

    try:
        config = fetch("config.json")
        try:
            fetch(WEIGHT_FILES[0])
        except RemoteEntryNotFoundError:
            fetch(WEIGHT_FILES[1])
    except RemoteEntryNotFoundError as error:
        raise UserError(f"{name} on the Hugging Face hub holds no BERT in PyTorch form ({error})") from error
    return config.parent
