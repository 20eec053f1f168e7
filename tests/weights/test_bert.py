"""Weights in the Hugging Face layout give the numbers that transformers' BERT gives with them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from minivlm.errors import UserError
from minivlm.language.heads import MatchHead
from minivlm.language.transformer import FusionTransformer, TransformerConfig
from minivlm.weights.bert import load_pretrained, load_state


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """Fix the global generator, from which transformers draws its weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


CONFIGS = [
    TransformerConfig(layers=2, hidden=32, intermediate=64, heads=4, vocabulary=120, positions=40),
    TransformerConfig(layers=3, hidden=48, intermediate=80, heads=12, vocabulary=99, positions=64),
]
SMALL = CONFIGS[0]


def hf_config(transformers: Any, config: TransformerConfig, **extra: Any) -> Any:
    return transformers.BertConfig(
        num_hidden_layers=config.layers,
        hidden_size=config.hidden,
        intermediate_size=config.intermediate,
        num_attention_heads=config.heads,
        vocab_size=config.vocabulary,
        max_position_embeddings=config.positions,
        initializer_range=0.3,  # visible outputs and sharp attention
        **extra,
    )


def lively(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Biases and norms away from 0 and 1, so that one that is mapped wrongly shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.add_(noise * 0.1)
    return model.eval()


def text_inputs(config: TransformerConfig) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shape = (3, 20)
    seen = torch.ones(shape, dtype=torch.int64)
    seen[1, 15:] = 0
    seen[2, 7:] = 0
    return {
        "input_ids": torch.randint(0, config.vocabulary, shape, generator=generator),
        "token_type_ids": torch.randint(0, 2, shape, generator=generator),
        "attention_mask": seen,
    }


def encode_text(model: FusionTransformer, given: dict[str, Tensor]) -> Tensor:
    positions = torch.arange(given["input_ids"].shape[1]).expand_as(given["input_ids"])
    embedded = model.embed(given["input_ids"], given["token_type_ids"], positions)
    return model.encode(embedded, (1.0 - given["attention_mask"][:, None].to(embedded.dtype)) * -10000.0)


def untied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in state.items()}


@torch.no_grad()
@pytest.mark.parametrize("config", CONFIGS, ids=["h32", "h48"])
def test_encoder_and_pooler_equal_bert_model(transformers: Any, config: TransformerConfig) -> None:
    """Tolerance 1e-5 absolute, float32, on every row that the mask leaves open."""
    reference = lively(transformers.BertModel(hf_config(transformers, config)), seed=2)
    model = FusionTransformer(config).eval()
    report = load_state(model, reference.state_dict())
    given = text_inputs(config)
    expected = reference(**given)
    encoded = encode_text(model, given)
    seen = given["attention_mask"].bool()
    torch.testing.assert_close(encoded[seen], expected.last_hidden_state[seen], atol=1e-5, rtol=0)
    torch.testing.assert_close(model.pooler(encoded), expected.pooler_output, atol=1e-5, rtol=0)
    assert report.loaded == ("embeddings", "encoder", "pooler")
    assert report.untouched == ("region_projection", "caption_head")


@torch.no_grad()
@pytest.mark.parametrize("config", CONFIGS, ids=["h32", "h48"])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_caption_head_equals_bert_for_masked_lm(transformers: Any, config: TransformerConfig, tied: bool) -> None:
    """Logits reach 20, so both compute in float64; tolerance 1e-5 absolute."""
    reference = transformers.BertForMaskedLM(hf_config(transformers, config, tie_word_embeddings=tied)).double()
    reference = lively(reference, seed=3)
    model = FusionTransformer(config).eval().double()
    report = load_state(model, reference.state_dict())
    given = text_inputs(config)
    seen = given["attention_mask"].bool()
    logits = model.caption_head(encode_text(model, given))
    torch.testing.assert_close(logits[seen], reference(**given).logits[seen], atol=1e-5, rtol=0)
    assert report.untouched == ("region_projection", "pooler")


