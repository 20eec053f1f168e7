"""Sequences are laid out as Oscar's were in training (microsoft/Oscar `oscar/run_captioning.py`, `run_vqa.py`)."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from minivlm.errors import UserError
from minivlm.language.layout import (
    CAPTIONING,
    HIDDEN,
    NLVR2,
    PRETRAINING,
    RETRIEVAL,
    VQA,
    CaptionLayout,
    TextLayout,
)
from minivlm.language.tokenizer import SpecialTokens

SPECIAL = SpecialTokens(pad=0, unk=1, cls=2, sep=3, mask=4)
ids = st.lists(st.integers(5, 99), max_size=12)


def regions(count: int, width: int = 3) -> tuple[Tensor, Tensor]:
    return torch.arange(1.0, count + 1)[:, None].expand(count, width), torch.ones(count, dtype=torch.bool)


def test_an_example_written_out() -> None:
    inputs = TextLayout(text_length=10, regions=4).arrange([11, 12, 13], [21, 22], *regions(3), SPECIAL)
    assert inputs.token_ids.tolist() == [[2, 11, 12, 13, 3, 21, 22, 3, 0, 0]]
    assert inputs.token_types.tolist() == [[0, 0, 0, 0, 0, 1, 1, 1, 0, 0]]
    assert inputs.positions.tolist() == [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]
    assert inputs.regions[0, :, 0].tolist() == [1, 2, 3, 0]
    assert inputs.mask.tolist() == [[[0.0] * 8 + [HIDDEN] * 2 + [0.0] * 3 + [HIDDEN]]]


def test_without_tags_there_is_one_separator() -> None:
    inputs = TextLayout(text_length=5, regions=0).arrange([11], [], *regions(0), SPECIAL)
    assert inputs.token_ids.tolist() == [[2, 11, 3, 0, 0]]
    assert inputs.token_types.tolist() == [[0, 0, 0, 0, 0]]


def test_surplus_regions_go_from_the_end_and_filling_rows_are_hidden() -> None:
    rows, _ = regions(4)
    valid = torch.tensor([True, False, True, True])
    inputs = TextLayout(text_length=3, regions=3).arrange([], [], rows, valid, SPECIAL)
    assert inputs.regions[0, :, 0].tolist() == [1, 2, 3]
    assert inputs.mask[0, 0, 3:].tolist() == [0, HIDDEN, 0]


def oscars_truncation(text: list[int], tags: list[int], budget: int) -> None:
    """The rule of BERT's sentence pairs, as its paper's code applies it: the longer loses, a tie costs the second."""
    while len(text) + len(tags) > budget:
        if len(text) > len(tags):
            del text[-1]
        else:
            del tags[-1]


@given(text=ids, tags=ids, length=st.integers(4, 20), boxes=st.integers(0, 5), kept=st.integers(0, 4))
def test_any_example(text: list[int], tags: list[int], length: int, boxes: int, kept: int) -> None:
    inputs = TextLayout(text_length=length, regions=kept).arrange(text, tags, *regions(boxes), SPECIAL)
    text, tags = list(text), list(tags)
    oscars_truncation(text, tags, length - 3 if tags else length - 2)
    expected = [2, *text, 3] + ([*tags, 3] if tags else [])
    used = len(expected)
    assert inputs.token_ids.shape == inputs.token_types.shape == inputs.positions.shape == (1, length)
    assert inputs.token_ids[0, :used].tolist() == expected
    assert not inputs.token_ids[0, used:].any()
    assert inputs.token_types.sum() == used - len(text) - 2
    assert (inputs.mask[0, 0] == 0).tolist() == [i < used for i in range(length)] + [i < boxes for i in range(kept)]


def test_the_tasks_lengths_are_oscars() -> None:
    """Expected values: microsoft/Oscar, default arguments and published commands of each task."""
    assert (PRETRAINING.text_length, PRETRAINING.regions) == (35, 50)
    assert (VQA.text_length, VQA.regions) == (128, 50)
    assert (NLVR2.text_length, NLVR2.regions) == (55, 40)
    assert (RETRIEVAL.text_length, RETRIEVAL.regions) == (70, 50)
    assert (CAPTIONING.caption_length, CAPTIONING.tag_length, CAPTIONING.regions) == (20, 30, 50)


class TestCaptioning:
    def test_tags_keep_their_trained_positions(self) -> None:
        assert CAPTIONING.tag_positions().tolist() == [list(range(40, 70))]

    def test_a_context_written_out(self) -> None:
        layout = CaptionLayout(caption_length=4, tag_length=4, tag_position=4, regions=3)
        context = layout.context([21, 22], *regions(2), SPECIAL)
        assert context.tag_ids.tolist() == [[21, 22, 3, 0]]
        assert context.regions[0, :, 0].tolist() == [1, 2, 0]
        assert context.mask.tolist() == [[[0, 0, 0, HIDDEN, 0, 0, HIDDEN]]]

    def test_surplus_tags_are_cut_before_their_separator(self) -> None:
        layout = CaptionLayout(tag_length=3, regions=0)
        assert layout.context([21, 22, 23], *regions(0), SPECIAL).tag_ids.tolist() == [[21, 22, 3]]

    def test_no_tags_are_all_hidden(self) -> None:
        context = CaptionLayout(tag_length=2, regions=1).context([], *regions(1), SPECIAL)
        assert context.mask.tolist() == [[[HIDDEN, HIDDEN, 0]]]

    @given(rows=st.integers(1, 6), tags=st.lists(st.integers(5, 99), max_size=4), boxes=st.integers(0, 3))
    def test_who_sees_whom(self, rows: int, tags: list[int], boxes: int) -> None:
        """The rule: caption rows see the caption up to themselves, tags and regions; these see only each other."""
        layout = CaptionLayout(caption_length=6, tag_length=4, tag_position=6, regions=3)
        context = layout.context(tags, *regions(boxes), SPECIAL)
        mask = layout.sequence_mask(rows, context.mask)
        valid = (context.mask[0, 0] == 0).tolist()
        for asking in range(rows + 7):
            for asked in range(rows + 7):
                in_context = asked >= rows
                visible = valid[asked - rows] if in_context else asked <= asking < rows
                assert mask[0, asking, asked].item() == (0 if visible else HIDDEN)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"text_length": 2, "regions": 1}, "a layout of 2 tokens and 1 regions: it takes at least 3 tokens"),
        ({"text_length": 9, "regions": -1}, "no negative number of regions"),
    ],
)
def test_impossible_text_layouts(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TextLayout(**sizes)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"caption_length": 1}, "a layout of 1 caption tokens"),
        ({"tag_length": 0}, "0 tag tokens"),
        ({"caption_length": 41}, "captions of 41 tokens run into the tags at position 40: make the caption shorter"),
    ],
)
def test_impossible_caption_layouts(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        CaptionLayout(**sizes)
