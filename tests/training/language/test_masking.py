"""Which tokens are masked: Oscar's rules, by hand and by counting."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minivlm.language.tokenizer import SpecialTokens
from minivlm.training.language.masking import IGNORED, mask_caption, mask_text, masks_of
from tests.training.language.made import seeded

SPECIAL = SpecialTokens(pad=0, unk=1, cls=2, sep=3, mask=4)
VOCABULARY = 1000
TOKENS = 200_000


@pytest.mark.parametrize(
    ("length", "masks"),
    # min(max(round(.15 length), 1), 3) of Oscar, by hand; halves are rounded to even: .15 * 10 = 1.5, .15 * 30 = 4.5
    [(2, 1), (3, 1), (9, 1), (10, 2), (13, 2), (16, 2), (17, 3), (20, 3), (30, 3), (40, 3)],
)
def test_a_caption_has_up_to_three_masked_tokens(length: int, masks: int) -> None:
    assert masks_of(length) == masks
    caption = torch.tensor([SPECIAL.cls, *range(100, 98 + length), SPECIAL.sep])
    _, originals = mask_caption(caption, SPECIAL, VOCABULARY, seeded(length))
    asked = originals != IGNORED
    assert int(asked.sum()) == masks
    assert torch.equal(originals[asked], caption[asked])


def test_sep_of_a_caption_can_be_masked_and_cls_cannot() -> None:
    caption = torch.tensor([SPECIAL.cls, 100, 101, SPECIAL.sep])
    places = torch.cat(
        [(mask_caption(caption, SPECIAL, VOCABULARY, seeded(n))[1] != IGNORED).nonzero() for n in range(900)]
    )
    counts = torch.bincount(places.flatten(), minlength=4)
    assert counts[0] == 0
    # One of three places, 300 times each; five standard deviations of a binomial, sqrt(900 * 1/3 * 2/3) = 14.
    assert bool(((counts[1:] - 300).abs() < 71).all())


def test_of_text_and_tags_15_percent_are_chosen_and_80_10_10_of_them_masked_replaced_and_kept() -> None:
    text = torch.full((1, TOKENS), 100)
    seen, originals = mask_text(text, SPECIAL, VOCABULARY, seeded())
    chosen = originals != IGNORED
    share = chosen.double().mean().item()
    of_chosen = seen[chosen]
    masked = (of_chosen == SPECIAL.mask).double().mean().item()
    kept = (of_chosen == 100).double().mean().item()
    # Binomials of 200,000 and of 30,000: five standard deviations are 0.004 and 0.0116, 0.0087. One in 1000 of what is
    # replaced is what was there, or [MASK].
    assert share == pytest.approx(0.15, abs=0.004)
    assert masked == pytest.approx(0.8, abs=0.0116)
    assert kept == pytest.approx(0.1, abs=0.0087)
    assert torch.equal(seen[~chosen], text[~chosen])
    others = of_chosen[(of_chosen != SPECIAL.mask) & (of_chosen != 100)]
    assert len(others.unique()) > 900  # about 3000 draws of 1000 tokens leave 5 % of them out


@given(st.integers(0, 2**20), st.lists(st.sampled_from([0, 2, 3, 50, 51, 52]), min_size=1, max_size=40))
def test_special_tokens_are_never_chosen(seed: int, tokens: list[int]) -> None:
    text = torch.tensor([tokens])
    seen, originals = mask_text(text, SPECIAL, VOCABULARY, seeded(seed))
    special = text < 4
    assert torch.equal(seen[special], text[special])
    assert bool((originals[special] == IGNORED).all())
    assert torch.equal(torch.where(originals == IGNORED, seen, originals), text)
