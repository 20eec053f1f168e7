"""The transformer's sizes and costs are the paper's, and its inputs matter. Numerics are held to BERT in test_hf."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from minivlm.errors import UserError
from minivlm.language.transformer import (
    BERT_4,
    BERT_8,
    BERT_BASE,
    MINILM,
    MINILM_TINY,
    TINYBERT_4,
    TINYBERT_6,
    FusionTransformer,
    TransformerConfig,
)

TEXT, REGIONS = 35, 50  # the lengths that Table 2 was counted at
HIDDEN_MASK = -10000.0


def on_meta(config: TransformerConfig) -> FusionTransformer:
    with torch.device("meta"):
        return FusionTransformer(config)


def inputs(config: TransformerConfig, batch: int = 1, seed: int = 0) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    token_ids = torch.randint(0, config.vocabulary, (batch, TEXT), generator=generator)
    types = torch.randint(0, config.types, (batch, TEXT), generator=generator)
    positions = torch.arange(TEXT).expand(batch, TEXT)
    regions = torch.randn(batch, REGIONS, config.region_dim, generator=generator)
    return token_ids, types, positions, regions, torch.zeros(batch, 1, TEXT + REGIONS)


def tiny(seed: int = 0) -> FusionTransformer:
    model = FusionTransformer(MINILM_TINY)
    model.randomize(torch.Generator().manual_seed(seed))
    return model.eval()


@pytest.mark.parametrize(
    ("config", "millions", "gmac"),
    [
        (BERT_BASE, 134.3, 8.2),
        (BERT_8, 106.0, 5.8),
        (TINYBERT_6, 91.8, 4.6),
        (BERT_4, 77.6, 3.3),
        (MINILM, 45.7, 2.3),
        (TINYBERT_4, 24.3, 0.8),
    ],
)
def test_parameters_and_macs_are_those_of_the_papers_table_2(
    config: TransformerConfig, millions: float, gmac: float
) -> None:
    """Expected values: MiniVLM, Table 2. Tolerance: its rounding to one decimal."""
    model = on_meta(config)
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        ids = torch.zeros(1, TEXT, dtype=torch.int64)
        model(ids, ids, ids, torch.zeros(1, REGIONS, 1030), torch.zeros(1, 1, TEXT + REGIONS))
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == millions
    assert round(counter.get_total_flops() / 2e9, 1) == gmac  # the counter counts 2 per multiply-add


@pytest.mark.parametrize(("config", "exact"), [(BERT_BASE, 134337594), (MINILM, 45655482), (TINYBERT_4, 24323586)])
def test_parameters_follow_the_closed_formula(config: TransformerConfig, exact: int) -> None:
    """Expected values: each part written out by hand, and their sums as found when Table 2 was analysed."""
    h, i, v = config.hidden, config.intermediate, config.vocabulary
    parts = {
        "embeddings": (v + 512 + 2) * h + 2 * h,
        "region_projection": 1030 * h + h,
        "encoder": config.layers * (4 * h * h + 2 * h * i + 9 * h + i),
        "pooler": h * h + h,
        "caption_head": h * h + 3 * h + v * h + v,
    }
    model = on_meta(config)
    counted = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert counted == parts
    assert sum(parts.values()) == exact


def test_heads_must_divide_the_hidden_size() -> None:
    with pytest.raises(UserError, match="hidden size 30 with 4 heads"):
        TransformerConfig(layers=1, hidden=30, intermediate=8, heads=4)


def test_a_batch_equals_its_rows() -> None:
    """Tolerance 1e-5: other summation orders in the matrix products."""
    model = tiny()
    batch = inputs(MINILM_TINY, batch=3)
    pooled, logits = model(*batch)
    for row in range(3):
        alone = model(*(tensor[row : row + 1] for tensor in batch))
        torch.testing.assert_close(alone[0][0], pooled[row], atol=1e-5, rtol=0)
        torch.testing.assert_close(alone[1][0], logits[row], atol=1e-5, rtol=0)


def test_a_hidden_row_changes_nothing_that_others_see() -> None:
    """Exact up to 1e-6: exp(-10000) is 0 in float32."""
    model = tiny()
    token_ids, types, positions, regions, mask = inputs(MINILM_TINY)
    mask[:, :, TEXT + 3] = HIDDEN_MASK
    changed = regions.clone()
    changed[:, 3] = 7.0
    before = model(token_ids, types, positions, regions, mask)
    after = model(token_ids, types, positions, changed, mask)
    torch.testing.assert_close(after, before, atol=1e-6, rtol=0)


def test_regions_have_no_order() -> None:
    """They carry no position: shuffling them leaves text and pooled outputs alone. Tolerance: summation order."""
    model = tiny()
    token_ids, types, positions, regions, mask = inputs(MINILM_TINY)
    shuffled = regions[:, torch.randperm(REGIONS, generator=torch.Generator().manual_seed(1))]
    before = model(token_ids, types, positions, regions, mask)
    after = model(token_ids, types, positions, shuffled, mask)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("which", ["token_ids", "token_types", "positions", "regions"])
@torch.no_grad()
def test_a_randomized_model_depends_visibly_on_each_input(which: str) -> None:
    """A quarter of the words it would put out changes with the input; logits spread as documented, 2 +- 10 %."""
    model = tiny()
    given = list(inputs(MINILM_TINY))
    _, before = model(*given)
    index = ["token_ids", "token_types", "positions", "regions"].index(which)
    given[index] = given[index].flip(1) if which != "token_types" else 1 - given[index]
    if which == "regions":
        given[index] = -given[index]
    _, after = model(*given)
    assert before.std().item() == pytest.approx(2.0, rel=0.1)
    assert (before.argmax(-1) != after.argmax(-1)).float().mean() > 0.25


class TestDropout:
    def test_is_of_the_papers_shares_in_the_places_of_bert(self) -> None:
        """Once behind the embeddings and the regions, and three times a layer: weights, attention, feed-forward."""
        model, calls = FusionTransformer(MINILM_TINY).train(), []
        for name, part in model.named_modules():
            if isinstance(part, nn.Dropout):
                part.register_forward_hook(
                    lambda part, _, rows, name=name: calls.append((name, part.p, tuple(rows.shape)))
                )
        model(*inputs(MINILM_TINY, batch=2))
        rows, weights = (2, TEXT + REGIONS, 32), (2, 4, TEXT + REGIONS, TEXT + REGIONS)
        expected = [("embeddings.dropout", 0.1, (2, TEXT, 32)), ("region_projection.dropout", 0.1, (2, REGIONS, 32))]
        for layer in ("encoder.layers.0", "encoder.layers.1"):
            expected += [(f"{layer}.attention.dropout", 0.1, weights), *[(f"{layer}.dropout", 0.1, rows)] * 2]
        assert calls == expected

    def test_of_everything_leaves_what_was_not_dropped(self) -> None:
        """Rows come out as the last LayerNorm's bias, since neither embeddings nor updates are left."""
        config = replace(MINILM_TINY, hidden_dropout=1.0)
        model = FusionTransformer(config).train()
        torch.nn.init.normal_(model.encoder.layers[-1].output_norm.bias)  # type: ignore[union-attr,arg-type]
        encoded = model.fuse(*inputs(config))
        assert torch.equal(encoded, model.encoder.layers[-1].output_norm.bias.expand_as(encoded))  # type: ignore[union-attr,operator]

    def test_of_attention_leaves_the_rest(self) -> None:
        config = replace(MINILM_TINY, attention_dropout=1.0, hidden_dropout=0.0)
        attention = FusionTransformer(config).encoder.layers[0].attention
        torch.nn.init.normal_(attention.output.bias)  # type: ignore[union-attr,arg-type]
        rows = torch.randn(2, 5, 32)
        mixed = attention(*attention.project(rows), torch.zeros(2, 1, 5))  # type: ignore[operator,union-attr]
        assert torch.equal(mixed, attention.output.bias.expand_as(mixed))  # type: ignore[union-attr,operator]

    def test_is_no_part_of_an_exported_graph_or_of_the_state(self) -> None:
        model = tiny()
        graph = torch.export.export(model, inputs(MINILM_TINY)).graph
        assert not [node for node in graph.nodes if "dropout" in str(node.target)]
        assert not [key for key in model.state_dict() if "dropout" in key]


