"""The search does what it says, and three ways to compute its step write the same captions."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.language.decoding import Caption, CaptionSession, search
from minivlm.language.exportable import CompiledSession, Prefill, Step
from minivlm.language.layout import CAPTIONING, HIDDEN, CaptionContext, CaptionLayout
from minivlm.language.sessions import CachedSession, FullSession
from minivlm.language.thin import thin
from minivlm.language.tokenizer import SpecialTokens
from minivlm.language.transformer import MINILM, MINILM_TINY, FusionTransformer, TransformerConfig

SPECIAL = SpecialTokens(pad=0, unk=1, cls=2, sep=3, mask=4)


class Table:
    """A session that looks its predictions up by the tokens so far."""

    def __init__(self, predict: Callable[[tuple[int, ...]], Tensor]) -> None:
        self.predict = predict
        self.rows: list[tuple[int, ...]] = [()]

    def advance(self, parents: Sequence[int], tokens: Sequence[int]) -> Tensor:
        self.rows = [(*self.rows[parent], token) for parent, token in zip(parents, tokens, strict=True)]
        return torch.stack([self.predict(row) for row in self.rows])


def probabilities(**by_token: float) -> Tensor:
    """Logits over 8 tokens; what is not named shares the rest."""
    rest = (1.0 - sum(by_token.values())) / (8 - len(by_token))
    return torch.tensor([by_token.get(f"t{token}", rest) for token in range(8)]).log()


class TestSearch:
    def test_greedy_takes_the_best_word_until_sep(self) -> None:
        steps = {(2,): probabilities(t5=0.6), (2, 5): probabilities(t6=0.5), (2, 5, 6): probabilities(t3=0.9)}
        caption = search(Table(steps.__getitem__), SPECIAL)
        assert caption.token_ids == (2, 5, 6, 3)
        mean = torch.tensor([0.6, 0.5, 0.9]).log().mean().item()
        assert caption.score == pytest.approx(mean, abs=1e-6)  # float32 arithmetic

    def test_a_caption_at_the_limit_is_closed_with_sep_and_scored_as_predicted(self) -> None:
        caption = search(Table(lambda _: probabilities(t5=0.5)), SPECIAL, max_length=4)
        assert caption.token_ids == (2, 5, 5, 3)
        assert caption.score == pytest.approx(torch.tensor(0.5).log().item(), abs=1e-6)

    def test_two_beams_find_what_greedy_misses(self) -> None:
        steps = {
            (2,): probabilities(t5=0.5, t6=0.4),
            (2, 5): probabilities(t7=0.3, t3=0.2),
            (2, 6): probabilities(t3=0.95),
            (2, 5, 7): probabilities(t3=0.3),
        }

        def predict(row: tuple[int, ...]) -> Tensor:
            return steps.get(row, probabilities())

        assert search(Table(predict), SPECIAL, max_length=4).token_ids == (2, 5, 7, 3)
        assert search(Table(predict), SPECIAL, max_length=4, beams=2).token_ids == (2, 6, 3)

    @pytest.mark.parametrize("seed", range(20))
    def test_enough_beams_find_the_best_of_all_captions(self, seed: int) -> None:
        """Expected value: every caption enumerated. Tolerance 1e-5: float32 sums in another order."""
        limit, words = 4, [3, 5, 6]

        def predict(row: tuple[int, ...]) -> Tensor:
            generator = torch.Generator().manual_seed(seed * 10_000 + sum(t * 10**i for i, t in enumerate(row)))
            logits = torch.full((8,), -1e9)
            logits[words] = torch.randn(3, generator=generator)
            return logits

        def score(tokens: tuple[int, ...]) -> float:
            rows = [predict((2, *tokens[:i])).log_softmax(0)[token] for i, token in enumerate(tokens)]
            return torch.stack(rows).mean().item()

        possible = [
            tokens
            for length in range(1, limit)
            for tokens in itertools.product(words, repeat=length)
            if 3 not in tokens[:-1] and (tokens[-1] == 3 or length == limit - 1)
        ]
        best = max(possible, key=score)
        caption = search(Table(predict), SPECIAL, max_length=limit, beams=30)
        assert caption.token_ids == (2, *best[:-1], 3)
        assert caption.score == pytest.approx(score(best), abs=1e-5)

    @pytest.mark.parametrize(("max_length", "beams"), [(1, 1), (20, 0)])
    def test_no_room_or_no_beam(self, max_length: int, beams: int) -> None:
        with pytest.raises(UserError, match=r"it takes at least 2 tokens and 1 beam"):
            search(Table(lambda _: torch.zeros(8)), SPECIAL, max_length=max_length, beams=beams)


@dataclass(frozen=True)
class Case:
    """A random model, layout and photo."""

    model: FusionTransformer
    layout: CaptionLayout
    context: CaptionContext
    region_dim: int


def random_case(seed: int) -> Case:
    generator = torch.Generator().manual_seed(seed)

    def pick(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    heads = pick(1, 4)
    config = TransformerConfig(
        layers=pick(1, 3),
        hidden=heads * pick(2, 6) * 2,
        intermediate=pick(4, 40),
        heads=heads,
        vocabulary=pick(12, 60),
        positions=64,
        region_dim=pick(3, 12),
    )
    model = FusionTransformer(config).eval()
    model.randomize(generator)
    layout = CaptionLayout(caption_length=pick(2, 20), tag_length=pick(1, 8), tag_position=20, regions=pick(0, 9))
    boxes = pick(0, 10)
    context = layout.context(
        [pick(5, config.vocabulary - 1) for _ in range(pick(0, 9))],
        torch.randn(boxes, config.region_dim, generator=generator),
        torch.rand(boxes, generator=generator) > 0.2,
        SPECIAL,
    )
    return Case(model, layout, context, config.region_dim)


class Recorded:
    """A session that keeps every prediction."""

    def __init__(self, session: CaptionSession) -> None:
        self.session = session
        self.logits: list[Tensor] = []

    def advance(self, parents: Sequence[int], tokens: Sequence[int]) -> Tensor:
        self.logits.append(self.session.advance(parents, tokens))
        return self.logits[-1]


def written(case: Case, session: CaptionSession, beams: int) -> tuple[Caption, list[Tensor]]:
    recorded = Recorded(session)
    caption = search(recorded, SPECIAL, max_length=case.layout.caption_length, beams=beams)
    return caption, recorded.logits


def compiled(case: Case) -> CompiledSession:
    with torch.no_grad():
        prefill, step = Prefill(case.model, case.layout), Step(case.model, case.layout, SPECIAL.mask)
    return CompiledSession(prefill, step, case.layout, case.context)


@pytest.mark.parametrize(("beams", "cases"), [(1, 200), (3, 60)])
def test_all_implementations_write_the_same_captions(beams: int, cases: int) -> None:
    """Random models, layouts and photos: equal tokens; logits, up to 8 large, within 1e-4."""
    lengths = set()
    for seed in range(cases):
        case = random_case(seed)
        args = (case.model, case.layout, case.context, SPECIAL.mask)
        caption, logits = written(case, FullSession(*args), beams)
        lengths.add(len(caption.token_ids))
        for session in (CachedSession(*args), CachedSession(thin(case.model), *args[1:]), compiled(case)):
            again, others = written(case, session, beams)
            message = f"seed {seed}, {type(session).__name__}"
            assert again.token_ids == caption.token_ids, message
            assert again.score == pytest.approx(caption.score, abs=1e-4), message
            torch.testing.assert_close(others, logits, atol=1e-4, rtol=0, msg=lambda m, at=message: f"{at}: {m}")
    assert {2, 3, 10, 19, 20} <= lengths  # the shortest, the longest and others were met


@torch.no_grad()
@pytest.mark.parametrize("seed", range(12))
def test_the_full_session_is_oscars_definition(seed: int) -> None:
    """Expected value: one forward pass over fixed slots (caption, tags, regions), its mask set pair by pair.

    Unused caption slots hold padding that nobody sees. Tolerance 1e-5: they change the order of sums.
    """
    case = random_case(seed)
    layout, (tag_ids, regions, context_mask) = case.layout, case.context
    slots, tags = layout.caption_length, layout.tag_length
    rows = slots + tags + layout.regions
    caption = torch.randint(5, case.model.config.vocabulary, (slots - 1,), generator=torch.Generator().manual_seed(1))
    session = FullSession(case.model, layout, case.context, SPECIAL.mask)
    for length in range(1, slots):
        words = [SPECIAL.cls, *caption[1:length].tolist(), SPECIAL.mask]
        padded = torch.tensor([words + [SPECIAL.pad] * (slots - len(words))])
        mask = torch.full((1, rows, rows), HIDDEN)
        for asking in range(rows):
            for asked in range(rows):
                if asked >= slots:
                    mask[0, asking, asked] = context_mask[0, 0, asked - slots]
                elif asked <= asking < slots and asked < len(words):
                    mask[0, asking, asked] = 0.0
        positions = torch.tensor([[*range(slots), *range(layout.tag_position, layout.tag_position + tags)]])
        types = torch.tensor([[0] * slots + [1] * tags])
        _, expected = case.model(torch.cat([padded, tag_ids], dim=1), types, positions, regions, mask)
        found = session.advance([0], [words[length - 1]])
        torch.testing.assert_close(found[0], expected[0, length], atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def exported() -> tuple[Case, torch.export.ExportedProgram, torch.export.ExportedProgram]:
    config = TransformerConfig(layers=2, hidden=16, intermediate=24, heads=2, vocabulary=40, region_dim=6)
    model = FusionTransformer(config).eval().requires_grad_(False)
    model.randomize(torch.Generator().manual_seed(0))
    tags = [7, 8, 9]
    photo = torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
    context = CAPTIONING.context(tags, photo, torch.ones(9, dtype=torch.bool), SPECIAL)
    prefill, step = Prefill(model, CAPTIONING), Step(model, CAPTIONING, SPECIAL.mask)
    return (
        Case(model, CAPTIONING, context, 6),
        torch.export.export(prefill, prefill.example_inputs(), strict=True),
        torch.export.export(step, step.example_inputs(), strict=True),
    )


Exported = tuple[Case, torch.export.ExportedProgram, torch.export.ExportedProgram]


def test_exported_graphs_write_the_same_caption(exported: Exported) -> None:
    """Tolerance 1e-4 on the score: the graphs may fuse and reorder."""
    case, prefill, step = exported
    full = FullSession(case.model, case.layout, case.context, SPECIAL.mask)
    caption = search(full, SPECIAL)
    again = search(CompiledSession(prefill.module(), step.module(), case.layout, case.context), SPECIAL)
    assert again.token_ids == caption.token_ids
    assert again.score == pytest.approx(caption.score, abs=1e-4)


def test_exported_graphs_are_plain(exported: Exported) -> None:
    """Nothing written in place or by index, no tensor of rank above 5: what mobile runtimes have kernels for."""
    for program in exported[1:]:
        operators = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
        assert not [name for name in operators if any(bad in name for bad in ("_.", "scatter", "index", "scaled_dot"))]
        values = [node.meta["val"] for node in program.graph.nodes if isinstance(node.meta.get("val"), Tensor)]
        assert max(value.dim() for value in values) <= 5
        assert all(isinstance(size, int) for value in values for size in value.shape)


@pytest.mark.parametrize(
    ("config", "seeds"), [(MINILM_TINY, 12), pytest.param(MINILM, 3, marks=pytest.mark.full)], ids=["tiny", "minilm"]
)
def test_a_randomized_model_writes_varied_captions_about_the_photo(config: TransformerConfig, seeds: int) -> None:
    """On average over models, half of a caption's tokens are distinct and a third change with the photo."""
    distinct, changed = [], []
    for seed in range(seeds):
        model = FusionTransformer(config).eval()
        generator = torch.Generator().manual_seed(seed)
        model.randomize(generator)
        captions = []
        for _ in range(2):
            photo = torch.randn(50, config.region_dim, generator=generator).relu()
            context = CAPTIONING.context([7, 8, 9], photo, torch.ones(50, dtype=torch.bool), SPECIAL)
            captions.append(search(CachedSession(model, CAPTIONING, context, SPECIAL.mask), SPECIAL).token_ids)
        distinct.append(len(set(captions[0])) / len(captions[0]))
        pairs = list(itertools.zip_longest(*captions))
        changed.append(sum(a != b for a, b in pairs) / len(pairs))
    assert sum(distinct) / seeds > 1 / 2
    assert sum(changed) / seeds > 1 / 3
