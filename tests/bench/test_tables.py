"""The printed tables: every cell of the paper's is there, and what was counted is within the promised distance."""

import json

import pytest

from bench import tables
from bench.reporting.cells import Cell, Table
from minivlm.errors import UserError

# As the paper prints them (Tables 1, 2, 3, 4, 5, 10); the RPN's 10^-3 M of Table 4 is 0.001.
PRINTED = {
    "Table 1": [("23.5", "37.8"), ("86.9", "161.2"), ("63.8", "767.0"), ("7.5", "4.4")],
    "Table 2": [("134.3", "8.2"), ("106.0", "5.8"), ("91.8", "4.6"), ("77.6", "3.3"), ("45.7", "2.3"), ("24.3", "0.8")],
    "Table 3": [("198.1", "775.2"), ("109.5", "769.3"), ("141.8", "12.6"), ("53.2", "6.7")],
    "Table 4": [("27.6", "4.7", "31.4", "63.8"), ("3.8", "0.001", "3.7", "7.5")],
    "Table 5": [("67.1", "9.1", "690.8", "767.0"), ("3.3", "0.03", "1.1", "4.4")],
    "Table 10": [("7.5", "4.4"), ("10.6", "9.6"), ("12.4", "17.6"), ("17.0", "23.3")],
}
ACCURACIES = ["Table 3", "Table 6", "Table 6", "Table 7", "Table 8", "Table 8"]


@pytest.fixture(scope="module")
def counted() -> list[Table]:
    return tables.cost_tables(tables.count_all())


def cells(counted: list[Table], unit: str) -> dict[tuple[str, str, str], Cell]:
    """By table, row and column, the cells of a unit, "M" or "G", that the paper has, too."""
    return {
        (table.title.partition(".")[0], row.label, cell.column): cell
        for table in counted
        for row in table.rows
        for cell in row.cells
        if cell.column.endswith(f"({unit})") and cell.paper is not None
    }


def test_every_figure_of_the_paper_is_there(counted):
    found = {
        table.title.partition(".")[0]: [
            tuple(str(cell.paper) for cell in row.cells if cell.paper is not None and cell.measured is not None)
            for row in table.rows
        ]
        for table in counted
    }
    assert found == PRINTED


def test_multiply_adds_are_within_3_percent_or_round_to_the_paper_s_except_those_of_tee_3(counted):
    off = {
        where for where, cell in cells(counted, "G").items() if abs(cell.difference) > 0.03 and not cell.rounds_to_paper
    }
    assert off == {("Table 10", "tee-3", "MACs (G)")}


def test_tee_3_s_exception_is_explained_beneath_its_table(counted):
    assert "23.3 G cannot be explained" in counted[-1].note


def test_parameters_round_to_the_paper_s_but_for_one_residual_and_sums_of_rounded_values(counted):
    # ResNet-50 with its running statistics is 23.56 M where the paper prints 23.5 (without: 23.51); Table 3 adds
    # values of Tables 1 and 2 that were rounded before, each by up to 0.05.
    off = {where: cell for where, cell in cells(counted, "M").items() if not cell.rounds_to_paper}
    assert {where for where in off if where[0] != "Table 3"} == {("Table 1", "grid-r50", "Params (M)")}
    assert all(abs(cell.measured - cell.paper) < 0.1 for cell in off.values())


def test_every_table_says_at_which_input_it_was_counted(counted):
    notes = {table.title.partition(".")[0]: table.note for table in counted}
    for name in ("Table 1", "Table 5", "Table 10"):
        assert "tee-0 512x736, 290 RoIs" in notes[name]
    assert "35 text tokens and 50 regions" in notes["Table 2"]


def test_accuracies_are_marked_as_the_paper_s(counted):
    quoted = [cell for table in counted for row in table.rows for cell in row.cells if isinstance(cell.paper, str)]
    assert {cell.paper for cell in quoted} >= {"9.9", "10.2", "11.5", "123.7 / 73.16", "115.0 / 68.14"}
    assert all("(paper's)" in cell.column and cell.measured is None for cell in quoted)


class TestCommand:
    @pytest.fixture(autouse=True)
    def _counted_once(self, counted, monkeypatch):
        monkeypatch.setattr(tables, "count_all", dict)
        monkeypatch.setattr(tables, "cost_tables", lambda _: counted)

    def test_prints_all_tables_with_exact_parameters(self, capsys):
        tables.main([])
        printed = capsys.readouterr().out
        assert [name for name in PRINTED if f"{name}. " in printed] == list(PRINTED)
        for value in ("3.798101", "0.000975", "3.744325", "7.543401", "10.646360", "12.447445", "16.973838"):
            assert value in printed
        for value in ("27.618240", "4.749884", "31.389509", "63.757633", "134.337594", "45.655482", "24.323586"):
            assert value in printed

    def test_writes_the_same_as_json(self, capsys, tmp_path, counted):
        path = tmp_path / "deep" / "tables.json"
        tables.main(["--json", str(path)])
        written = json.loads(path.read_text())
        assert written[: len(counted)] == json.loads(json.dumps([table.as_json() for table in counted]))
        assert [table["title"].partition(".")[0] for table in written[len(counted) :]] == ACCURACIES
        assert f"wrote {path}" in capsys.readouterr().out

    def test_a_place_that_cannot_be_written_is_a_user_s_error(self, tmp_path, capsys):
        (tmp_path / "file").write_text("")
        with pytest.raises(UserError, match="cannot write"):
            tables.main(["--json", str(tmp_path / "file" / "tables.json")])
