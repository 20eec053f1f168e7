"""Weights in the Hugging Face layout give the numbers that transformers' BERT gives with them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from minivlm.language.heads import MatchHead
from minivlm.language.transformer import FusionTransformer, TransformerConfig
from minivlm.weights.bert import load_pretrained, load_state
from tests.weights.bert_configs import CONFIGS, SMALL, hf_config, untied

pytestmark = pytest.mark.usefixtures("torch_seed")


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