def test_initialisation_is_bert_s_and_follows_the_generator_alone() -> None:
    """Normal with standard deviation 0.02 (its `initializer_range`); the smallest layer has 64 weights."""
    first, second = tiny(seed=1), FusionTransformer(MINILM_TINY)
    for model in (first, second):
        model.initialize(torch.Generator().manual_seed(4))
    state = second.state_dict()
    for key, value in first.state_dict().items():
        assert torch.equal(value, state[key]), key
        if "norm" in key:
            assert (value == (1.0 if key.endswith("weight") else 0.0)).all(), key
        elif key.endswith("bias"):
            assert not value.any(), key
        else:
            assert value.std().item() == pytest.approx(0.02, rel=0.3), key


def test_construction_follows_the_callers_seed() -> None:
    def build() -> FusionTransformer:
        torch.manual_seed(5)
        return FusionTransformer(MINILM_TINY)

    first, second = build().state_dict(), build().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert first["embeddings.words.weight"].std().item() == pytest.approx(0.02, rel=0.05)


class TestMasks:
    """However tokens are hidden. Tolerance 1e-5: float32's sums."""

    @pytest.mark.parametrize("hidden", [-1e4, -65504.0, torch.finfo(torch.float32).min, -torch.inf])
    def test_any_large_number_hides_a_token(self, hidden: float) -> None:
        model, given = tiny(), list(inputs(MINILM_TINY))
        given[4][:, :, TEXT + 3 :] = HIDDEN_MASK
        expected = model(*given)
        given[4] = torch.where(given[4] < 0.0, hidden, given[4])
        torch.testing.assert_close(model(*given), expected, atol=1e-5, rtol=0)

    @pytest.mark.parametrize("hidden", [-1e4, -65504.0, torch.finfo(torch.float32).min, -torch.inf])
    def test_a_row_to_which_all_is_hidden_sees_all(self, hidden: float) -> None:
        """Softmax of scores that are all moved by one number is that of the scores."""
        model, given = tiny(), list(inputs(MINILM_TINY))
        given[4].fill_(0.0)
        expected = model(*given)
        given[4].fill_(hidden)
        torch.testing.assert_close(model(*given), expected, atol=1e-5, rtol=0)
