"""What the tasks return."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TextUse:
    """What became of a user's text.

    Attributes:
        tokens: Those that the model saw, without special tokens.
        dropped: Number of tokens cut from the end because the layout had no room.
    """

    tokens: tuple[str, ...]
    dropped: int


@dataclass(frozen=True, kw_only=True)
class CaptionResult:
    """A sentence about a photo.

    Attributes:
        text: Readable.
        token_ids: From [CLS] to [SEP], both included.
        tokens: Their names.
        score: Mean log-probability of the predicted tokens.
    """

    text: str
    token_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    score: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One of the fixed answers to a question.

    Attributes:
        text: From answers.txt.
        id: Its line, from 0.
        logit: Of the answer head.
        probability: Sigmoid of the logit; answers do not compete, so these do not add up to 1.
    """

    text: str
    id: int
    logit: float
    probability: float


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The best answers to a question, best first."""

    best: tuple[Answer, ...]
    question: TextUse


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Whether a statement about two photos is true.

    Attributes:
        true: What is more probable.
        probability: Of true.
        logits: Of false and true.
        left: What was seen of the statement beside the left photo's tags.
        right: Likewise.
    """

    true: bool
    probability: float
    logits: tuple[float, float]
    left: TextUse
    right: TextUse


@dataclass(frozen=True, kw_only=True)
class Match:
    """How well a text fits a photo.

    Attributes:
        probability: That the text describes the photo; ranks candidates.
        logits: Of no and yes.
        text: What was seen of the text.
    """

    probability: float
    logits: tuple[float, float]
    text: TextUse
