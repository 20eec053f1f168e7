"""From photo and text to a sentence, an answer, a judgement or a match: one object for all tasks.

Example:
    pipeline = Pipeline.load("minivlm")
    regions = pipeline.regions("photo.jpg")
    print(pipeline.caption(regions).text)
    print(pipeline.answer(regions, "what is on the table?").best[0].text)
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import torch
from PIL import Image
from torch import Tensor

from minivlm.errors import UserError
from minivlm.images.photos import load_photo
from minivlm.inference.backend import Backend, caption_context, load_torch_backend, tag_ids
from minivlm.inference.detector import Detector, DetectorAlone, check_numbers
from minivlm.inference.features import FeatureStore
from minivlm.inference.photo_regions import PhotoRegions, in_photo
from minivlm.inference.results import Answer, Answers, CaptionResult, Judgement, Match, TextUse
from minivlm.language import layout as layouts
from minivlm.language.decoding import search
from minivlm.language.layout import HIDDEN, TextLayout, TransformerInputs
from minivlm.models.vision_language import require_head
from minivlm.weights.labels import Labels

MATCH_BATCH = 16
"""Pairs of text and photo that go through the transformer at a time."""


def print_note(text: str) -> None:
    """Print a note on stderr."""
    print(f"note: {text}", file=sys.stderr)


class Pipeline:
    """All tasks over one backend.

    Args:
        backend: What computes the networks; of a detector alone, only regions can be asked for.
        features: Where regions of photos are kept; None keeps none.
        note: Called with one line when a kept entry had to be replaced.
    """

    def __init__(
        self,
        backend: Backend | Detector,
        *,
        features: Path | None = None,
        note: Callable[[str], None] = print_note,
    ) -> None:
        self.backend = backend
        self._store = (
            FeatureStore(features, backend.vision, backend.detector_hash, note) if features is not None else None
        )

    @classmethod
    def load(
        cls,
        name: str | None = None,
        *,
        checkpoint: Path | str | None = None,
        seed: int = 0,
        features: Path | str | None = None,
    ) -> "Pipeline":
        """Load a model in PyTorch.

        Args:
            name: A vision-language model such as "minivlm"; with a checkpoint it may be left out.
            checkpoint: Folder with weights; without one they are random, and what the model says means nothing.
            seed: Of random weights.
            features: See the class.

        Raises:
            UserError: Unknown model, or a checkpoint that is missing, damaged or for another model.
        """
        backend = load_torch_backend(name, checkpoint=_folder(checkpoint), seed=seed)
        return cls(backend, features=_folder(features))

    @property
    def whole(self) -> Backend:
        """The backend of a vision-language model.

        Raises:
            UserError: This one is a detector alone.
        """
        if isinstance(self.backend, DetectorAlone):
            raise UserError(f"{self.backend.model} is a detector alone: for this task give a vision-language model")
        return cast(Backend, self.backend)

    @property
    def labels(self) -> Labels:
        """What the ids of a vision-language model mean; see `whole`."""
        return self.whole.labels

    def regions(self, path: Path | str) -> PhotoRegions:
        """Find the regions of a photo file, or take those that were kept.

        Raises:
            UserError: The file is no photo that can be read; see `load_photo`.
        """
        if self._store is None:
            return self.regions_of(load_photo(path))
        return self._store.get(Path(path), lambda: self.regions_of(load_photo(path)))

    def regions_of(self, photo: Image.Image) -> PhotoRegions:
        """Find the regions of an upright RGB photo in memory.

        Raises:
            UserError: The detector computes what is no number.
        """
        fitted = self.backend.fit(photo)
        found = self.backend.regions(fitted)
        check_numbers(found)
        return in_photo(fitted, found)

    def tag_names(self, regions: PhotoRegions) -> list[str]:
        """Return the name of every row's tag."""
        return [self.backend.tags[tag] for tag in regions.tags.tolist()]

    def attribute_names(self, regions: PhotoRegions) -> list[str | None]:
        """Return the name of every row's attribute; None where it has none, or where attributes have no names."""
        names = (None, *self.backend.attributes)
        if regions.attributes is None or len(names) == 1:
            return [None] * len(regions.tags)
        return [names[attribute] for attribute in regions.attributes.tolist()]

    def phrases(self, regions: PhotoRegions) -> list[str]:
        """Return what every row shows in words: its attribute, where it has one, before its tag."""
        words = zip(self.attribute_names(regions), self.tag_names(regions), strict=True)
        return [tag if attribute is None else f"{attribute} {tag}" for attribute, tag in words]

    def caption(self, regions: PhotoRegions, *, beams: int = 1, max_length: int = 20) -> CaptionResult:
        """Write a sentence.

        Args:
            regions: Of the photo.
            beams: 1 is greedy search, as in the paper.
            max_length: Most tokens, [CLS] and [SEP] included.

        Raises:
            UserError: No beam, or a length that the backend has no room for.
        """
        layout, special = self.whole.caption_layout, self.labels.tokenizer.special
        if not 2 <= max_length <= layout.caption_length:
            raise UserError(f"captions of {max_length} tokens: this model writes 2 to {layout.caption_length}")
        if not 1 <= beams <= len(self.labels.tokenizer) // 2:
            raise UserError(f"{beams} beams: give at least 1 and at most half of the vocabulary")
        session = self.whole.session(caption_context(self.whole, regions))
        caption = search(session, special, max_length=max_length, beams=beams)
        return CaptionResult(
            text=self.labels.tokenizer.decode(caption.token_ids),
            token_ids=caption.token_ids,
            tokens=tuple(self.labels.tokenizer.tokens(caption.token_ids)),
            score=caption.score,
        )

    def answer(self, regions: PhotoRegions, question: str, *, top: int = 5) -> Answers:
        """Answer a question about a photo with the best of the fixed answers.

        Args:
            regions: Of the photo.
            question: Any text; what does not fit into 128 tokens with the tags is cut from its end.
            top: Answers to return.

        Raises:
            UserError: Nothing asked, no answers wanted, or the model has no head "vqa".
        """
        self.require("vqa", question)
        if top < 1:
            raise UserError(f"{top} answers: ask for at least 1")
        ids = self.labels.tokenizer.encode(question)
        inputs = self._arrange(layouts.VQA, ids, regions)
        logits = self.whole.vqa(inputs)[0].float()
        best = logits.topk(min(top, logits.numel()))
        return Answers(
            best=tuple(
                Answer(text=self.labels.answers[index], id=index, logit=logit, probability=probability)
                for index, logit, probability in zip(
                    best.indices.tolist(), best.values.tolist(), best.values.sigmoid().tolist(), strict=True
                )
            ),
            question=self._use(inputs, ids),
        )

    def judge(self, left: PhotoRegions, right: PhotoRegions, statement: str) -> Judgement:
        """Tell whether a statement about two photos is true.

        Args:
            left: Regions of the first photo.
            right: Regions of the second.
            statement: Any text; what does not fit into 55 tokens with the tags is cut from its end.

        Raises:
            UserError: Nothing stated, or the model has no head "nlvr2".
        """
        self.require("nlvr2", statement)
        ids = self.labels.tokenizer.encode(statement)
        inputs = [self._arrange(layouts.NLVR2, ids, regions) for regions in (left, right)]
        logits = self.whole.nlvr2(*inputs)[0].float()
        probability = logits.softmax(dim=0)[1].item()
        return Judgement(
            true=probability > 0.5,
            probability=probability,
            logits=_pair(logits),
            left=self._use(inputs[0], ids),
            right=self._use(inputs[1], ids),
        )

    def match(self, text: str, regions: PhotoRegions) -> Match:
        """Tell how well a text describes a photo; see `match_all`."""
        return self.match_all([(text, regions)])[0]

    def match_all(self, pairs: Sequence[tuple[str, PhotoRegions]]) -> list[Match]:
        """Tell for pairs of text and photo how well they fit.

        Args:
            pairs: Texts of any length, of which what does not fit into 70 tokens with the tags is cut from the end.

        Returns:
            One match a pair, in order.

        Raises:
            UserError: A text is empty, or the model has no head "match".
        """
        texts = {text for text, _ in pairs}
        self.require("match", *texts)
        ids = {text: self.labels.tokenizer.encode(text) for text in texts}
        matches: list[Match] = []
        for start in range(0, len(pairs), MATCH_BATCH):
            batch = pairs[start : start + MATCH_BATCH]
            inputs = [self._arrange(layouts.RETRIEVAL, ids[text], regions) for text, regions in batch]
            joined = TransformerInputs(*(torch.cat(parts) for parts in zip(*inputs, strict=True)))
            logits = self.whole.match(joined).float()
            matches += [
                Match(probability=row.softmax(dim=0)[1].item(), logits=_pair(row), text=self._use(one, ids[text]))
                for row, one, (text, _) in zip(logits, inputs, batch, strict=True)
            ]
        return matches

    def require(self, head: str, *texts: str) -> None:
        """Check what a task needs before any photo is looked at.

        Raises:
            UserError: The model has no such head, or a text holds nothing that a model could read.
        """
        require_head(head, self.whole.config.heads)
        for text in texts:
            if not self.labels.tokenizer.encode(text):
                raise UserError(f"the text {text!r:.40} is empty: write at least one word")

    def _arrange(self, layout: TextLayout, ids: Sequence[int], regions: PhotoRegions) -> TransformerInputs:
        special = self.labels.tokenizer.special
        return layout.arrange(ids, tag_ids(self.labels, regions), regions.vectors, regions.valid, special)

    def _use(self, inputs: TransformerInputs, ids: Sequence[int]) -> TextUse:
        """Compare what was laid out with the text's tokens: those of type 0 that are not hidden, less [CLS], [SEP]."""
        length = inputs.token_ids.shape[1]
        own = (inputs.token_types[0] == 0) & (inputs.mask[0, 0, :length] > HIDDEN)
        kept = int(own.sum()) - 2
        return TextUse(tokens=tuple(self.labels.tokenizer.tokens(ids[:kept])), dropped=len(ids) - kept)


def _folder(given: Path | str | None) -> Path | None:
    """Return a folder that may be given; an empty name would be the current one."""
    if given == "":
        raise UserError("the name of a folder is empty: give one, or None for none")
    return None if given is None else Path(given)


def _pair(logits: Tensor) -> tuple[float, float]:
    first, second = logits.tolist()
    return first, second
