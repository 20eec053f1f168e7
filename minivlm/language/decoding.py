"""Writing a caption: one search loop over any implementation of the step (microsoft/Oscar `modeling_utils.py`).

Oscar was trained to fill in masked words. A caption grows by putting [MASK] behind the words so far and reading what
the model predicts there. Ways to compute that prediction are in `sessions` (eager) and `exportable` (static graphs).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from minivlm.errors import UserError
from minivlm.language.tokenizer import SpecialTokens


@dataclass(frozen=True)
class Caption:
    """A finished caption.

    Attributes:
        token_ids: From [CLS] to [SEP], both included.
        score: Mean log-probability of the predicted tokens, [SEP] included.
    """

    token_ids: tuple[int, ...]
    score: float


class CaptionSession(Protocol):
    """Captions being written about one context. It remembers the hypotheses of the last call, by row."""

    def advance(self, parents: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """Extend hypotheses by one token each and predict what follows.

        Args:
            parents: Which row of the last call each new hypothesis extends; [0] in the first call.
            tokens: The token it is extended by; [CLS] in the first call.

        Returns:
            (len(tokens), V) logits of the next token of each.
        """
        ...


@dataclass(frozen=True)
class _Hypothesis:
    parent: int
    token_ids: tuple[int, ...]
    total: float  # log-probability of all predicted tokens

    def finish(self, stop: int) -> Caption:
        """End with `stop`; at the length limit it takes the last token's place, but not its score, as in Oscar."""
        return Caption((*self.token_ids[:-1], stop), self.total / (len(self.token_ids) - 1))


def search(session: CaptionSession, special: SpecialTokens, *, max_length: int = 20, beams: int = 1) -> Caption:
    """Write one caption.

    With one beam this is greedy search, which MiniVLM is evaluated with. With more, a [SEP] among the best `beams`
    continuations finishes a caption, the best others go on, and search ends when `beams` captions are finished; the
    one with the best score wins.

    Args:
        session: Fresh, as made by its constructor.
        special: Of the tokenizer the model was trained with.
        max_length: Most tokens, [CLS] and [SEP] included.
        beams: Hypotheses kept at a time.

    Raises:
        UserError: No room for [CLS] and [SEP], or no beam.
    """
    if max_length < 2 or beams < 1:
        raise UserError(f"captions of {max_length} tokens with {beams} beams: it takes at least 2 tokens and 1 beam")
    live = [_Hypothesis(0, (special.cls,), 0.0)]
    finished: list[Caption] = []
    for length in range(2, max_length + 1):
        logits = session.advance([one.parent for one in live], [one.token_ids[-1] for one in live])
        candidates = _continue(live, logits, 2 * beams)  # enough: each hypothesis has one [SEP] continuation
        limit = length == max_length
        finished += [one.finish(special.sep) for one in candidates[:beams] if limit or one.token_ids[-1] == special.sep]
        if limit or len(finished) >= beams:
            break
        live = [one for one in candidates if one.token_ids[-1] != special.sep][:beams]
    return max(finished, key=lambda caption: caption.score)


def _continue(live: Sequence[_Hypothesis], logits: Tensor, count: int) -> list[_Hypothesis]:
    """Return the `count` most probable hypotheses that are one token longer, best first."""
    totals = torch.tensor([one.total for one in live], device=logits.device)
    log_probabilities = logits.float().log_softmax(dim=-1) + totals[:, None]  # (live, V)
    best = log_probabilities.flatten().topk(min(count, log_probabilities.numel()))
    vocabulary = logits.shape[1]
    return [
        _Hypothesis(index // vocabulary, (*live[index // vocabulary].token_ids, index % vocabulary), total)
        for index, total in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
