"""BERT, MiniLM and TinyBERT weights in the Hugging Face layout, read into a `FusionTransformer`.

`hf_keys` knows the names of the weights, `hf_vocabulary` what their token ids mean.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from minivlm.errors import UserError
from minivlm.language.transformer import FusionTransformer, TransformerConfig
from minivlm.storage.files import exists, is_file, is_folder
from minivlm.storage.json_files import read_object
from minivlm.weights.bert_keys import rename
from minivlm.weights.bert_vocabulary import FILES
from minivlm.weights.hub import NAME, Repository
from minivlm.weights.state_dicts import (
    SUFFIXES,
    fitting,
    modules_of,
    read_state_file,
    refuse_quantized,
    shown,
    without_wrappers,
)

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
REQUIRED_PARTS = ("embeddings", "encoder")
TIED_DECODER = "caption_head.decoder.weight"
NEEDS = "this transformer needs {}; build it with the file's sizes"

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
FIXED_FIELDS = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}
MODEL_CLASS = re.compile(r"(Image|Tiny)?Bert(?!Generation)[A-Z]\w*")
"""Names in `architectures` of models with BERT's encoder."""
EMPTY_FIELDS = {
    "quantization_config": "give the file with float weights",
    "auto_map": "it computes by code of its own; give a plain BERT",
    "pruned_heads": "give a BERT with all its attention heads",
}
"""Keys of config.json that change what weights mean, and what to do where one says anything."""


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
        left = f"; in the file and left out: {modules_of(self.ignored)}" if self.ignored else ""
        return f"loaded {', '.join(self.loaded)}{kept}{left}"


def load_pretrained(transformer: FusionTransformer, source: str | Path) -> LoadReport:
    """Read weights from a local folder or from the Hugging Face hub.

    Args:
        transformer: Changed in place, only if everything fits.
        source: See `find_folder`.

    Raises:
        UserError: The source cannot be had, or is not a BERT of this transformer's sizes.
    """
    return load_folder(transformer, find_folder(source), str(source))


def find_folder(source: str | Path) -> Path:
    """Return the folder with config.json, weights and vocabulary, downloading it when `source` is a name on the hub.

    Args:
        source: A folder, or a name such as `microsoft/MiniLM-L12-H384-uncased`.

    Raises:
        UserError: There is no such folder, or the hub cannot be reached.
    """
    if not str(source) or source == Path():
        raise UserError(f"no BERT is named: give a folder with {_content()}, or a name on the Hugging Face hub")
    folder = Path(source)
    if is_folder(folder):
        return folder
    if exists(folder):
        kind = "a file" if is_file(folder) else "no folder"
        raise UserError(f"{source} is {kind}: give the folder that holds it, with {_content()}")
    if isinstance(source, Path) or folder.suffix in SUFFIXES or not NAME.fullmatch(source):
        raise UserError(f"no folder {shown(str(source))}; give one with {_content()}")
    return _download(source)


def load_folder(transformer: FusionTransformer, folder: Path, source: str) -> LoadReport:
    """Read weights from a folder; see `load_pretrained`.

    Args:
        transformer: Changed in place, only if everything fits.
        folder: With config.json, and model.safetensors or pytorch_model.bin.
        source: What an error message about weights calls the folder.

    Raises:
        UserError: It does not hold a BERT of this transformer's sizes.
    """
    _check_config(_read_config(folder), transformer.config, folder)
    path = next((folder / name for name in WEIGHT_FILES if exists(folder / name)), None)
    if path is None:
        raise UserError(f"{folder} has no weights; put {' or '.join(WEIGHT_FILES)} there")
    return load_state(transformer, read_state_file(path).state, source)


def load_state(transformer: FusionTransformer, state: Mapping[str, Tensor], source: str = "state dict") -> LoadReport:
    """Copy the weights of a BertModel, BertForPreTraining or BertForMaskedLM.

    Args:
        transformer: Changed in place, only if everything fits.
        state: Keys with or without the `bert.` prefix, and with or without wrappers such as `module.`. A decoder that
            is tied to the word embeddings may be left out; it is copied and from then on has a life of its own.
        source: What an error message calls the state.

    Raises:
        UserError: A part is incomplete, a required one is missing, a shape is not this transformer's, a value is not
            finite or no float, or a part holds something that BERT has no place for.
    """
    refuse_quantized(state, source)
    renamed, ignored = rename(without_wrappers(state, source), source)
    head_present = any(key.startswith("caption_head.") for key in renamed)
    if head_present and TIED_DECODER not in renamed and "embeddings.words.weight" in renamed:
        renamed[TIED_DECODER] = renamed["embeddings.words.weight"]

    wanted = transformer.state_dict()
    parts = [name for name, _ in transformer.named_children()]
    loaded = tuple(part for part in parts if part in REQUIRED_PARTS or any(_within(key, part) for key in renamed))
    given: dict[str, Tensor] = {}
    for key, current in wanted.items():
        if not any(_within(key, part) for part in loaded):
            continue
        if key not in renamed:
            instead = f" (it begins with {shown(next(iter(state)))})" if not given and state else ""
            raise UserError(
                f"{source} has no weights for {key}{instead}; give the state dict of a BERT with"
                f" {transformer.config.layers} layers"
            )
        given[key] = fitting(renamed[key], current, key, source, NEEDS)
    extra = sorted(set(renamed) - set(wanted))
    if extra:
        raise UserError(f"{source} holds {extra[0]}, which this transformer lacks; build it with the file's sizes")
    transformer.load_state_dict({**wanted, **given})
    untouched = tuple(part for part in parts if part not in loaded)
    return LoadReport(loaded=loaded, untouched=untouched, ignored=tuple(ignored))


def _within(key: str, part: str) -> bool:
    return key.startswith(f"{part}.")


def _check_config(found: Mapping[str, Any], config: TransformerConfig, folder: Path) -> None:
    path = folder / "config.json"
    for key, way_out in EMPTY_FIELDS.items():
        if found.get(key):
            raise UserError(f"{path} has a {key} ({shown(repr(found[key]))}): {way_out}")
    architectures = found.get("architectures") or []
    for name in architectures if isinstance(architectures, list) else [architectures]:
        if not MODEL_CLASS.fullmatch(str(name)):
            raise UserError(f"{path}: architectures has {shown(repr(name))}; choose a BERT, such as a BertModel")
    wanted: dict[str, Any] = {key: getattr(config, field) for field, key in CONFIG_FIELDS.items()}
    missing = [key for key in wanted if key not in found]
    if missing:
        raise UserError(f"{path} has no {missing[0]}; it must describe a BERT encoder")
    fixed = {"layer_norm_eps": config.layer_norm_eps, **FIXED_FIELDS}
    for key, value in {**wanted, **fixed}.items():
        if found.get(key, value) != value:
            raise UserError(
                f"{path}: {key} is {shown(str(found[key]))}, this transformer has {value};"
                " choose the model size that the weights were trained for"
            )


def _read_config(folder: Path) -> dict[str, Any]:
    if not exists(folder / "config.json"):
        raise UserError(f"{folder} has no config.json; put the one published with the weights there")
    return read_object(folder / "config.json", "the config published with the weights", "get it again")


def _download(name: str) -> Path:
    repository = Repository(name, f"put its {_content()} into the folder {name} and run again")
    config = repository.fetch("config.json")
    repository.fetch(*WEIGHT_FILES)
    for file in FILES:
        repository.fetch_if_there(file)
    return config.parent


def _content() -> str:
    return f"config.json and {' or '.join(WEIGHT_FILES)}, and vocab.txt"
