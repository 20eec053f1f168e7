"""Every model of the registry can be trained: its parts take batches, and gradients reach every parameter."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

from minivlm.inference.backend import TorchBackend, load_torch_backend
from minivlm.inference.pipeline import Pipeline
from minivlm.language.transformer import FusionTransformer
from minivlm.models.registry import build, get_config
from minivlm.models.vision_language import VisionLanguageModel
from minivlm.vision.faster_rcnn import FasterRCNN
from minivlm.vision.rpn import Anchors
from minivlm.vision.tee import TEE, level_sizes
from minivlm.weights.loading import NamedModel, WeightsOrigin, load_model
from tests.tiny import NAME, made_up_regions, save_photo

BATCH, SIDE = 2, 128


def fresh(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(get_config(name))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(batch: int = BATCH) -> Tensor:
    return torch.randn(batch, 3, SIDE, SIDE, generator=seeded())


def detector_loss(model: TEE, images: Tensor) -> Tensor:
    """Losses of all four outputs and the attributes against made-up targets, through the parts that training has."""
    generator = seeded(1)
    extents = torch.tensor([[128.0, 128.0], [100.0, 120.0]])
    levels = model.backbone(images)
    objectness, moves = model.rpn.each(levels)
    anchors = Anchors(model.config.rpn, level_sizes(levels)).all_boxes(images.device)
    assert objectness.shape == (BATCH, len(anchors))
    truth = anchors + 4.0
    proposed = model.selector.each(objectness, moves, level_sizes(levels), extents)
    boxes = [proposals[valid] for proposals, valid in zip(*proposed, strict=True)]
    features, class_logits, deltas = model.box_head(model.pool_each(levels, boxes))
    classes = torch.randint(model.config.classes, (len(features),), generator=generator)
    assert model.attribute_head is not None
    attribute_logits = model.attribute_head(features, classes)
    attributes = torch.randint(model.config.attributes, (len(features),), generator=generator)
    rois = torch.cat(boxes)
    return (
        binary_cross_entropy_with_logits(objectness, (objectness.detach() > 0.0).float())
        + smooth_l1_loss(moves, model.selector.coder.encode(truth, anchors).expand_as(moves))
        + cross_entropy(class_logits, classes)
        + smooth_l1_loss(deltas, model.coder.encode(rois + 2.0, rois))
        + cross_entropy(attribute_logits, attributes)
    )


def baseline_loss(model: FasterRCNN) -> Tensor:
    """The same of the baseline, which takes one picture at a time."""
    feature = model.backbone(pictures(1))
    objectness, moves = model.rpn(feature)
    rois = model.propose(feature, torch.tensor([float(SIDE), float(SIDE)])).detach()
    features, class_logits, deltas = model.box_head(model.pool(feature, rois))
    classes = torch.randint(model.config.classes, (len(rois),), generator=seeded(1))
    assert model.attribute_head is not None
    outputs = [objectness, moves, deltas, model.attribute_head(features, classes)]
    return cross_entropy(class_logits, classes) + torch.stack([(out - 1.0).square().mean() for out in outputs]).sum()


def language_loss(model: FusionTransformer, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of masked tokens, and (B, h) pooled vectors, of padded texts with given regions."""
    token_ids = torch.randint(model.config.vocabulary, (len(regions), 12), generator=seeded(2))
    types = (torch.arange(12) >= 8).long().expand_as(token_ids)
    mask = torch.zeros(len(regions), 1, 12 + regions.shape[1])
    mask[0, :, 10:12] = -10000.0
    pooled, logits = model(token_ids, types, torch.arange(12).expand_as(token_ids), regions, mask)
    return cross_entropy(logits.flatten(0, 1), token_ids.flatten()), pooled


def transformer_loss(model: FusionTransformer) -> Tensor:
    masked, pooled = language_loss(model, torch.randn(BATCH, 5, model.config.region_dim, generator=seeded(3)))
    return masked + pooled.square().sum()


def whole_loss(model: VisionLanguageModel) -> Tensor:
    """The detector's loss, and those of all tasks on regions that it finds."""
    assert isinstance(model.vision, TEE)
    found = model.vision.detect_each(pictures(), torch.full((BATCH, 2), float(SIDE)))
    regions = torch.stack([picture.vectors for picture in found])
    masked, pooled = language_loss(model.language, regions)
    answers = model.head("vqa")(pooled)
    judged = model.head("nlvr2")(pooled, pooled.flip(0))
    matched = model.head("match")(pooled)
    tasks = [cross_entropy(logits, torch.tensor([0, 1])) for logits in (answers, judged, matched)]
    return detector_loss(model.vision, pictures()) + masked + torch.stack(tasks).sum()


LOSSES: dict[str, Callable[..., Tensor]] = {
    "tee-tiny": lambda model: detector_loss(model, pictures()),
    "r101-f-tiny": baseline_loss,
    "grid-tiny": lambda model: model(pictures()).square().mean(),
    "minilm-tiny": transformer_loss,
    "minivlm-tiny": whole_loss,
}


@pytest.mark.parametrize("name", LOSSES)
def test_every_parameter_gets_a_finite_gradient(name: str) -> None:
    model = fresh(name).train()
    loss = LOSSES[name](model)
    loss.backward()
    assert loss.isfinite()
    # A bias of all keys changes no attention weight, so its gradient may be 0 exactly.
    without = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert [key for key in without if not key.endswith(".key.bias")] == []
    assert all(value.grad is not None and value.grad.isfinite().all() for value in model.parameters())


def test_a_step_of_training_lowers_the_loss() -> None:
    """A few steps of plain SGD on one batch, dropout off."""
    model = fresh("tee-tiny").train()
    assert isinstance(model, TEE)
    model.initialize(seeded(5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for _ in range(4):
        loss = detector_loss(model, pictures())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_a_loaded_model_can_be_trained_further() -> None:
    model = load_model("minilm-tiny").module.requires_grad_().train()
    transformer_loss(model).backward()  # type: ignore[arg-type]
    assert all(value.grad is not None for value in model.parameters())


class TestInference:
    """Even where weights could be trained, nothing that answers keeps anything for a backward pass."""

    @pytest.fixture
    def backend(self) -> TorchBackend:
        loaded = load_torch_backend(NAME)
        return TorchBackend(
            NamedModel(NAME, loaded.module.requires_grad_(), WeightsOrigin("random", random=True)), loaded.labels
        )

    @pytest.fixture(autouse=True)
    def _nothing_is_saved(self):
        def refuse(tensor: Tensor) -> Tensor:
            raise AssertionError(f"autograd saved a tensor of shape {tuple(tensor.shape)}")

        with torch.autograd.graph.saved_tensors_hooks(refuse, lambda tensor: tensor):
            yield

    def test_would_be_seen_here(self) -> None:
        with pytest.raises(AssertionError, match="autograd saved"):
            transformer_loss(fresh("minilm-tiny"))  # type: ignore[arg-type]

    def test_regions(self, backend: TorchBackend, tmp_path) -> None:
        assert Pipeline(backend).regions(save_photo(tmp_path / "photo.png")).valid.any()

    @pytest.mark.parametrize("beams", [1, 2])
    def test_captions(self, backend: TorchBackend, beams: int) -> None:
        assert Pipeline(backend).caption(made_up_regions(), beams=beams).token_ids

    def test_answers_judgements_and_matches(self, backend: TorchBackend) -> None:
        pipeline, regions = Pipeline(backend), made_up_regions()
        assert pipeline.answer(regions, "a man?").best
        assert pipeline.judge(regions, regions, "a man").logits
        assert pipeline.match("a man", regions).logits
