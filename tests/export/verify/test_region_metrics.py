"""The judge of regions: finds planted faults of every kind, and does not mind their order."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from export.verify.metrics import EQUAL, compare_proposals, compare_regions, match_regions
from export.verify.tolerances import TOLERANCES, Tolerances
from minivlm.vision.regions import Regions, box_geometry

FP32 = TOLERANCES["fp32"]
ROWS = 50
FEATURE_FIGURES = ["median feature cosine", "median feature SQNR dB"]


def example(found: int = ROWS) -> Regions:
    """Regions side by side on a grid, the first `found` of them valid."""
    generator = torch.Generator().manual_seed(0)
    corner = 40.0 * torch.stack([torch.arange(ROWS) % 10, torch.arange(ROWS) // 10], dim=1)
    boxes = torch.cat([corner, corner + 20.0 + 10.0 * torch.rand(ROWS, 2, generator=generator)], dim=1)
    scores = torch.linspace(0.9, 0.3, ROWS)
    scores[found:] = 0.0
    return Regions(
        features=torch.randn(ROWS, 16, generator=generator),
        boxes=boxes,
        geometry=box_geometry(boxes, torch.tensor([200.0, 400.0])),
        tags=torch.randint(40, (ROWS,), generator=generator),
        scores=scores,
        attributes=torch.randint(20, (ROWS,), generator=generator),
        attribute_scores=0.2 + 0.7 * torch.rand(ROWS, generator=generator),
    )


def reordered(regions: Regions, order: Tensor) -> Regions:
    return Regions(*(field[order] for field in regions))


def changed(regions: Regions, field: str, rows: slice | int, value: Tensor | float) -> Regions:
    tensor = getattr(regions, field).clone()
    tensor[rows] = value
    return regions._replace(**{field: tensor})


def failed(reference: Regions, other: Regions, tolerances: Tolerances = FP32) -> list[str]:
    return [metric.name for metric in compare_regions(reference, other, tolerances) if not metric.passed]


class TestMatching:
    @given(order=st.permutations(range(ROWS)))
    @settings(max_examples=20, deadline=None)
    def test_finds_every_region_in_any_order(self, order):
        reference = example()
        pairs = match_regions(reference, reordered(reference, torch.tensor(order)))
        assert sorted(pairs) == [(row, order.index(row)) for row in range(ROWS)]

    def test_takes_the_best_overlap_first_and_each_row_once(self):
        # Two equal boxes on one side, one on the other: one pair. A near miss loses to the exact box.
        def regions(*boxes: list[float]) -> Regions:
            rows = len(boxes)
            return Regions(
                torch.ones(rows, 2), torch.tensor(boxes), torch.ones(rows, 6), torch.ones(rows), torch.ones(rows)
            )

        exact, near, far = [0.0, 0.0, 100.0, 100.0], [0.0, 0.0, 100.0, 95.0], [0.0, 0.0, 100.0, 80.0]
        assert match_regions(regions(exact, exact), regions(exact)) == [(0, 0)]
        assert match_regions(regions(exact), regions(near, exact)) == [(0, 1)]
        assert match_regions(regions(exact), regions(far)) == [], "IoU 0.8"

    def test_rows_that_only_fill_take_no_part(self):
        reference, other = example(found=30), example(found=30)
        assert sorted(match_regions(reference, other)) == [(row, row) for row in range(30)]
        assert compare_regions(reference, other, FP32)[0].value == 1.0


class TestRegions:
    def test_equal_ones_pass_in_any_order(self):
        reference = example()
        order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(1))
        metrics = compare_regions(reference, reordered(reference, order), FP32)
        # matched, tags, cosine, feature and geometry SQNR, score, attributes and their score; the cosine is rounded in
        # its last bit.
        expected = [1.0, 1.0, 1.0, EQUAL, EQUAL, 0.0, 1.0, 0.0]
        assert [metric.value for metric in metrics] == pytest.approx(expected, abs=1e-12)
        assert all(metric.passed for metric in metrics)

    def test_rounding_errors_pass(self):
        reference = example()
        generator = torch.Generator().manual_seed(1)
        other = Regions(
            *(field * (1.0 + 1e-5 * torch.randn(field.shape, generator=generator)) for field in reference[:3]),
            reference.tags,
            reference.scores + 1e-4,
        )
        assert failed(reference, other) == []

    @pytest.mark.parametrize(
        ("field", "rows", "value", "names"),
        [
            ("tags", slice(0, 2), 999, ["tags equal"]),  # 2 of 50 are more than 2 %
            ("boxes", slice(0, 3), torch.tensor([0.0, 0.0, 4.0, 4.0]), ["regions matched at IoU 0.9"]),
            ("scores", slice(0, 5), 0.1, ["95 % of scores within"]),
            ("attributes", slice(0, 2), 999, ["attributes equal"]),
            ("attribute_scores", slice(0, 5), 0.1, ["95 % of attribute scores within"]),
            ("features", slice(0, 30), 0.0, FEATURE_FIGURES),
            ("geometry", slice(0, 30), 0.5, ["median geometry SQNR dB"]),
        ],
    )
    def test_a_planted_fault_is_found_whatever_the_order(self, field, rows, value, names):
        reference = example()
        other = changed(reference, field, rows, value)
        order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(1))
        assert failed(reference, other) == names
        assert failed(reference, reordered(other, order)) == names

    def test_features_of_another_region_are_found(self):
        reference = example()
        assert failed(reference, reference._replace(features=reference.features.roll(1, dims=0))) == FEATURE_FIGURES

    def test_none_on_one_side_only_fail(self):
        reference, nothing = example(), example()._replace(scores=torch.zeros(ROWS))
        assert failed(reference, nothing) == ["regions matched at IoU 0.9"]
        assert failed(nothing, reference) == ["regions matched at IoU 0.9"]

    def test_none_on_both_sides_are_agreement(self):
        nothing = example()._replace(scores=torch.zeros(ROWS))
        (matched,) = compare_regions(nothing, nothing, FP32)
        assert matched.value == 1.0

    def test_none_but_one_that_is_not_finite_fail(self):
        nothing = example()._replace(scores=torch.zeros(ROWS))
        assert failed(nothing, changed(nothing, "features", 0, math.nan)) == ["share of finite values"]

    def test_regions_that_pytorch_did_not_find_fail(self):
        assert failed(example(found=10), example(found=20)) == ["regions matched at IoU 0.9"]

    @pytest.mark.parametrize("field", ["features", "boxes", "geometry", "scores", "attribute_scores"])
    @pytest.mark.parametrize("rows", [slice(None), 7])
    @pytest.mark.parametrize("wrong", [math.nan, math.inf])
    def test_nan_never_passes_not_even_in_one_row(self, field, rows, wrong):
        reference = example()
        assert failed(reference, changed(reference, field, rows, wrong))


class TestAttributes:
    def test_are_compared_where_the_tags_are_equal(self):
        # A region of another tag is something else, and other things are said of it: that miss is the tag's alone.
        reference = example()
        other = changed(changed(reference, "tags", 0, 999), "attributes", 0, 999)
        values = {metric.name: metric.value for metric in compare_regions(reference, other, FP32)}
        assert (values["tags equal"], values["attributes equal"]) == (1.0 - 1 / ROWS, 1.0)

    def test_of_one_side_only_are_not_compared(self):
        plain = example()._replace(attributes=None, attribute_scores=None)
        for sides in ((example(), plain), (plain, example()), (plain, plain)):
            names = [metric.name for metric in compare_regions(*sides, FP32)]
            assert "tags equal" in names
            assert not any("attribute" in name for name in names)

    def test_where_no_tag_is_equal_there_is_nothing_to_compare(self):
        other = changed(example(), "tags", slice(None), 999)
        assert failed(example(), other) == ["tags equal"]


class TestProposals:
    def test_is_the_share_of_boxes_that_are_there_in_any_order(self):
        boxes = example().boxes
        assert compare_proposals(boxes, boxes.flip(0), FP32).value == 1.0
        half = torch.cat([boxes[: ROWS // 2], torch.zeros(ROWS // 2, 4)])
        assert compare_proposals(boxes, half, FP32).value == 0.5
        assert not compare_proposals(boxes, half, FP32).passed

    def test_those_that_were_made_up_count_as_those_that_are_missing(self):
        boxes = example().boxes
        half = torch.cat([boxes[: ROWS // 2], torch.zeros(ROWS // 2, 4)])
        assert compare_proposals(half, boxes, FP32).value == 0.5

    def test_empty_rows_only_fill(self):
        boxes, nothing = example().boxes, torch.zeros(3, 4)
        assert compare_proposals(torch.cat([boxes, nothing]), torch.cat([nothing, boxes]), FP32).value == 1.0
        assert compare_proposals(nothing, torch.zeros(5, 4), FP32).value == 1.0, "nothing on both sides is agreement"
        assert compare_proposals(nothing, boxes, FP32).value == 0.0
        assert compare_proposals(boxes, nothing, FP32).value == 0.0

    def test_a_box_moved_by_a_tenth_of_its_side_is_another_box(self):
        # Squares of 10, moved by 1: they share 90 of 110.
        box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
        assert compare_proposals(box, box + torch.tensor([1.0, 0.0, 1.0, 0.0]), FP32).value == 0.0
        assert compare_proposals(box, box + torch.tensor([0.5, 0.0, 0.5, 0.0]), FP32).value == 1.0  # 95 of 105
