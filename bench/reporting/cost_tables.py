"""The paper's cost tables from counts: parameters and multiply-adds beside the values printed there."""

from collections.abc import Mapping, Sequence

from bench.costs.counts import OPERATING_POINTS, Count, count_model
from bench.reporting import paper
from bench.reporting.cells import Cell, Row, Table

Counts = Mapping[str, Mapping[str, Count]]
"""By model, then component."""


CONVENTIONS = (
    "Params: parameters and BatchNorm running statistics (trainable: parameters only), in millions. MACs: "
    'multiply-adds of convolutions, linear layers and attention, in billions; the paper calls them FLOPS. "=" '
    "marks a value that is the paper's once rounded as there."
)


TEE_3_NOTE = (
    "TEE-3's 23.3 G cannot be explained: an EfficientDet-D3 of this structure has the paper's parameters, and at its "
    "own short side of 896 costs what is shown; 23.3 G would need about 672x896."
)


def count_all() -> dict[str, dict[str, Count]]:
    """Count every model of the paper's tables."""
    names = [*paper.TABLE_1, *paper.TABLE_2, *(name for name in paper.TABLE_10 if name not in paper.TABLE_1)]
    return {name: count_model(name) for name in names}


def points(names: Sequence[str]) -> str:
    """Say at which input each model is counted."""
    return "Counted at " + "; ".join(f"{name} {OPERATING_POINTS[name]}" for name in names) + "."


def cost_row(label: str, printed: paper.PaperCost, count: Count, accuracy: Cell | None = None) -> Row:
    """Return a row with parameters and multiply-adds beside the printed ones."""
    cells = [
        Cell("Params (M)", printed.params, count.params / 1e6, digits=6),
        Cell("trainable", None, count.trainable / 1e6, digits=3),
        Cell("MACs (G)", printed.macs, count.macs / 1e9, digits=3),
    ]
    return Row(label, [*cells, accuracy] if accuracy else cells)


def quoted(accuracy: paper.PaperAccuracy, key: object) -> Cell:
    """Return an accuracy of the paper's, which this project does not measure."""
    return Cell(f"{accuracy.name} (paper's)", accuracy.values.get(key))


def vision_table(counts: Counts) -> Table:
    """Table 1: region and grid extractors."""
    rows = [
        cost_row(name, printed, counts[name]["total"], quoted(paper.TABLE_1_ACCURACY, name))
        for name, printed in paper.TABLE_1.items()
    ]
    return Table("Table 1. Vision modules", f"{CONVENTIONS} {points(list(paper.TABLE_1))}", rows)


def transformer_table(counts: Counts) -> Table:
    """Table 2: transformer structures."""
    rows = [cost_row(name, printed, counts[name]["total"]) for name, printed in paper.TABLE_2.items()]
    note = f"{CONVENTIONS} One pass over 35 text tokens and 50 regions, the untied decoder on all text tokens."
    return Table("Table 2. Transformer modules", note, rows)


def system_table(counts: Counts) -> Table:
    """Table 3, cost columns: extractor and transformer together."""
    rows = [
        cost_row(
            " + ".join(parts),
            printed,
            counts[parts[0]]["total"] + counts[parts[1]]["total"],
            quoted(paper.TABLE_3_ACCURACY, parts),
        )
        for parts, printed in paper.TABLE_3.items()
    ]
    note = (
        "Sums of Tables 1 and 2. The paper adds its rounded values, and gives every transformer the 1030 numbers a "
        "region that TEE delivers; behind R101-F's 2048 features it would have 0.8 M parameters more."
    )
    return Table("Table 3. Whole systems (cost columns)", note, rows)


def component_table(counts: Counts, title: str, unit: str, printed: Mapping[str, Mapping[str, float]]) -> Table:
    """Tables 4 and 5: one value for each component of the two detectors."""
    rows = []
    for name, cells in printed.items():
        measured = {
            part: count.params / 1e6 if unit == "M" else count.macs / 1e9 for part, count in counts[name].items()
        }
        digits = 6 if unit == "M" else 3
        rows.append(
            Row(name, [Cell(f"{part} ({unit})", value, measured[part], digits) for part, value in cells.items()])
        )
    return Table(title, f"{CONVENTIONS} {points(list(printed))}", rows)


def tee_table(counts: Counts) -> Table:
    """Table 10: TEE-0 to TEE-3."""
    rows = [
        cost_row(name, printed, counts[name]["total"], quoted(paper.TABLE_10_ACCURACY, name))
        for name, printed in paper.TABLE_10.items()
    ]
    return Table("Table 10. TEE variants", f"{points(list(paper.TABLE_10))} {TEE_3_NOTE}", rows)


def cost_tables(counts: Counts) -> list[Table]:
    """Return Tables 1, 2, 3 (cost columns), 4, 5 and 10."""
    return [
        vision_table(counts),
        transformer_table(counts),
        system_table(counts),
        component_table(counts, "Table 4. Parameters of the detectors' components", "M", paper.TABLE_4),
        component_table(counts, "Table 5. Multiply-adds of the detectors' components", "G", paper.TABLE_5),
        tee_table(counts),
    ]
