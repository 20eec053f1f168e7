"""Which methods the artifact of each model offers, with inputs made from a real photo."""

from collections.abc import Mapping
from pathlib import Path

import torch
from PIL import ImageOps
from torch import Tensor, nn

from export.core.methods import Method
from minivlm.errors import UserError
from minivlm.images.photos import load_photo
from minivlm.images.preprocess import letterbox
from minivlm.language.exportable import Prefill, Step
from minivlm.language.layout import CAPTIONING, NLVR2, RETRIEVAL, VQA, TextLayout, TransformerInputs
from minivlm.language.tokenizer import SpecialTokens
from minivlm.language.transformer import FusionTransformer
from minivlm.models.samples import SAMPLE_SEED, sequence_samples
from minivlm.models.vision_language import VisionLanguageModel
from minivlm.vision.regions import Regions
from minivlm.vision.tee import TEE
from minivlm.vision.tee_config import check_image_size
from minivlm.weights.labels import Labels
from minivlm.weights.loading import NamedModel

HEAD_LAYOUTS: Mapping[str, TextLayout] = {"vqa": VQA, "nlvr2": NLVR2, "match": RETRIEVAL}
"""The sequence each task head is fixed to; the method has the head's name."""


def exportable_methods(
    model: NamedModel, labels: Labels | None, image_size: tuple[int, int] | None, photo: Path
) -> list[Method]:
    """Return a model's methods: one "forward" for a part; for a whole model "regions", "prefill", "step" and its heads.

    Args:
        model: The reference model.
        labels: Of a whole model; None for a part.
        image_size: (height, width) of the vision input in pixels; None takes the config's.
        photo: What the vision inputs show.

    Raises:
        UserError: The model is a baseline that is not meant for devices, or does not take this image size.
    """
    module = model.module
    if isinstance(module, FusionTransformer):
        if image_size is not None:
            raise UserError(f"--image-size goes with a vision model, and {model.name} is a transformer: leave it out")
        return [fusion_method("forward", module)]
    if isinstance(module, TEE):
        return [regions_method("forward", module, image_size, photo)]
    if isinstance(module, VisionLanguageModel) and isinstance(module.vision, TEE) and labels is not None:
        find = regions_method("regions", module.vision, image_size, photo)
        with torch.no_grad():
            regions, _ = module.vision.detect(*find.example)
        language = LanguageSamples(module.language, labels.tokenizer.special, regions)
        return [
            find,
            *caption_methods(module.language, language),
            *(head_method(name, module.language, head, language) for name, head in module.heads.items()),
        ]
    raise UserError(
        f"{model.name} is a baseline for comparison and has no artifact: export tee-0..3, minivlm or a transformer"
    )


def regions_method(name: str, module: TEE, image_size: tuple[int, int] | None, photo: Path) -> Method:
    """Return the method from a normalised image to its regions."""
    size = image_size or module.config.image_size
    check_image_size(size, module.config.size_multiple)
    shown = load_photo(photo)
    first, second = (letterbox(view, size, module.config.pixels) for view in (shown, ImageOps.flip(shown)))
    inputs = {"image": first.image, "extent": first.extent}
    held_out = [(second.image, second.extent)]
    graph = DetectorGraph(module)
    return Method(name, graph, inputs, graph.outputs, detector=True, by_box=True, held_out=held_out)


class DetectorGraph(nn.Module):
    """A detector that returns a plain tuple, as serialized programs know no named ones, and its proposals last."""

    def __init__(self, detector: TEE) -> None:
        super().__init__()
        self.detector = detector

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what is returned: those of attributes where the detector has a head for them."""
        left_out = () if self.detector.config.attributes else ("attributes", "attribute_scores")
        return (*(name for name in Regions._fields if name not in left_out), "proposals")

    def forward(self, image: Tensor, extent: Tensor) -> tuple[Tensor, ...]:
        """See `TEE.detect`."""
        regions, proposals = self.detector.detect(image, extent)
        return (*regions.present.values(), proposals)


def fusion_method(name: str, module: FusionTransformer) -> Method:
    """Return the method of the paper's Table 2: one pass over 35 text tokens and 50 regions, all text decoded."""
    seen, part = sequence_samples(module.config)
    return Method(name, module, seen._asdict(), ("pooled", "caption_logits"), held_out=[tuple(part)])


