"""What training asks of the TEE beyond inference: batches, attributes, weights to start from."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from minivlm.images.photos import default_photo, load_photo
from minivlm.images.preprocess import NetworkInput, letterbox
from minivlm.models.registry import build
from minivlm.vision.bifpn import WeightedSum
from minivlm.vision.tee import TEE
from minivlm.vision.tee_config import TEE_TINY
from minivlm.weights.loading import create_model


@pytest.fixture(scope="module")
def tiny() -> TEE:
    return create_model("tee-tiny")


def fitted(name: str) -> NetworkInput:
    return letterbox(load_photo(default_photo().with_name(name)), TEE_TINY.image_size, TEE_TINY.pixels)


@pytest.fixture(scope="module")
def photo() -> NetworkInput:
    return fitted("china.jpg")


class TestBatches:
    @pytest.fixture(scope="class")
    def pictures(self) -> list[NetworkInput]:
        *whole, cut = (fitted(name) for name in ("china.jpg", "flower.jpg", "china.jpg"))
        return [*whole, cut._replace(image=cut.image.flip(3), extent=torch.tensor([60.0, 100.0]))]

    def test_give_each_picture_what_it_gets_alone(self, tiny, pictures):
        images, extents = (torch.cat([p.image for p in pictures]), torch.stack([p.extent for p in pictures]))
        found = tiny.detect_each(images, extents)
        assert len(found) == 3
        for regions, picture in zip(found, pictures, strict=True):
            alone = tiny(picture.image, picture.extent)
            assert torch.equal(regions.tags, alone.tags)
            assert torch.equal(regions.attributes, alone.attributes)
            # float32 through some 50 layers whose sums run in another order; boxes are up to 128 pixels large.
            for name, tolerance in {"features": 5e-4, "boxes": 1e-2, "geometry": 1e-4, "scores": 1e-4}.items():
                torch.testing.assert_close(getattr(regions, name), getattr(alone, name), rtol=0, atol=tolerance)

    def test_boxes_of_different_numbers_are_read_from_their_own_picture(self, tiny):
        maps = [
            torch.stack([torch.full((8, 128 // stride, 128 // stride), value) for value in (1.0, 2.0)])
            for stride in (4, 8, 16, 32, 64)
        ]
        boxes = [torch.tensor([[8.0, 8.0, 40.0, 40.0]] * 3), torch.tensor([[0.0, 0.0, 128.0, 120.0]])]
        pooled = tiny.pool_each(maps, boxes)
        assert pooled.shape == (4, 8, 4, 4)
        torch.testing.assert_close(pooled.mean(dim=(1, 2, 3)), torch.tensor([1.0, 1.0, 1.0, 2.0]), rtol=0, atol=1e-5)

    def test_where_one_picture_is_meant_are_refused(self, tiny, photo):
        with pytest.raises(ValueError, match=r"one picture at a time: .* not \(2, 3, 128, 128\)"):
            tiny(photo.image.repeat(2, 1, 1, 1), photo.extent)

    def test_proposals_are_constants(self, photo):
        model = build(TEE_TINY)
        objectness, deltas = model.rpn.each(model.backbone(photo.image))
        sizes = [(32, 32), (16, 16), (8, 8), (4, 4), (2, 2)]
        proposals, valid = model.selector.each(objectness, deltas, sizes, photo.extent[None])
        assert deltas.requires_grad
        assert not proposals.requires_grad
        assert proposals.shape == (1, 40, 4)
        assert valid.any()


class TestAttributes:
    def test_of_regions_are_those_of_their_tags(self, tiny, photo):
        regions = tiny(photo.image, photo.extent)
        probabilities = tiny.attribute_head(regions.features, regions.tags + 1).softmax(dim=1)  # 0 is the background
        assert probabilities.shape == (TEE_TINY.regions, 11)
        assert torch.equal(regions.attributes, probabilities.argmax(dim=1))
        assert torch.equal(regions.attribute_scores, probabilities.amax(dim=1))

    def test_of_random_weights_differ_and_none_is_said_of_all(self, tiny, photo):
        # Of 11 attributes, 10 regions that are all alike would have 1; flat scores would be 1 / 11.
        regions = tiny(photo.image, photo.extent)
        assert len(regions.attributes.unique()) >= 3
        assert regions.attribute_scores.median() > 0.2

    def test_a_detector_may_have_none(self, photo):
        model = build(replace(TEE_TINY, attributes=0))
        assert not any("attribute" in key for key in model.state_dict())
        regions = model(photo.image, photo.extent)
        assert (regions.attributes, regions.attribute_scores) == (None, None)


class TestInitialisation:
    @pytest.fixture(scope="class")
    def fresh(self) -> TEE:
        model = build(TEE_TINY)
        model.randomize(torch.Generator().manual_seed(0))  # leaves nothing as it was built
        for part in model.modules():
            if isinstance(part, WeightedSum):
                nn.init.constant_(part.weight, 3.0)
        model.initialize(torch.Generator().manual_seed(1))
        return model

    @pytest.mark.parametrize(
        ("name", "std"), [("rpn.objectness", 0.01), ("rpn.deltas", 0.01), ("box_head.classifier", 0.01)]
    )
    def test_outputs_start_near_zero(self, fresh, name, std):
        # maskrcnn-benchmark `modeling/rpn/rpn.py` and `roi_box_predictors.py`; the fewest weights are 3 x 8.
        layer = fresh.get_submodule(name)
        assert layer.weight.std().item() == pytest.approx(std, rel=0.4 if layer.weight.numel() < 100 else 0.2)
        assert not layer.bias.any()

    def test_box_deltas_start_ten_times_nearer(self, fresh):
        assert fresh.box_head.deltas.weight.std().item() == pytest.approx(0.001, rel=0.2)

    def test_norms_and_fusion_start_even(self, fresh):
        for part in fresh.modules():
            if isinstance(part, nn.BatchNorm2d):
                assert (part.weight == 1.0).all()
                assert not part.bias.any()
                assert not part.running_mean.any()
                assert (part.running_var == 1.0).all()
            if isinstance(part, WeightedSum):
                assert (part.weight == 1.0).all()

    def test_follows_the_generator_alone(self, fresh):
        again = build(TEE_TINY)
        again.initialize(torch.Generator().manual_seed(1))
        assert all(torch.equal(value, again.state_dict()[key]) for key, value in fresh.state_dict().items())
