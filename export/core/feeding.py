"""What a stranger must know to feed an artifact and to read its results, as part of the sidecar.

docs/artifacts.md explains each field; `examples/` uses nothing else.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from export.core.catalogue import HEAD_LAYOUTS
from minivlm.language.layout import CAPTIONING, HIDDEN, TextLayout
from minivlm.language.tokenizer import LONGEST_WORD
from minivlm.language.transformer import TransformerConfig
from minivlm.models.samples import REGIONS, TEXT_TOKENS
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.vision.tee_config import TEEConfig
from minivlm.weights.labels import ANSWERS, ATTRIBUTES, TAGS, VOCABULARY, Labels

TYPES = {"text": 0, "tags": 1, "padding": 0}


@dataclass(frozen=True)
class PhotoFeeding:
    """How the inputs "image" and "extent" are made of an upright RGB photo with levels 0 to 255.

    Attributes:
        height: Of `image` in pixels.
        width: Of `image` in pixels.
        layout: Axes of `image`.
        channels: Order along the axis of channels, "rgb" or "bgr".
        mean: In that order, subtracted from the levels.
        std: In that order, what the difference is divided by, in float32.
        resize: "letterbox": by one factor, up or down, until the photo just fits.
        filter: "triangle": as wide as the reduction, so that all pixels count; Pillow's BILINEAR.
        passes: Axes in the order in which they are resized; levels are rounded to 8 bits after each.
        side: How a side's new length is rounded, and the least it can be.
        corner: Where in `image` the photo lies.
        padding: Value of `image` beside the photo, normalisation done.
        extent: What `extent` holds: height and width in pixels of the photo within `image`.
    """

    height: int
    width: int
    channels: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: str = "NCHW"
    resize: str = "letterbox"
    filter: str = "triangle"
    passes: tuple[str, ...] = ("width", "height")
    side: str = "max(1, floor(side * min(height / photo_height, width / photo_width) + 1/2))"
    corner: str = "top left"
    padding: float = 0.0
    extent: tuple[str, ...] = ("height", "width")


@dataclass(frozen=True)
class RegionReading:
    """What a detector's outputs mean.

    Attributes:
        rows: Regions, by falling score.
        box: Numbers of a row of `boxes`.
        box_unit: Of these numbers, from the top-left corner of `image`.
        geometry: Numbers of a row of `geometry`; W and H are the extent's.
        unused_score: In `scores`, marks a row that only fills the fixed number.
        tag_classes: Values that `tags` can have, from 0.
        tag_names: File whose line, counted from 0, names a tag; None where none comes with the artifact.
        vector: Outputs that, one after the other, make a region's row for the input "regions".
        attribute_classes: Values that `attributes` can have, from 0; None where the artifact does not give them.
        attribute_names: File whose line, counted from 1, names an attribute; None where none comes with the artifact.
        no_attribute: In `attributes`, a region with nothing to say of it; it has no line.
    """

    rows: int
    tag_classes: int
    tag_names: str | None
    attribute_classes: int | None = None
    attribute_names: str | None = None
    box: tuple[str, ...] = ("x1", "y1", "x2", "y2")
    box_unit: str = "pixels of image"
    geometry: tuple[str, ...] = ("x1/W", "y1/H", "x2/W", "y2/H", "(x2-x1)/W", "(y2-y1)/H")
    unused_score: float = 0.0
    vector: tuple[str, ...] = ("features", "geometry")
    no_attribute: int = 0


@dataclass(frozen=True)
class TokenFeeding:
    """How text becomes token ids.

    Attributes:
        file: One token a line in UTF-8; a token's id is its line, counted from 0.
        special: Ids of the special tokens, which no text can write.
        scheme: Control characters dropped, CJK characters apart, lower case, no accents, split at spaces and
            punctuation, then the longest known piece first; pieces within a word begin with "##".
        longest_word: Characters from which on a word is unknown as a whole.
        tag_text: "distinct names joined by spaces": what the tags of the rows in use become before this.
    """

    file: str
    special: Mapping[str, int]
    scheme: str = "BERT uncased WordPiece"
    longest_word: int = LONGEST_WORD
    tag_text: str = "distinct names joined by spaces, best region first"


@dataclass(frozen=True)
class TextFeeding:
    """How a method's sequence is laid out and its result read.

    Attributes:
        method: Whose inputs these are.
        tokens: Length of `token_ids`, `token_types` and `positions`.
        regions: Rows of `regions`; what is missing is zero and hidden.
        types: In `token_types`; each part's [SEP] belongs to it.
        sequences: Rows of each input: 2 for a text about two photos, each with the photo's own tags and regions.
        layout: Order of the tokens; without tags there is no second [SEP].
        cut: What goes while text and tags do not fit.
        positions: In `positions`, padding too.
        mask: What `mask` lays out: all tokens, then all regions.
        visible: In `mask`.
        hidden: In `mask`, for padding and rows that are not in use.
        output: Name of the logits; None where a task's head is not in the artifact.
        labels: File that names the logits, or the names.
        probability: What makes probabilities of the logits.
    """

    method: str
    tokens: int
    regions: int
    types: Mapping[str, int]
    sequences: int = 1
    layout: tuple[str, ...] = ("[CLS]", "text", "[SEP]", "tags", "[SEP]", "[PAD]...")
    cut: str = "the last token of the longer one, of the tags where both are equally long"
    positions: str = "0, 1, 2, ..."
    mask: tuple[str, ...] = ("tokens", "regions")
    visible: float = 0.0
    hidden: float = HIDDEN
    output: str | None = None
    labels: str | tuple[str, ...] | None = None
    probability: str | None = None


@dataclass(frozen=True)
class CaptionFeeding:
    """How a caption is written: `prefill` once a photo, `step` once a token.

    Attributes:
        tags: Length of `tag_ids`: the tags' tokens, cut at the end to leave room for [SEP], [SEP], then [PAD]; without
            tags all is [PAD].
        regions: Rows of `regions`; what is missing is zero and hidden.
        mask: What `context_mask` lays out.
        visible: In `context_mask`.
        hidden: In `context_mask`, for padding and rows that are not in use.
        kept: Output of `prefill` -> input of every `step`, which also takes the same `context_mask`.
        carried: Output of `step` -> input of the next one; all zero in the first.
        first_token: `last_token` of the first step; later ones take the token chosen before.
        first_position: `position` of the first step; it grows by 1.
        logits: Output whose largest entry is the next token.
        end_token: The caption is finished with it.
        most_tokens: Of a caption, the first and the end token included: room in what is carried. The last of so many is
            the end token, whatever the logits say.
    """

    tags: int
    regions: int
    first_token: int
    end_token: int
    most_tokens: int
    kept: Mapping[str, str]
    carried: Mapping[str, str]
    mask: tuple[str, ...] = ("tags", "regions")
    visible: float = 0.0
    hidden: float = HIDDEN
    first_position: int = 0
    logits: str = "logits"


@dataclass(frozen=True)
class Feeding:
    """All there is to feed; None or empty is what the artifact does not have."""

    photo: PhotoFeeding | None = None
    regions: RegionReading | None = None
    tokens: TokenFeeding | None = None
    texts: tuple[TextFeeding, ...] = ()
    caption: CaptionFeeding | None = None


def feeding_of(
    config: TEEConfig | TransformerConfig | VisionLanguageConfig,
    image_size: tuple[int, int] | None,
    labels: Labels | None,
) -> Feeding:
    """Describe an artifact of a model.

    Args:
        config: Of the model.
        image_size: Height and width of its vision input in pixels; None for a transformer.
        labels: What its ids mean; None for a part.
    """
    vision = config.vision if isinstance(config, VisionLanguageConfig) else config
    photo = regions = None
    if isinstance(vision, TEEConfig) and image_size is not None:
        photo = _photo(vision, image_size)
        regions = RegionReading(
            vision.regions,
            vision.classes - 1,
            None if labels is None else TAGS,
            vision.attributes or None,
            ATTRIBUTES if labels is not None and labels.attributes else None,
        )
    if isinstance(config, TransformerConfig):
        return Feeding(texts=(_text("forward", TextLayout(text_length=TEXT_TOKENS, regions=REGIONS)),))
    if not isinstance(config, VisionLanguageConfig) or labels is None:
        return Feeding(photo, regions)
    special = labels.tokenizer.special
    return Feeding(
        photo,
        regions,
        TokenFeeding(VOCABULARY, asdict(special)),
        tuple(_head(name) for name in config.heads),
        CaptionFeeding(
            tags=CAPTIONING.tag_length,
            regions=CAPTIONING.regions,
            first_token=special.cls,
            end_token=special.sep,
            most_tokens=CAPTIONING.caption_length,
            kept={name: name for name in ("context_keys", "context_values")},
            carried={f"next_{name}": name for name in ("caption_keys", "caption_values")},
        ),
    )


def _photo(config: TEEConfig, size: tuple[int, int]) -> PhotoFeeding:
    pixels = config.pixels
    return PhotoFeeding(*size, channels=pixels.channels, mean=pixels.mean, std=pixels.std)


def _head(name: str) -> TextFeeding:
    layout = HEAD_LAYOUTS[name]
    match name:
        case "vqa":
            return _text(name, layout, output="logits", labels=ANSWERS, probability="sigmoid")
        case "nlvr2":
            labels = ("false", "true")
            return _text(name, layout, sequences=2, output="logits", labels=labels, probability="softmax")
        case _:
            return _text(name, layout, output="logits", labels=("no", "yes"), probability="softmax")


def _text(method: str, layout: TextLayout, **reading: object) -> TextFeeding:
    return TextFeeding(method, layout.text_length, layout.regions, types=TYPES, **reading)  # type: ignore[arg-type]
