"""The stages of language training as data: what each reads, which parts it teaches, what it is asked."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from minivlm.errors import UserError
from minivlm.evaluation.caption_words import caption_words
from minivlm.evaluation.captions import Rarity
from minivlm.scenes.judging import Judge
from minivlm.training.language.answering import QuestionExamples, answerable, question_losses
from minivlm.training.language.captioning import MaskedCaptions, WholeCaptions, caption_losses
from minivlm.training.language.corpus import Corpus
from minivlm.training.language.judging import MatchExamples, StatementExamples, match_losses, statement_losses
from minivlm.training.language.known import Shown
from minivlm.training.language.mixing import Losses, MixedExamples, MixedLosses
from minivlm.training.language.parts import CAPTION_HEAD, POOLER
from minivlm.training.language.pretraining import PretrainingExamples, pretraining_losses
from minivlm.training.language.recipes import LanguageRecipe
from minivlm.training.language.self_critical import Critic, CriticExamples, unjudged
from minivlm.training.stage import Examples

Ids = tuple[int, ...]

ENCODER = ("language.embeddings", "language.region_projection", "language.encoder")


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a stage is made of.

    Attributes:
        known: Regions and tags of all pictures, and the model's labels.
        corpus: What is said about them.
        recipe: For how captions are asked for, and how tasks are mixed.
        judges: Picture -> what tells whether a caption is true of it, where that is known and asked for.
        world: The recipe's name in `RECIPES`, which a checkpoint then tells; empty for a recipe that has none.
    """

    known: Shown
    corpus: Corpus
    recipe: LanguageRecipe
    judges: Mapping[Path, Judge] = field(default_factory=dict)
    world: str = ""
    _encoded: dict[str, Ids] = field(default_factory=dict, init=False, repr=False, compare=False)

    def ids(self, text: str) -> Ids:
        """Return a text's token ids."""
        if text not in self._encoded:  # captions are learnt from by several tasks, and many texts are the same
            self._encoded[text] = tuple(self.known.labels.tokenizer.encode(text))
        return self._encoded[text]

    @property
    def described(self) -> list[tuple[Path, tuple[Ids, ...]]]:
        """Pictures with the token ids of their captions; a caption without a token is left out."""
        found = [(one.picture, tuple(filter(None, map(self.ids, one.captions)))) for one in self.corpus.captions]
        return [(picture, captions) for picture, captions in found if captions]


@dataclass(frozen=True, kw_only=True)
class LanguageTask:
    """One stage.

    Attributes:
        kinds: Of files that it reads; any will do.
        heads: That the model must have.
        learns: Parts whose weights move, by their names in `LanguageParts`.
        build: Makes what there is to learn from, and what that costs.
    """

    kinds: tuple[str, ...]
    heads: tuple[str, ...]
    learns: tuple[str, ...]
    build: Callable[[Material], tuple[Examples, Losses]]


def _pretrain(material: Material) -> tuple[Examples, Losses]:
    """Captions, and questions with the answer that most people gave, as Oscar's corpus has them side by side."""
    pairs = [(picture, text) for picture, captions in material.described for text in captions]
    for one in material.corpus.questions:
        answer = Counter(one.answers).most_common(1)[0][0]
        pairs.append((one.picture, material.ids(f"{one.question} {answer}")))
    return PretrainingExamples(known=material.known, pairs=[pair for pair in pairs if pair[1]]), pretraining_losses


def _caption(material: Material) -> tuple[Examples, Losses]:
    described = material.described
    if material.recipe.captions == "whole":
        return WholeCaptions(known=material.known, described=described), caption_losses
    pairs = [(picture, text) for picture, captions in described for text in captions]
    return MaskedCaptions(known=material.known, pairs=pairs), caption_losses


def _cider(material: Material) -> tuple[Examples, Losses]:
    described = [(one.picture, one.captions) for one in material.corpus.captions]
    rarity = Rarity([[caption_words(text) for text in captions] for _, captions in described])
    judges = [material.judges.get(picture, unjudged) for picture, _ in described]
    critic = Critic(
        tokenizer=material.known.labels.tokenizer,
        rarity=rarity,
        judges=judges,
        truth=material.recipe.truth,
        samples=material.recipe.samples,
    )
    return CriticExamples(known=material.known, described=described), critic.losses


def _vqa(material: Material) -> tuple[Examples, Losses]:
    answers = material.known.labels.answers
    asked = material.corpus.questions
    questions = answerable(asked, answers)
    if asked and not questions:
        raise UserError(
            f"the model has {len(answers)} answers ({', '.join(answers[:3])}, ...), and none of the {len(asked)} "
            "questions has one of them: give the data's with --answers FILE"
        )
    texts = [material.ids(one.question) for one in questions]
    return QuestionExamples(known=material.known, questions=questions, texts=texts), question_losses


def _nlvr2(material: Material) -> tuple[Examples, Losses]:
    statements = material.corpus.statements
    texts = [material.ids(one.sentence) for one in statements]
    return StatementExamples(known=material.known, statements=statements, texts=texts), statement_losses


def _retrieval(material: Material) -> tuple[Examples, Losses]:
    described = material.described
    if len(described) == 1:
        raise UserError("one picture alone has captions, and every false pair needs another: give more data")
    return MatchExamples(known=material.known, described=described), match_losses


def _tasks(material: Material) -> tuple[Examples, Losses]:
    each = {name: TASKS[name].build(material) for name in material.recipe.shares}
    for name, (examples, _) in each.items():
        if not len(examples):
            raise UserError(f"the data has no example of {name}, and all tasks are to be learnt: give data with all")
    examples = MixedExamples(each={name: one for name, (one, _) in each.items()}, shares=material.recipe.shares)
    return examples, MixedLosses(each={name: cost for name, (_, cost) in each.items()}, weights=material.recipe.weights)


_WRITING = (*ENCODER, CAPTION_HEAD)
_POOLED = (*ENCODER, POOLER)
_TIED = tuple(f"{CAPTION_HEAD}.{part}" for part in ("dense", "norm", "decoder.bias"))

TASKS: Mapping[str, LanguageTask] = MappingProxyType(
    {
        "pretrain": LanguageTask(
            kinds=("captions", "questions"),
            heads=("match",),
            learns=(*_POOLED, *_TIED, "heads.match"),
            build=_pretrain,
        ),
        "caption": LanguageTask(kinds=("captions",), heads=(), learns=_WRITING, build=_caption),
        "cider": LanguageTask(kinds=("captions",), heads=(), learns=_WRITING, build=_cider),
        "vqa": LanguageTask(kinds=("questions",), heads=("vqa",), learns=(*_POOLED, "heads.vqa"), build=_vqa),
        "nlvr2": LanguageTask(kinds=("nlvr2",), heads=("nlvr2",), learns=(*_POOLED, "heads.nlvr2"), build=_nlvr2),
        "retrieval": LanguageTask(
            kinds=("captions",), heads=("match",), learns=(*_POOLED, "heads.match"), build=_retrieval
        ),
        "tasks": LanguageTask(
            kinds=("captions", "questions", "nlvr2"),
            heads=("vqa", "nlvr2", "match"),
            learns=(*_POOLED, CAPTION_HEAD, "heads.vqa", "heads.nlvr2", "heads.match"),
            build=_tasks,
        ),
    }
)
"""Name -> stage. "cider" is captioning's second, see `minivlm.training.language.self_critical`."""
