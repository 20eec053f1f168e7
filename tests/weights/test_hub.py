"""What is fetched from the Hugging Face hub, through its own library and a cache folder as that library keeps it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from minivlm.errors import UserError
from minivlm.language.tokenizer import WordPieceTokenizer
from minivlm.vision.efficientnet import import_timm
from minivlm.weights.hub import Repository
from minivlm.weights.labels import shipped_vocabulary
from minivlm.weights.making import import_weights
from tests.tiny import CONFIG, NAME
from tests.weights.bert_configs import hf_config

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def transformers() -> Any:
    pytest.importorskip("transformers")
    import_timm()  # transformers imports torchvision too, and needs the same help where its library does not load
    import transformers

    return transformers


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def publish(cache: Path, name: str, files: Mapping[str, bytes], commit: str = COMMIT) -> None:
    """Put a repository into the cache as a download leaves it."""
    repository = cache / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots" / commit).mkdir(parents=True)
    for file, content in files.items():
        (repository / "snapshots" / commit / file).write_bytes(content)


@pytest.fixture(scope="module")
def bert(transformers: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Config and weights of the tiny model's sizes, written by transformers; no vocabulary."""
    folder = tmp_path_factory.mktemp("bert")
    with torch.random.fork_rng(devices=[]):
        transformers.BertModel(hf_config(transformers, CONFIG.language)).save_pretrained(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


OWN = shipped_vocabulary(400).read_bytes().splitlines(keepends=True)
OWN[-1], OWN[-2] = OWN[-2], OWN[-1]
"""As many tokens as the shipped vocabulary, two of them swapped."""


def test_a_name_brings_its_own_vocabulary(cache: Path, bert: dict[str, bytes], tmp_path: Path) -> None:
    publish(cache, "some/biobert", {**bert, "vocab.txt": b"".join(OWN)})
    info = import_weights(tmp_path / "new", NAME, bert="some/biobert")
    assert (tmp_path / "new" / "vocab.txt").read_bytes() == b"".join(OWN)
    assert info.sources["vocab.txt"] == "some/biobert (vocab.txt)"


def test_a_name_and_the_same_files_in_a_folder_give_the_same_checkpoint(
    cache: Path, bert: dict[str, bytes], tmp_path: Path
) -> None:
    files = {**bert, "vocab.txt": b"".join(OWN)}
    publish(cache, "some/biobert", files)
    (tmp_path / "local").mkdir()
    for name, content in files.items():
        (tmp_path / "local" / name).write_bytes(content)
    import_weights(tmp_path / "one", NAME, bert="some/biobert")
    import_weights(tmp_path / "other", NAME, bert=str(tmp_path / "local"))
    for name in ("model.safetensors", "vocab.txt", "tags.txt", "answers.txt"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_a_vocabulary_in_tokenizer_json_is_converted(
    transformers: Any, cache: Path, bert: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "own.txt").write_bytes(b"".join(OWN))
    transformers.BertTokenizer(vocab=str(tmp_path / "own.txt")).save_pretrained(tmp_path / "tokenizer")
    described = {path.name: path.read_bytes() for path in (tmp_path / "tokenizer").iterdir()}
    assert "vocab.txt" not in described
    publish(cache, "some/biobert", {**bert, **described})
    info = import_weights(tmp_path / "new", NAME, bert="some/biobert")
    assert (tmp_path / "new" / "vocab.txt").read_bytes() == b"".join(OWN)
    assert info.sources["vocab.txt"] == "some/biobert (tokenizer.json)"
    text = "jazz and 5 zebras & a fox"
    reference = transformers.BertTokenizer.from_pretrained(tmp_path / "tokenizer")
    assert WordPieceTokenizer(tmp_path / "new" / "vocab.txt").encode(text) == reference.encode(
        text, add_special_tokens=False
    )


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "some/biobert has no vocabulary"),
        ({"vocab.txt": b"".join(OWN), "tokenizer_config.json": b'{"do_lower_case": false}'}, "do_lower_case is False"),
        ({"vocab.txt": b"".join(OWN[:-1])}, "has 399 tokens, and the weights have 400"),
        ({"spiece.model": b"pieces"}, "has no vocabulary"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_leaves_nothing(
    cache: Path, bert: dict[str, bytes], tmp_path: Path, files: dict[str, bytes], complaint: str
) -> None:
    publish(cache, "some/biobert", {**bert, **files})
    with pytest.raises(UserError, match=complaint):
        import_weights(tmp_path / "new", NAME, bert="some/biobert")
    assert not (tmp_path / "new").exists()


def test_timms_config_comes_with_its_weights(cache: Path, tmp_path: Path) -> None:
    from safetensors.torch import save

    timm = import_timm()
    with torch.random.fork_rng(devices=[]):
        state = timm.create_model(CONFIG.vision.efficientnet).state_dict()
    config = b'{"architecture": "tinynet_e", "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}'
    publish(cache, "timm/tinynet_e.in1k", {"model.safetensors": save(state), "config.json": config})
    with pytest.raises(UserError, match="trained with pixels of mean"):
        import_weights(tmp_path / "new", NAME, backbone="timm/tinynet_e.in1k")


def test_all_files_come_from_the_first_ones_commit(cache: Path) -> None:
    """The branch may move between two files; a vocabulary of other weights would fit by its size."""
    publish(cache, "some/bert", {"config.json": b"old", "vocab.txt": b"old"})
    repository = Repository("some/bert", "do without")
    repository.fetch("config.json")
    publish(cache, "some/bert", {"config.json": b"new", "vocab.txt": b"new"}, commit=COMMIT[::-1])
    assert repository.fetch("vocab.txt").read_bytes() == b"old"


def test_what_is_nowhere_ends_in_the_way_out(cache: Path) -> None:
    repository = Repository("some/bert", "put it there yourself")
    with pytest.raises(UserError, match="cannot get a or b of some/bert from the Hugging Face hub: put it there"):
        repository.fetch("a", "b")