class LanguageSamples:
    """Inputs for the transformer's methods: a photo's regions and made-up text.

    Args:
        module: Whose vocabulary the text is of.
        special: Special tokens of the model's vocabulary.
        regions: Of the photo.
    """

    def __init__(self, module: FusionTransformer, special: SpecialTokens, regions: Regions) -> None:
        self.special = special
        self.vectors = regions.vectors
        self.valid = regions.valid
        self._vocabulary = module.config.vocabulary
        self._generator = torch.Generator().manual_seed(SAMPLE_SEED)

    def words(self, count: int) -> list[int]:
        """Return made-up token ids."""
        ids: list[int] = torch.randint(self._vocabulary, (count,), generator=self._generator).tolist()
        return ids

    def arrange(self, layout: TextLayout) -> TransformerInputs:
        """Lay out a text of half the sequence, and tags."""
        text, tags = self.words(layout.text_length // 2), self.words(layout.text_length // 4)
        return layout.arrange(text, tags, self.vectors, self.valid, self.special)


def caption_methods(module: FusionTransformer, samples: LanguageSamples) -> list[Method]:
    """Return "prefill", once a photo, and "step", once a token; the step's example is a caption's second."""
    prefill = Prefill(module, CAPTIONING).eval()
    step = Step(module, CAPTIONING, samples.special.mask).eval()
    context = CAPTIONING.context(
        samples.words(CAPTIONING.tag_length // 2), samples.vectors, samples.valid, samples.special
    )
    with torch.no_grad():
        keys, values = prefill(*context)
        *_, empty_keys, empty_values = step.example_inputs()
        first = (torch.tensor([samples.special.cls]), torch.tensor([0]), keys, values, context.mask)
        _, caption_keys, caption_values = step(*first, empty_keys, empty_values)
    step_inputs = {
        "last_token": torch.tensor(samples.words(1)),
        "position": torch.tensor([1]),
        "context_keys": keys,
        "context_values": values,
        "context_mask": context.mask,
        "caption_keys": caption_keys,
        "caption_values": caption_values,
    }
    return [
        Method(
            "prefill",
            prefill,
            {"tag_ids": context.tag_ids, "regions": context.regions, "context_mask": context.mask},
            ("context_keys", "context_values"),
        ),
        Method("step", step, step_inputs, ("logits", "next_caption_keys", "next_caption_values")),
    ]


class HeadGraph(nn.Module):
    """A task head on the pooled vectors of one sequence, or of two for a pair."""

    def __init__(self, transformer: FusionTransformer, head: nn.Module) -> None:
        super().__init__()
        self.transformer = transformer
        self.head = head

    def forward(
        self, token_ids: Tensor, token_types: Tensor, positions: Tensor, regions: Tensor, mask: Tensor
    ) -> tuple[Tensor]:
        """Run B sequences, each laid out as `TransformerInputs`, and the head on their B pooled vectors."""
        pooled = self.transformer.pool(token_ids, token_types, positions, regions, mask)
        # Not split(1): of a single row LiteRT's converter makes no list.
        return (self.head(*(pooled[row : row + 1] for row in range(pooled.shape[0]))),)


def head_method(name: str, module: FusionTransformer, head: nn.Module, samples: LanguageSamples) -> Method:
    """Return a task head's method; the pair head judges two sequences in one batch."""
    layout = HEAD_LAYOUTS[name]
    sequences = 2 if name == "nlvr2" else 1
    rows = [samples.arrange(layout) for _ in range(sequences)]
    inputs = {field: torch.cat([getattr(row, field) for row in rows]) for field in TransformerInputs._fields}
    return Method(name, HeadGraph(module, head).eval(), inputs, ("logits",))
