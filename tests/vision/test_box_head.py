"""The heads on pooled regions, against matrix arithmetic in double precision."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from minivlm.vision.box_head import AttributeHead, BoxHead, with_attributes
from minivlm.vision.regions import Regions


def array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy().astype(np.float64)


def linear(layer: nn.Linear, rows: np.ndarray) -> np.ndarray:
    return rows @ array(layer.weight).T + array(layer.bias)


def count(module: nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


def regions_of_tags(*tags: int) -> Regions:
    rows = len(tags)
    return Regions(
        torch.randn(rows, 6), torch.zeros(rows, 4), torch.zeros(rows, 6), torch.tensor(tags), torch.ones(rows)
    )


class TestBoxHead:
    def test_two_linear_layers_to_the_feature_then_classes_and_deltas_from_it(self):
        torch.manual_seed(0)
        head, pooled = BoxHead(3 * 16, feature_dim=20, classes=7), torch.randn(5, 3, 4, 4)
        features, classes, deltas = head(pooled)
        # A region's numbers in the order channel, row, column; ReLU after both layers, so the feature has one, too.
        hidden = np.maximum(linear(head.fc1, array(pooled).reshape(5, 48)), 0.0)
        expected = np.maximum(linear(head.fc2, hidden), 0.0)
        assert (expected == 0.0).any(), "the second ReLU must matter in this test"
        for given, value in [
            (features, expected),
            (classes, linear(head.classifier, expected)),
            (deltas, linear(head.deltas, expected)),
        ]:
            np.testing.assert_allclose(array(given), value, rtol=0, atol=1e-5)  # float32 against double

    @pytest.mark.parametrize(
        ("channels", "total"), [(64, 3_744_325), (88, 4_137_541), (112, 4_530_757), (160, 5_317_189)]
    )
    def test_has_the_sizes_that_reproduce_tables_4_and_10(self, channels, total):
        with torch.device("meta"):
            head = BoxHead(16 * channels, feature_dim=1024, classes=1601)
        assert count(head) == 1024 * (16 * channels + 1) + 1024 * 1025 + 1025 * (1601 + 4) == total


class TestAttributeHead:
    def test_sees_the_feature_and_then_the_embedding_of_the_class(self):
        torch.manual_seed(0)
        head = AttributeHead(6, classes=5, embedding=3, hidden=8, attributes=4)
        features, classes = torch.randn(3, 6), torch.tensor([4, 0, 2])
        joined = np.concatenate([array(features), array(head.class_embedding.weight)[classes.numpy()]], axis=1)
        expected = linear(head.classifier, np.maximum(linear(head.hidden, joined), 0.0))
        np.testing.assert_allclose(array(head(features, classes)), expected, rtol=0, atol=1e-5)

    def test_a_region_is_judged_as_an_object_of_its_tag(self):
        # Tags count from the first class after the background: tag 3 is class 4. Softmax and its maximum by NumPy.
        torch.manual_seed(0)
        head, regions = AttributeHead(6, classes=5, embedding=3, hidden=8, attributes=4), regions_of_tags(3, 0)
        logits = array(head(regions.features, torch.tensor([4, 1])))
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        found = with_attributes(head, regions)
        assert found.attributes.tolist() == probabilities.argmax(axis=1).tolist()
        np.testing.assert_allclose(array(found.attribute_scores), probabilities.max(axis=1), rtol=0, atol=1e-6)
        assert (found.attributes.dtype, found.attribute_scores.dtype) == (torch.int64, torch.float32)

    def test_nothing_else_of_a_region_changes(self):
        regions = regions_of_tags(1, 2)
        found = with_attributes(AttributeHead(6, classes=5, embedding=3, hidden=8, attributes=4), regions)
        assert list(found.present) == [*regions.present, "attributes", "attribute_scores"]
        assert all(found.present[name] is field for name, field in regions.present.items())

    def test_without_a_head_nothing_is_said(self):
        regions = regions_of_tags(0)
        assert with_attributes(None, regions) is regions
        assert list(regions.present) == ["features", "boxes", "geometry", "tags", "scores"]

    def test_random_weights_are_spread_to_differ_as_much_as_asked_for(self):
        torch.manual_seed(0)
        head = AttributeHead(6, classes=5, embedding=3, hidden=8, attributes=4)
        features, classes = torch.randn(50, 6), torch.randint(5, (50,))
        head.spread(features, classes, std=3.0)
        logits = head(features, classes)
        # Every logit's mean over the inputs is 0, so the standard deviation is over all of them; float32.
        torch.testing.assert_close(logits.mean(dim=0), torch.zeros(4), rtol=0, atol=1e-4)
        assert logits.square().mean().sqrt().item() == pytest.approx(3.0, abs=1e-4)
