"""Learning to answer questions (VQA): every answer is worth what people's ten answers say it is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from minivlm.datasets.questions import QuestionExample
from minivlm.evaluation.answers import accuracy, normalised
from minivlm.language.layout import VQA, TransformerInputs
from minivlm.training.language.batches import Batch, join_inputs
from minivlm.training.language.known import Shown
from minivlm.training.language.parts import LanguageParts
from minivlm.training.stage import TOTAL


@dataclass(frozen=True, kw_only=True)
class QuestionBatch(Batch):
    """B questions.

    Attributes:
        inputs: Of all.
        scores: (B, answers) float32, what each answer is worth, 0 to 1.
    """

    inputs: TransformerInputs
    scores: Tensor


@dataclass(frozen=True, kw_only=True)
class QuestionExamples:
    """Questions with people's answers.

    Attributes:
        known: Of all pictures; its labels hold the answers that can be given.
        questions: Each with an answer that can be given, see `answerable`.
        texts: Token ids of each question.
    """

    known: Shown
    questions: Sequence[QuestionExample]
    texts: Sequence[tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.questions)

    def example(self, index: int, generator: torch.Generator, progress: float) -> QuestionBatch:
        """See `Examples`."""
        known, question = self.known, self.questions[index]
        regions = known.look(question.picture)
        tags = known.tags(question.picture, regions)
        inputs = VQA.arrange(self.texts[index], tags, regions.vectors, regions.valid, known.labels.tokenizer.special)
        return QuestionBatch(inputs=inputs, scores=soft_scores(question.answers, known.labels.answers)[None])

    def collate(self, examples: Sequence[QuestionBatch]) -> QuestionBatch:
        """See `Examples`."""
        return QuestionBatch(
            inputs=join_inputs([one.inputs for one in examples]), scores=torch.cat([one.scores for one in examples])
        )


def soft_scores(people: Sequence[str], answers: Sequence[str]) -> Tensor:
    """Return (answers,) float32: what each answer would score in VQA's evaluation, see `accuracy`.

    Args:
        people: What people answered, ten times in VQA v2.
        answers: That can be given.
    """
    rows, scores = _rows_of(tuple(answers)), torch.zeros(len(answers))
    for answer in _said(people):
        if answer in rows:
            scores[rows[answer]] = accuracy(answer, people)
    return scores


@lru_cache(maxsize=1)
def _rows_of(answers: tuple[str, ...]) -> dict[str, int]:
    return {answer: row for row, answer in enumerate(answers)}


def answerable(questions: Sequence[QuestionExample], answers: Sequence[str]) -> list[QuestionExample]:
    """Return the questions that an answer of the model's is right for."""
    known = set(answers)
    return [one for one in questions if known & _said(one.answers)]


def _said(people: Sequence[str]) -> set[str]:
    """Return answers as people gave them, and as VQA's evaluation compares them."""
    distinct = set(people)
    return distinct | set(map(normalised, distinct))


def question_losses(parts: LanguageParts, batch: QuestionBatch, generator: torch.Generator) -> dict[str, Tensor]:
    """Return binary cross-entropy, a mean over answers times their number (`instance_bce_with_logits` of Oscar)."""
    logits = parts.heads["vqa"](parts.language.pool(*batch.inputs)).float()
    return {TOTAL: F.binary_cross_entropy_with_logits(logits, batch.scores) * batch.scores.shape[1]}
