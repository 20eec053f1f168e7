"""Sampled captions are rewarded: writing is inference's, likelihoods are exact, and the gradient has the right sign."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minivlm.evaluation.caption_words import caption_words
from minivlm.evaluation.captions import Rarity, cider_d
from minivlm.inference.pipeline import Pipeline
from minivlm.training.language.batches import join_contexts
from minivlm.training.language.captioning import context_of
from minivlm.training.language.known import KnownPictures
from minivlm.training.language.parts import LanguageParts
from minivlm.training.language.self_critical import (
    LONGEST,
    Choose,
    Critic,
    CriticBatch,
    CriticExamples,
    mean_log_probability,
    unjudged,
    write,
)
from tests.training.language.made import LABELS, backend_of, known, quiet_parts, seeded, tiny_model

SPECIAL = LABELS.tokenizer.special
CAPTIONS = (("two dogs on the table", "a table with dogs"), ("a red thing",), ("the water is blue", "blue water"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> KnownPictures:
    return known(tmp_path_factory.mktemp("known"), count=3)


def paths(pictures: KnownPictures) -> list[Path]:
    return list(pictures.places)


def critic_of(captions: tuple[tuple[str, ...], ...]) -> Critic:
    words = [[caption_words(text) for text in each] for each in captions]
    return Critic(tokenizer=LABELS.tokenizer, rarity=Rarity(words), judges=[unjudged] * 3, truth=0.0)


def batch_of(
    known: KnownPictures, captions: tuple[tuple[str, ...], ...], rows: tuple[int, ...] = (0, 1, 2)
) -> CriticBatch:
    examples = CriticExamples(known=known, described=list(zip(paths(known), captions, strict=True)))
    return examples.collate([examples.example(row, seeded(), 0.0) for row in rows])


def without_dropout() -> LanguageParts:
    parts = quiet_parts()
    for module in parts.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return parts


def drawing(generator: torch.Generator) -> Choose:
    """Return what draws tokens as a critic does."""
    return lambda logits: torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]


@torch.no_grad()
def test_greedy_captions_and_their_likelihood_are_the_pipeline_s(pictures: KnownPictures) -> None:
    """Tokens exactly; the mean log-probability within 1e-4, float32."""
    model = tiny_model()
    parts, pipeline = LanguageParts(model).eval(), Pipeline(backend_of(model))
    contexts = join_contexts([context_of(pictures, path) for path in paths(pictures)])
    written = write(parts.language, contexts, SPECIAL, lambda logits: logits.argmax(dim=1))
    scores = mean_log_probability(parts.language, contexts, written, SPECIAL)
    for path, caption, score in zip(paths(pictures), written, scores.tolist(), strict=True):
        expected = pipeline.caption(pictures.look(path))
        assert len(caption) <= LONGEST
        assert tuple(caption[:-1]) == expected.token_ids[:-1]
        assert score == pytest.approx(expected.score, abs=1e-4)


@torch.no_grad()
def test_a_caption_ends_where_it_ends_whatever_others_do(pictures: KnownPictures) -> None:
    parts = quiet_parts()
    contexts = join_contexts([context_of(pictures, path) for path in paths(pictures)[:2]])
    script = iter([[7, SPECIAL.sep], [8, 9], [SPECIAL.sep, 9]])
    written = write(parts.language, contexts, SPECIAL, lambda logits: torch.tensor(next(script)))
    assert written == [[SPECIAL.cls, 7, 8, SPECIAL.sep], [SPECIAL.cls, SPECIAL.sep]]


def test_rewards_are_cider_d_with_the_rarity_of_the_captions_learnt_from(pictures: KnownPictures) -> None:
    # `cider_d` is held against pycocoevalcap in tests/evaluation.
    critic = critic_of(CAPTIONS)
    said = ["two dogs on a table", "a blue thing", "the water"]
    ids = [[SPECIAL.cls, *LABELS.tokenizer.encode(text), SPECIAL.sep] for text in said]
    references = [tuple(caption_words(text) for text in each) for each in CAPTIONS]
    expected = cider_d([caption_words(text) for text in said], references)
    batch = batch_of(pictures, CAPTIONS)
    assert batch.references == tuple(references)
    assert critic.rewards(ids, batch) == pytest.approx(expected, abs=1e-12)
    assert expected[0] > 1.0


def test_a_caption_that_is_true_is_worth_more_by_what_the_recipe_says(pictures: KnownPictures) -> None:
    # A judge of each picture: the first finds all true, the second false, the third cannot read.
    judges = [lambda text: True, lambda text: False, lambda text: None]
    plain = critic_of(CAPTIONS)
    critic = replace(plain, judges=judges, truth=5.0)
    ids = [[SPECIAL.cls, *LABELS.tokenizer.encode("a red thing"), SPECIAL.sep]] * 3
    batch = batch_of(pictures, CAPTIONS)
    gained = [one - other for one, other in zip(critic.rewards(ids, batch), plain.rewards(ids, batch), strict=True)]
    assert gained == [5.0, 0.0, 0.0]
    turned = batch_of(pictures, CAPTIONS, rows=(2, 0, 1))
    assert turned.numbers == (2, 0, 1)
    gained = [one - other for one, other in zip(critic.rewards(ids, turned), plain.rewards(ids, turned), strict=True)]
    assert gained == [0.0, 5.0, 0.0]


def test_the_loss_is_the_likelihood_times_what_sampling_gained(pictures: KnownPictures) -> None:
    parts, critic = without_dropout(), critic_of(CAPTIONS)
    batch = batch_of(pictures, CAPTIONS)
    found = critic.losses(parts, batch, seeded(5))
    draw = drawing(seeded(5))
    parts.eval()
    with torch.no_grad():
        sampled = write(parts.language, batch.context, SPECIAL, draw)
        greedy = write(parts.language, batch.context, SPECIAL, lambda logits: logits.argmax(dim=1))
        likely = mean_log_probability(parts.language, batch.context, sampled, SPECIAL).tolist()
    gains = [
        one - other for one, other in zip(critic.rewards(sampled, batch), critic.rewards(greedy, batch), strict=True)
    ]
    by_hand = -sum(gain * each for gain, each in zip(gains, likely, strict=True)) / 3
    assert found["loss"].item() == pytest.approx(by_hand, abs=1e-4)
    # The value is another one, so that a log can be read; 10 is the best CIDEr-D.
    best = sum(critic.rewards(greedy, batch)) / 3
    assert found["total"].item() == pytest.approx(10.0 - best, abs=1e-5)
    grads = torch.autograd.grad(found["total"], parts.language.caption_head.decoder.bias, retain_graph=True)
    assert torch.equal(grads[0], torch.autograd.grad(found["loss"], parts.language.caption_head.decoder.bias)[0])


def test_each_of_several_samples_is_held_against_the_mean_of_the_others(pictures: KnownPictures) -> None:
    parts, critic = without_dropout(), replace(critic_of(CAPTIONS), samples=3)
    batch = batch_of(pictures, CAPTIONS)
    found = critic.losses(parts, batch, seeded(5))
    draw = drawing(seeded(5))
    parts.eval()
    thrice = join_contexts([context_of(pictures, path) for path in paths(pictures)] * 3)
    with torch.no_grad():
        sampled = write(parts.language, thrice, SPECIAL, draw)
        likely = mean_log_probability(parts.language, thrice, sampled, SPECIAL).tolist()
    rewards = critic.rewards(sampled, batch)
    by_hand = 0.0
    for picture in range(3):
        own = [(rewards[row], likely[row]) for row in range(picture, 9, 3)]
        for reward, likelihood in own:
            others = (sum(each for each, _ in own) - reward) / 2
            by_hand -= (reward - others) * likelihood / 9
    assert found["loss"].item() == pytest.approx(by_hand, abs=1e-4)  # float32
    assert found["total"].item() == pytest.approx(10.0 - sum(rewards) / 9, abs=1e-5)


def test_captions_get_better(pictures: KnownPictures) -> None:
    """A model that says one of two captions by halves learns to say the one that is rewarded."""
    parts = quiet_parts()
    one, other = LABELS.tags[:2]
    critic = critic_of(((one,), (other,)))
    wanted = ((one,),) * 3
    examples = CriticExamples(known=pictures, described=list(zip(paths(pictures), wanted, strict=True)))
    batch = examples.collate([examples.example(row, seeded(), 0.0) for row in range(3)] * 4)
    right, wrong = (LABELS.tokenizer.encode(word)[0] for word in (one, other))
    head = parts.language.caption_head.decoder
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(-20.0)
        head.bias[[right, wrong, SPECIAL.sep]] = torch.tensor([-0.5, 0.0, 0.5])
    optimizer = torch.optim.SGD([head.bias], lr=1.0)
    before = critic.losses(parts, batch, seeded())["sampled"].item()
    for step in range(30):
        optimizer.zero_grad()
        critic.losses(parts, batch, seeded(step))["total"].backward()
        optimizer.step()
    after = critic.losses(parts, batch, seeded())["sampled"].item()
    assert after > before + 0.3
    assert head.bias[right] > head.bias[wrong]
    assert math.isfinite(after)
