"""What a model learns from is what inference shows it: same tokens, places, regions and masks for the same picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from minivlm.datasets.nlvr2 import StatementExample
from minivlm.datasets.questions import QuestionExample
from minivlm.inference.backend import TorchBackend, caption_context
from minivlm.inference.detector import TorchDetector
from minivlm.inference.photo_regions import PhotoRegions
from minivlm.inference.pipeline import Pipeline
from minivlm.language.layout import HIDDEN, PRETRAINING, CaptionContext, TransformerInputs
from minivlm.language.sessions import FullSession
from minivlm.training.language.answering import QuestionExamples
from minivlm.training.language.batches import join_contexts, join_inputs
from minivlm.training.language.captioning import WholeCaptions, caption_logits, framed, join_captions
from minivlm.training.language.judging import MatchExamples, StatementExamples
from minivlm.training.language.known import KnownPictures
from minivlm.training.language.parts import LanguageParts
from minivlm.training.language.pretraining import PretrainingExamples
from minivlm.weights.loading import NamedModel, WeightsOrigin
from tests.training.language.made import LABELS, backend_of, ids, known, seeded, tiny_model

TEXT = "what is on the table with the unheard-of thing?"


@dataclass(frozen=True)
class Recording(TorchBackend):
    """Remembers what the pipeline gave it."""

    given: tuple[list[Any], ...] = ()

    def vqa(self, inputs: TransformerInputs) -> torch.Tensor:
        self.given[0].append(inputs)
        return super().vqa(inputs)

    def nlvr2(self, left: TransformerInputs, right: TransformerInputs) -> torch.Tensor:
        self.given[0].extend([left, right])
        return super().nlvr2(left, right)

    def match(self, inputs: TransformerInputs) -> torch.Tensor:
        self.given[0].append(inputs)
        return super().match(inputs)

    def session(self, context: CaptionContext) -> Any:
        self.given[0].append(context)
        return super().session(context)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> KnownPictures:
    return known(tmp_path_factory.mktemp("known"), count=4)


@pytest.fixture
def pipeline() -> Pipeline:
    backend = backend_of(tiny_model())
    return Pipeline(Recording(backend.named, backend.labels, ([],)))


def given(pipeline: Pipeline) -> list[Any]:
    assert isinstance(pipeline.backend, Recording)
    return pipeline.backend.given[0]


def paths(pictures: KnownPictures) -> list[Path]:
    return list(pictures.places)


def assert_same(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> None:
    """Bit for bit: both are made of the same kept regions."""
    for ours, theirs in zip(one, other, strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


def test_questions(pictures: KnownPictures, pipeline: Pipeline) -> None:
    path = paths(pictures)[0]
    question = QuestionExample(
        id="1", picture=path, question=TEXT, answers=("x",), question_type=None, answer_type=None
    )
    examples = QuestionExamples(known=pictures, questions=[question], texts=[ids(TEXT)])
    pipeline.answer(pictures.look(path), TEXT)
    assert_same(examples.example(0, seeded(), 0.0).inputs, given(pipeline)[0])


def test_statements(pictures: KnownPictures, pipeline: Pipeline) -> None:
    left, right = paths(pictures)[:2]
    statement = StatementExample(id="1", group="1", left=left, right=right, sentence=TEXT, label=True)
    examples = StatementExamples(known=pictures, statements=[statement], texts=[ids(TEXT)])
    pipeline.judge(pictures.look(left), pictures.look(right), TEXT)
    batch = examples.example(0, seeded(), 0.0)
    assert_same((*batch.left, *batch.right), [part for inputs in given(pipeline) for part in inputs])


def test_matches(pictures: KnownPictures, pipeline: Pipeline) -> None:
    path, other = paths(pictures)[:2]
    examples = MatchExamples(known=pictures, described=[(path, (ids(TEXT),)), (other, (ids("two of them"),))])
    pipeline.match(TEXT, pictures.look(path))
    batch = examples.example(0, seeded(), 0.0)
    assert batch.matches.tolist() == [1, 0]
    assert_same([part[:1] for part in batch.inputs], given(pipeline)[0])


def test_contexts_of_captions(pictures: KnownPictures, pipeline: Pipeline) -> None:
    path = paths(pictures)[0]
    examples = WholeCaptions(known=pictures, described=[(path, (ids(TEXT),))])
    pipeline.caption(pictures.look(path))
    assert_same(examples.example(0, seeded(), 0.0).context, given(pipeline)[0])


def test_pre_training_differs_from_its_layout_in_masked_tokens_only(pictures: KnownPictures) -> None:
    path = paths(pictures)[0]
    examples = PretrainingExamples(known=pictures, pairs=[(path, ids(TEXT))])  # no other picture's tags to swap
    batch, regions = examples.example(0, seeded(), 0.0), pictures.look(path)
    expected = PRETRAINING.arrange(
        ids(TEXT),
        LABELS.tag_ids(regions.tags[regions.valid].tolist()),
        regions.vectors,
        regions.valid,
        LABELS.tokenizer.special,
    )
    assert_same(batch.inputs[1:], expected[1:])
    assert torch.equal(torch.where(batch.originals == -100, batch.inputs.token_ids, batch.originals), expected[0])


@torch.no_grad()
def test_what_is_cut_from_a_batch_changes_nothing(pictures: KnownPictures) -> None:
    """Tolerance 1e-5, float32: sums over rows that weigh nothing are in another order."""
    parts = LanguageParts(tiny_model()).eval()
    texts = [ids(TEXT), ids("is it?"), ids("two " * 30)]
    question = QuestionExample(id="1", picture=Path(), question="", answers=(), question_type=None, answer_type=None)
    asked = [replace(question, picture=path) for path in paths(pictures)]
    examples = QuestionExamples(known=pictures, questions=asked, texts=texts)
    each = [examples.example(row, seeded(), 0.0).inputs for row in range(3)]
    joined = join_inputs(each)
    assert joined.token_ids.shape[1] < each[0].token_ids.shape[1]
    assert joined.regions.shape[1] == 7 < each[0].regions.shape[1]  # `made_up_regions` has 7 that are valid
    pooled = parts.language.pool(*joined)
    for row, inputs in enumerate(each):
        torch.testing.assert_close(pooled[row : row + 1], parts.language.pool(*inputs), atol=1e-5, rtol=0)


@torch.no_grad()
def test_every_token_of_a_caption_is_asked_for_as_a_step_of_writing_asks(pictures: KnownPictures) -> None:
    """Held against `FullSession`, the definition; tolerance 1e-4 on logits of standard deviation 2, float32."""
    model = tiny_model()
    parts, special = LanguageParts(model).eval(), LABELS.tokenizer.special
    described = [(paths(pictures)[0], (ids(TEXT), ids("two of them"))), (paths(pictures)[1], (ids("a table"),))]
    examples = WholeCaptions(known=pictures, described=described)
    batch = join_captions([examples.example(row, seeded(), 0.0) for row in range(2)])
    logits = caption_logits(parts.language, batch.context, batch.rows)
    expected, wanted = [], []
    backend = backend_of(model)
    for path, captions in described:
        context = caption_context(backend, pictures.look(path))
        for caption in captions:
            session = FullSession(model.language, backend.caption_layout, context, special.mask)
            whole = framed(caption, special)
            expected += [session.advance([0], [token]) for token in whole[:-1]]
            wanted += whole[1:]
    torch.testing.assert_close(logits, torch.cat(expected), atol=1e-4, rtol=0)
    assert batch.rows.originals[batch.rows.originals != -100].tolist() == wanted


def test_regions_that_a_detector_alone_has_found_are_the_whole_model_s() -> None:
    model = tiny_model()
    alone = TorchDetector(NamedModel("tee-tiny", model.vision, WeightsOrigin.of_seed(0)), LABELS.tags)
    assert alone.detector_hash == backend_of(model).detector_hash


def test_contexts_without_any_tag_or_region_can_be_joined(pictures: KnownPictures) -> None:
    regions: PhotoRegions = pictures.look(paths(pictures)[0])
    nothing = replace(regions, scores=torch.zeros_like(regions.scores))
    context = caption_context(backend_of(tiny_model()), nothing)
    joined = join_contexts([context, context])
    assert (joined.tag_ids.shape, joined.regions.shape[1], joined.mask.shape) == ((2, 1), 0, (2, 1, 1))
    assert bool((joined.mask == HIDDEN).all())