@pytest.mark.parametrize("config", CONFIGS, ids=["h32", "h48"])
def test_training_drops_what_bert_drops(transformers: Any, config: TransformerConfig) -> None:
    """From one seed, both in training mode: the same numbers at the same places in the same order.

    Float64, tolerance 1e-9 absolute.
    """
    settings = hf_config(transformers, config, attn_implementation="eager")  # the fused one draws in another order
    reference = lively(transformers.BertModel(settings).double(), seed=2).train()
    model = FusionTransformer(config).double().train()
    load_state(model, reference.state_dict())
    given = text_inputs(config)
    torch.manual_seed(7)
    expected = reference(**given)
    torch.manual_seed(7)
    encoded = encode_text(model, given)
    seen = given["attention_mask"].bool()
    torch.testing.assert_close(encoded[seen], expected.last_hidden_state[seen], atol=1e-9, rtol=0)
    assert not torch.allclose(encoded[seen], encode_text(model, given)[seen]), "nothing was dropped"


@pytest.mark.parametrize("config", CONFIGS, ids=["h32", "h48"])
def test_gradients_equal_those_of_bert_for_pre_training(transformers: Any, config: TransformerConfig) -> None:
    """Of Oscar's loss, masked tokens plus matching, on padded text and regions; float64, tolerance 1e-10 absolute.

    The reference's parts are put together by hand, as BERT knows no regions.
    """
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    settings = hf_config(transformers, config, tie_word_embeddings=False, attn_implementation="eager", **off)
    reference = lively(transformers.BertForPreTraining(settings).double(), seed=5).train()
    model = FusionTransformer(replace(config, hidden_dropout=0.0, attention_dropout=0.0)).double().train()
    load_state(model, reference.state_dict())
    head, projection = MatchHead(config.hidden), torch.nn.Linear(config.region_dim, config.hidden)
    head.double().classifier.load_state_dict(reference.cls.seq_relationship.state_dict())
    projection.double().load_state_dict(model.region_projection.state_dict())

    given, text = text_inputs(config), 20
    given["input_ids"].clamp_(min=1)  # transformers trains no embedding of [PAD], and nothing here looks at one
    regions = torch.randn(3, 6, config.region_dim, dtype=torch.float64)
    seen = torch.cat([given["attention_mask"], torch.tensor([[1] * 6, [1] * 4 + [0] * 2, [1] * 6])], dim=1)
    mask = (1.0 - seen[:, None].double()) * -10000.0
    labels = torch.where(torch.rand(3, text) < 0.3, given["input_ids"], -100)
    matching = torch.tensor([0, 1, 1])

    def loss(logits: Tensor, judged: Tensor) -> Tensor:
        return cross_entropy(logits.flatten(0, 1), labels.flatten()) + cross_entropy(judged, matching)

    positions = torch.arange(text).expand(3, text)
    pooled, logits = model(given["input_ids"], given["token_type_ids"], positions, regions, mask)
    loss(logits, head(pooled)).backward()

    bert = reference.bert
    embedded = bert.embeddings(input_ids=given["input_ids"], token_type_ids=given["token_type_ids"])
    encoded = bert.encoder(torch.cat([embedded, projection(regions)], dim=1), attention_mask=mask[:, None])[0]
    loss(*reference.cls(encoded[:, :text], bert.pooler(encoded))).backward()

    expected = FusionTransformer(config).double()  # holds gradients where others hold weights
    load_state(expected, {name: parameter.grad for name, parameter in reference.named_parameters()})
    expected.region_projection.load_state_dict({name: value.grad for name, value in projection.named_parameters()})
    for (name, ours), theirs in zip(model.named_parameters(), expected.parameters(), strict=True):
        assert ours.grad is not None, name
        torch.testing.assert_close(ours.grad, theirs.data, atol=1e-10, rtol=0, msg=name)
    torch.testing.assert_close(
        head.classifier.weight.grad, reference.cls.seq_relationship.weight.grad, atol=1e-10, rtol=0
    )


