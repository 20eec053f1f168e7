"""The vocabulary beside published weights comes along as it was trained with, or a setting's name says why not."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from minivlm.errors import UserError
from minivlm.weights.bert_vocabulary import read_source_vocabulary

TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "gene", "##s", "p53", "ß", "\u2028x")
SIZE = len(TOKENS)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A folder with vocab.txt alone."""
    write_text(tmp_path, TOKENS)
    return tmp_path


@pytest.fixture
def described(transformers: Any, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A folder as transformers saves it: tokenizer.json and tokenizer_config.json."""
    source = tmp_path_factory.mktemp("source")
    write_text(source, TOKENS)
    transformers.BertTokenizer(vocab=str(source / "vocab.txt")).save_pretrained(tmp_path)
    assert not (tmp_path / "vocab.txt").exists()
    return tmp_path


def write_text(folder: Path, tokens: tuple[str, ...]) -> None:
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")


def edit(path: Path, part: str, changes: Mapping[str, Any]) -> None:
    content = json.loads(path.read_text()) if path.exists() else {}
    (content[part] if part else content).update(changes)
    path.write_text(json.dumps(content))


def test_vocab_txt_is_taken(text: Path) -> None:
    found = read_source_vocabulary(text, SIZE, "source")
    assert (found.tokens, found.file) == (TOKENS, "vocab.txt")


def test_tokenizer_json_alone_is_taken_in_the_order_of_ids(described: Path) -> None:
    vocabulary = json.loads((described / "tokenizer.json").read_text())["model"]["vocab"]
    edit(described / "tokenizer.json", "model", {"vocab": dict(sorted(vocabulary.items()))})
    found = read_source_vocabulary(described, SIZE, "source")
    assert (found.tokens, found.file) == (TOKENS, "tokenizer.json")


def test_both_may_be_there_if_they_agree(described: Path) -> None:
    write_text(described, TOKENS)
    assert read_source_vocabulary(described, SIZE, "source").tokens == TOKENS
    write_text(described, (*TOKENS[:5], "##s", "gene", *TOKENS[7:]))
    with pytest.raises(UserError, match=r"vocab.txt and tokenizer.json in .* differ"):
        read_source_vocabulary(described, SIZE, "source")


def test_none_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"some/bert has no vocabulary.* and the vocab.txt that they were trained with"):
        read_source_vocabulary(tmp_path, SIZE, "some/bert")


def test_another_size_is_refused(text: Path) -> None:
    with pytest.raises(UserError, match=r"vocab.txt has 10 tokens, and the weights have 11"):
        read_source_vocabulary(text, SIZE + 1, "source")


def test_a_cased_vocabulary_is_refused_even_without_settings(text: Path) -> None:
    write_text(text, (*TOKENS[:-1], "Gene"))
    with pytest.raises(UserError, match="tokens with capitals, such as 'Gene'"):
        read_source_vocabulary(text, SIZE, "source")


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("tokenizer_config.json", {"do_lower_case": False}),
        ("tokenizer_config.json", {"do_lower_case": "true"}),
        ("tokenizer_config.json", {"do_basic_tokenize": False}),
        ("tokenizer_config.json", {"strip_accents": False}),
        ("tokenizer_config.json", {"tokenize_chinese_chars": False}),
        ("tokenizer_config.json", {"never_split": ["gene"]}),
        ("tokenizer_config.json", {"tokenizer_class": "BertJapaneseTokenizer"}),
        ("tokenizer_config.json", {"tokenizer_class": "RobertaTokenizerFast"}),
        ("tokenizer_config.json", {"unk_token": "<unk>"}),
        ("tokenizer_config.json", {"mask_token": {"content": "<mask>", "lstrip": True}}),
        ("tokenizer_config.json", {"additional_special_tokens": ["[GENE]"]}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"5": {"content": "gene"}}}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"9": {"content": "[SEP]"}}}),
        ("special_tokens_map.json", {"cls_token": "<s>"}),
        ("special_tokens_map.json", {"additional_special_tokens": ["[GENE]"]}),
        ("added_tokens.json", {"[GENE]": 10}),
        ("added_tokens.json", {"[SEP]": 9}),
    ],
)
def test_settings_that_change_ids_are_refused_by_name(text: Path, file: str, changes: Mapping[str, Any]) -> None:
    edit(text / file, "", changes)
    key = next(iter(changes))
    with pytest.raises(UserError, match=f"{file}: ({key}|an added token|added_tokens_decoder) is ") as caught:
        read_source_vocabulary(text, SIZE, "source")
    assert "\n" not in str(caught.value)


def test_settings_that_say_what_is_usual_are_fine(text: Path) -> None:
    """As published with bert-base-uncased, MiniLM and their kin."""
    usual = {"do_lower_case": True, "model_max_length": 512, "never_split": None, "tokenizer_class": "BertTokenizer"}
    added = {str(place): {"content": token, "special": True} for place, token in enumerate(TOKENS[:5])}
    specials = {"cls_token": "[CLS]", "mask_token": {"content": "[MASK]"}, "model_max_length": int(1e30)}
    edit(text / "tokenizer_config.json", "", {**usual, "added_tokens_decoder": added, "strip_accents": None})
    edit(text / "special_tokens_map.json", "", specials)
    edit(text / "added_tokens.json", "", {})
    assert read_source_vocabulary(text, SIZE, "source").tokens == TOKENS


@pytest.mark.parametrize(
    ("part", "changes", "complaint"),
    [
        ("model", {"type": "BPE"}, "model.type is 'BPE'"),
        ("model", {"continuing_subword_prefix": "@@"}, "model.continuing_subword_prefix is '@@'"),
        ("model", {"max_input_chars_per_word": 50}, "model.max_input_chars_per_word is 50"),
        ("model", {"unk_token": "<unk>"}, "model.unk_token is '<unk>'"),
        ("model", {"vocab": {"[PAD]": 0, "a": 2}}, "not 0, 1, 2"),
        ("model", {"vocab": [["a", 0.5]]}, "vocab is"),
        ("model", {"vocab": {**{token: place for place, token in enumerate(TOKENS[:9])}, "a\nb": 9}}, "on line 10"),
        ("normalizer", {"lowercase": False}, "normalizer.lowercase is False"),
        ("normalizer", {"strip_accents": False}, "normalizer.strip_accents is False"),
        ("normalizer", {"type": "NFC"}, "normalizer.type is 'NFC'"),
        ("pre_tokenizer", {"type": "Whitespace"}, "pre_tokenizer.type is 'Whitespace'"),
        ("", {"added_tokens": [{"id": 5, "content": "gene"}]}, "an added token is 'gene'"),
        ("", {"added_tokens": 3}, "added_tokens is 3"),
        ("", {"normalizer": None}, "normalizer is None"),
    ],
)
def test_another_tokenizer_is_refused_by_name(
    described: Path, part: str, changes: Mapping[str, Any], complaint: str
) -> None:
    edit(described / "tokenizer.json", part, changes)
    with pytest.raises(UserError, match=complaint) as caught:
        read_source_vocabulary(described, SIZE, "source")
    assert "\n" not in str(caught.value)
