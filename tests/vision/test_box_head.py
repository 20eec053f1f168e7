"""The heads on pooled regions, against matrix arithmetic in double precision."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from minivlm.errors import UserError
from minivlm.vision.box_head import AttributeHead, BoxHead, attribute_logits
from minivlm.vision.regions import Regions


def array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy().astype(np.float64)


def linear(layer: nn.Linear, rows: np.ndarray) -> np.ndarray:
    return rows @ array(layer.weight).T + array(layer.bias)


def count(module: nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


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
        # Tags count from the first class after the background: tag 3 is class 4.
        torch.manual_seed(0)
        head, features = AttributeHead(6, classes=5, embedding=3, hidden=8, attributes=4), torch.randn(2, 6)
        regions = Regions(features, torch.zeros(2, 4), torch.zeros(2, 6), torch.tensor([3, 0]), torch.ones(2))
        assert torch.equal(attribute_logits(head, regions), head(features, torch.tensor([4, 1])))

    def test_a_detector_without_one_says_so(self):
        regions = Regions(torch.zeros(1, 6), torch.zeros(1, 4), torch.zeros(1, 6), torch.tensor([0]), torch.ones(1))
        with pytest.raises(UserError, match="no attribute head"):
            attribute_logits(None, regions)