@torch.no_grad()
def test_old_names_prefix_and_missing_tied_decoder_are_understood(transformers: Any) -> None:
    reference = lively(transformers.BertForPreTraining(hf_config(transformers, SMALL)), seed=4)
    state = untied(reference.state_dict())
    new, old = FusionTransformer(SMALL), FusionTransformer(SMALL)
    report = load_state(new, state)
    renamed = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for key, tensor in state.items()
        if not key.startswith("cls.predictions.decoder.")
    }
    load_state(old, renamed)
    parts = ("embeddings", "encoder", "pooler", "caption_head")
    for key, tensor in new.state_dict().items():
        assert not key.startswith(parts) or torch.equal(old.state_dict()[key], tensor), key
    assert report.untouched == ("region_projection",)
    assert set(report.ignored) == {"cls.seq_relationship.weight", "cls.seq_relationship.bias"}
    decoder, words = old.caption_head.decoder.weight, old.embeddings.words.weight
    assert torch.equal(decoder, words)
    assert decoder.data_ptr() != words.data_ptr()


def test_oscars_region_layer_is_read(transformers: Any) -> None:
    """Oscar's key for it is `bert.img_embedding` (microsoft/Oscar `oscar/modeling/modeling_bert.py`)."""
    state = {f"bert.{k}": v for k, v in transformers.BertModel(hf_config(transformers, SMALL)).state_dict().items()}
    state["bert.img_embedding.weight"] = torch.rand(SMALL.hidden, SMALL.region_dim)
    state["bert.img_embedding.bias"] = torch.rand(SMALL.hidden)
    model = FusionTransformer(SMALL)
    assert "region_projection" in load_state(model, state).loaded
    assert torch.equal(model.region_projection.weight, state["bert.img_embedding.weight"])


@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
def test_a_local_folder_is_read(transformers: Any, tmp_path: Path, safe: bool) -> None:
    reference = transformers.BertForMaskedLM(hf_config(transformers, SMALL))
    reference.config.save_pretrained(tmp_path)
    if safe:
        reference.save_pretrained(tmp_path)
    else:
        torch.save(reference.state_dict(), tmp_path / "pytorch_model.bin")
    model = FusionTransformer(SMALL)
    report = load_pretrained(model, tmp_path)
    assert torch.equal(model.embeddings.words.weight, reference.bert.embeddings.word_embeddings.weight)
    assert torch.equal(model.caption_head.decoder.weight, reference.bert.embeddings.word_embeddings.weight)
    assert str(report) == (
        "loaded embeddings, encoder, caption_head; not in the file and left as they were: region_projection, pooler"
    )


