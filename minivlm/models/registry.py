"""Every model by name: a frozen config, how to build it, and how to give it weights."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from minivlm.errors import UserError, closest
from minivlm.language import transformer
from minivlm.language.transformer import FusionTransformer, TransformerConfig
from minivlm.models.sizes import ModelConfig
from minivlm.models.vision_language import VisionLanguageConfig, VisionLanguageModel
from minivlm.vision import faster_rcnn, grid, tee_config
from minivlm.vision.faster_rcnn import FasterRCNN, FasterRCNNConfig
from minivlm.vision.grid import GridConfig, GridExtractor
from minivlm.vision.regions import GEOMETRY
from minivlm.vision.tee import TEE
from minivlm.vision.tee_config import TEEConfig

Model = TEE | FasterRCNN | GridExtractor | FusionTransformer | VisionLanguageModel

MODELS: Mapping[str, ModelConfig] = MappingProxyType(
    {
        "minivlm": VisionLanguageConfig(vision=tee_config.TEE_0, language=transformer.MINILM),
        "oscar-b": VisionLanguageConfig(
            vision=faster_rcnn.R101_F, language=replace(transformer.BERT_BASE, region_dim=2048 + GEOMETRY)
        ),
        "minivlm-sample": VisionLanguageConfig(
            vision=tee_config.TEE_SAMPLE, language=transformer.MINILM_SAMPLE, answers=343
        ),
        "tee-0": tee_config.TEE_0,
        "tee-1": tee_config.TEE_1,
        "tee-2": tee_config.TEE_2,
        "tee-3": tee_config.TEE_3,
        "tee-lite-0": tee_config.TEE_LITE_0,
        "tee-sample": tee_config.TEE_SAMPLE,
        "tee-lite-sample": replace(tee_config.TEE_SAMPLE, efficientnet=tee_config.TEE_LITE_0.efficientnet),
        "r101-f": faster_rcnn.R101_F,
        "grid-r50": grid.GRID_R50,
        "grid-x101": grid.GRID_X101,
        "bert-base": transformer.BERT_BASE,
        "bert-8": transformer.BERT_8,
        "tinybert-6": transformer.TINYBERT_6,
        "bert-4": transformer.BERT_4,
        "minilm": transformer.MINILM,
        "tinybert-4": transformer.TINYBERT_4,
        "minilm-sample": transformer.MINILM_SAMPLE,
        "minivlm-tiny": VisionLanguageConfig(
            vision=tee_config.TEE_TINY,
            language=replace(transformer.MINILM_TINY, region_dim=tee_config.TEE_TINY.feature_dim + GEOMETRY),
            answers=20,
        ),
        "tee-tiny": tee_config.TEE_TINY,
        "r101-f-tiny": faster_rcnn.R101_F_TINY,
        "grid-tiny": grid.GRID_TINY,
        "minilm-tiny": transformer.MINILM_TINY,
    }
)
"""All models. A name that ends in "-tiny" has the topology of its family at a size for tests."""


def list_models() -> list[str]:
    """Return every name that `create_model` takes."""
    return list(MODELS)


def get_config(name: str) -> ModelConfig:
    """Return a model's config.

    Raises:
        UserError: No such model; the message names the nearest ones.
    """
    if name not in MODELS:
        raise UserError(f"unknown model {name!r}: {closest(name, list_models())}")
    return MODELS[name]


def build(config: ModelConfig) -> Model:
    """Build a model from its config, in eval mode, on the current default device ("meta" allocates nothing).

    Its parameters can be trained, after `train()`; `load_model` gives one that is only run.
    """
    match config:
        case TEEConfig():
            module: Model = TEE(config)
        case FasterRCNNConfig():
            module = FasterRCNN(config)
        case GridConfig():
            module = GridExtractor(config)
        case TransformerConfig():
            module = FusionTransformer(config)
        case VisionLanguageConfig():
            module = VisionLanguageModel(config)
    return module.eval()


def vision_language_config(name: str) -> VisionLanguageConfig:
    """Return the config of a model that does all tasks.

    Raises:
        UserError: No such model, or it is only a part of one.
    """
    config = get_config(name)
    if not isinstance(config, VisionLanguageConfig):
        whole = [other for other, found in MODELS.items() if isinstance(found, VisionLanguageConfig)]
        raise UserError(f"{name} is only a part of a vision-language model: take {' or '.join(whole)}")
    return config


def parts_of(model: str) -> dict[str, str]:
    """Return the models that are parts of a model, by name, with the attribute that holds each; none of a part."""
    whole = get_config(model)
    if not isinstance(whole, VisionLanguageConfig):
        return {}
    region_dim = whole.language.region_dim
    found = {}
    for name, config in MODELS.items():
        if config == whole.vision:
            found[name] = "vision"
        elif isinstance(config, TransformerConfig) and replace(config, region_dim=region_dim) == whole.language:
            found[name] = "language"
    return found