class TestMistakes:
    """Each ends in one line that names the way out, and leaves the model as it was."""

    @pytest.fixture
    def folder(self, transformers: Any, tmp_path: Path) -> Path:
        transformers.BertModel(hf_config(transformers, SMALL)).save_pretrained(tmp_path)
        return tmp_path

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("hidden_size", 64),
            ("num_hidden_layers", 12),
            ("vocab_size", 30522),
            ("hidden_act", "relu"),
            ("layer_norm_eps", 1e-5),
            ("num_attention_heads", 2),
            ("model_type", "roberta"),
        ],
    )
    def test_another_size(self, folder: Path, key: str, value: Any) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, key: value}))
        with pytest.raises(UserError, match=f"{key} is {value}, this transformer has .*; choose the model size"):
            load_pretrained(FusionTransformer(SMALL), folder)

    def test_no_such_folder(self) -> None:
        with pytest.raises(UserError, match=r"no folder /no/such/place; give one with config.json and"):
            load_pretrained(FusionTransformer(SMALL), "/no/such/place")

    def test_no_config(self, folder: Path) -> None:
        (folder / "config.json").unlink()
        with pytest.raises(UserError, match=r"has no config.json; put"):
            load_pretrained(FusionTransformer(SMALL), folder)

    @pytest.mark.parametrize("content", ["{", "[]"])
    def test_broken_config(self, folder: Path, content: str) -> None:
        (folder / "config.json").write_text(content)
        with pytest.raises(UserError, match="get it again"):
            load_pretrained(FusionTransformer(SMALL), folder)

    def test_config_of_something_else(self, folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        with pytest.raises(UserError, match="has no num_hidden_layers; it must describe a BERT encoder"):
            load_pretrained(FusionTransformer(SMALL), folder)

    def test_no_weights(self, folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        with pytest.raises(UserError, match=r"has no weights; put model.safetensors or pytorch_model.bin there"):
            load_pretrained(FusionTransformer(SMALL), folder)

    @pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
    def test_a_pointer_file_instead_of_weights(self, folder: Path, name: str) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        with pytest.raises(UserError, match=f"{name} cannot be read .*; get the file again"):
            load_pretrained(FusionTransformer(SMALL), folder)

    def test_a_training_checkpoint_instead_of_a_state_dict(self, folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        torch.save({"epoch": 3}, folder / "pytorch_model.bin")
        with pytest.raises(UserError, match="is not a state dict of tensors; save"):
            load_pretrained(FusionTransformer(SMALL), folder)

    @pytest.mark.parametrize("where", ["hub", "missing"])
    def test_the_hub_is_out_of_reach(self, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
        hub = pytest.importorskip("huggingface_hub")
        kind = {"hub": hub.errors.LocalEntryNotFoundError, "missing": ConnectionError}[where]

        def unreachable(*_: Any) -> str:
            raise kind("no network")

        monkeypatch.setattr(hub, "hf_hub_download", unreachable)
        with pytest.raises(UserError, match="into the folder some/bert and run again") as caught:
            load_pretrained(FusionTransformer(SMALL), "some/bert")
        assert "config.json and model.safetensors or pytorch_model.bin" in str(caught.value)

    def test_the_first_missing_weight_is_named_and_nothing_is_changed(self, transformers: Any) -> None:
        state = transformers.BertModel(hf_config(transformers, SMALL)).state_dict()
        del state["encoder.layer.1.output.dense.bias"]
        model = FusionTransformer(SMALL)
        before = untied(model.state_dict())
        with pytest.raises(UserError, match=r"no weights for encoder.layers.1.output.bias"):
            load_state(model, state)
        assert all(torch.equal(model.state_dict()[key], before[key]) for key in before)

    def test_more_layers_than_built(self, transformers: Any) -> None:
        state = transformers.BertModel(hf_config(transformers, SMALL)).state_dict()
        state["encoder.layer.2.output.dense.bias"] = torch.zeros(32)
        with pytest.raises(UserError, match=r"holds encoder.layers.2.output.bias, which this transformer lacks"):
            load_state(FusionTransformer(SMALL), state)

    def test_another_shape(self, transformers: Any) -> None:
        state = transformers.BertModel(hf_config(transformers, SMALL)).state_dict()
        state["pooler.dense.weight"] = torch.zeros(16, 32)
        with pytest.raises(UserError, match=r"pooler.dense.weight has shape \(16, 32\), this transformer needs"):
            load_state(FusionTransformer(SMALL), state)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("hidden_act", "gelu_new"),
            ("position_embedding_type", "relative_key"),
            ("is_decoder", True),
            ("add_cross_attention", True),
            ("quantization_config", {"load_in_8bit": True}),
            ("auto_map", {"AutoModel": "code.Model"}),
            ("pruned_heads", {"0": [1]}),
            ("architectures", ["RobertaModel"]),
            ("architectures", ["JinaBertForMaskedLM"]),
        ],
    )
    def test_another_computation(self, folder: Path, key: str, value: Any) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, key: value}))
        with pytest.raises(UserError, match=rf"config\.json.* {key} ") as caught:
            load_pretrained(FusionTransformer(SMALL), folder)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("source", ["", Path()])
    def test_an_empty_name(self, source: Any) -> None:
        with pytest.raises(UserError, match="no BERT is named"):
            load_pretrained(FusionTransformer(SMALL), source)

    @pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
    def test_a_file(self, folder: Path, name: str) -> None:
        with pytest.raises(UserError, match="is a file: give the folder that holds it"):
            load_pretrained(FusionTransformer(SMALL), str(folder / name))

    def test_a_file_that_is_not_there_is_not_looked_for_on_the_hub(self) -> None:
        with pytest.raises(UserError, match=r"no folder pytorch_model\.bin; give one"):
            load_pretrained(FusionTransformer(SMALL), "pytorch_model.bin")

    @pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "module._orig_mod."])
    @pytest.mark.parametrize("inner", ["", "bert."])
    def test_wrappers_are_taken_off(self, transformers: Any, prefix: str, inner: str) -> None:
        state = untied(transformers.BertModel(hf_config(transformers, SMALL)).state_dict())
        plain, wrapped = FusionTransformer(SMALL), FusionTransformer(SMALL)
        load_state(plain, state)
        load_state(wrapped, {f"{prefix}{inner}{key}": tensor for key, tensor in state.items()})
        for key, tensor in plain.encoder.state_dict().items():
            assert torch.equal(wrapped.encoder.state_dict()[key], tensor)

    @pytest.mark.parametrize("prefix", ["module.", "bert."])
    def test_keys_of_two_models(self, transformers: Any, prefix: str) -> None:
        state = transformers.BertModel(hf_config(transformers, SMALL)).state_dict()
        mixed = {(prefix if number % 2 else "") + key: tensor for number, (key, tensor) in enumerate(state.items())}
        with pytest.raises(UserError, match=f"mixes keys that begin with .{prefix[:-1]}"):
            load_state(FusionTransformer(SMALL), mixed)

    def test_another_model_s_keys_are_shown(self, transformers: Any) -> None:
        state = transformers.BertModel(hf_config(transformers, SMALL)).state_dict()
        state = {f"roberta.{key}": tensor for key, tensor in state.items()}
        with pytest.raises(UserError, match=r"no weights for \S+ \(it begins with roberta\.embeddings"):
            load_state(FusionTransformer(SMALL), state)

    @pytest.mark.parametrize(
        ("key", "tensor", "complaint"),
        [
            ("encoder.layer.0.output.dense.SCB", torch.ones(32), "quantized"),
            ("encoder.layer.0.output.dense.weight_mask", torch.ones(32, 64), "no place in a BERT"),
            ("encoder.layer.0.output.dense.lora_A", torch.ones(4, 64), "no place in a BERT"),
            ("encoder.layer.0.crossattention.self.query.weight", torch.ones(32, 32), "no place in a BERT"),
            ("embeddings.position_ids", torch.arange(40).flip(0)[None], "no place in a BERT"),
            ("encoder.layer.0.output.dense.weight", torch.ones(32, 64, dtype=torch.int8), "is int8"),
            ("encoder.layer.0.output.dense.weight", torch.full((32, 64), float("nan")), "2048 values of 2048"),
            ("encoder.layer.0.output.dense.weight", torch.full((32, 64), 1e6).half(), "NaN or infinite"),
            ("encoder.layer.0.output.LayerNorm.gamma", torch.zeros(32), "both mean .*output_norm.weight"),
        ],
    )
    def test_what_would_be_read_as_something_else(
        self, transformers: Any, key: str, tensor: Tensor, complaint: str
    ) -> None:
        state = {**transformers.BertModel(hf_config(transformers, SMALL)).state_dict(), key: tensor}
        model = FusionTransformer(SMALL)
        before = untied(model.state_dict())
        with pytest.raises(UserError, match=complaint):
            load_state(model, state)
        assert all(torch.equal(model.state_dict()[key], before[key]) for key in before)

    def test_buffers_that_count_are_no_weights(self, transformers: Any) -> None:
        state = transformers.BertModel(hf_config(transformers, SMALL)).state_dict()
        state["embeddings.position_ids"] = torch.arange(40)[None]
        state["classifier.weight"] = torch.ones(2, 32)
        report = load_state(FusionTransformer(SMALL), state)
        assert report.ignored == ("embeddings.position_ids", "classifier.weight")
        assert str(report).endswith("in the file and left out: embeddings, classifier")
