"""The paper's tables with our own columns: parameters and multiply-adds as counted, accuracies as measured.

    python bench/tables.py
    python bench/tables.py --scores results --plots results --json tables.json

Counts on the meta device: no weights are made, and it takes seconds. Accuracies (Tables 3, 6, 7 and 8) are the paper's
and, with --scores, those in the files scores.jsonl of a folder and the folders in it, such as bench/ingredients.py and
bench/accuracy.py write. --plots writes figure1.png and figure4.png.
"""

from collections.abc import Sequence

from bench.records.scores import SCORES, scores_below
from bench.reporting.cells import wide_console
from bench.reporting.cost_tables import cost_tables, count_all
from bench.reporting.score_plots import kept_picture, trade_off_picture
from bench.reporting.score_tables import accuracy_tables
from minivlm.command_line import path_argument, script_parser
from minivlm.errors import UserError, run_command
from minivlm.quiet import quiet
from minivlm.storage.files import check_outputs, replacing, write_text
from minivlm.storage.json_text import json_text

FIGURES = {"figure1.png": kept_picture, "figure4.png": trade_off_picture}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    parser.add_argument("--json", type=path_argument, metavar="FILE", help="write the tables as JSON as well")
    parser.add_argument("--scores", type=path_argument, metavar="DIR", help="with scores.jsonl, or folders with one")
    parser.add_argument("--plots", type=path_argument, metavar="DIR", help="write Figures 1 and 4 there")
    arguments = parser.parse_args(argv)
    figures = {} if arguments.plots is None else {arguments.plots / name: make for name, make in FIGURES.items()}
    check_outputs([*figures, *([] if arguments.json is None else [arguments.json])])
    scores = [] if arguments.scores is None else scores_below(arguments.scores)
    if arguments.scores is not None and not scores:
        raise UserError(f"{arguments.scores} has no {SCORES}: make one by bench/ingredients.py or bench/accuracy.py")
    with quiet():
        tables = [*cost_tables(count_all()), *accuracy_tables(scores)]
    console = wide_console()
    for table in tables:
        table.show(console)
    for path, make in figures.items():
        with replacing(path) as partial:
            make(scores).savefig(partial, format="png", dpi=120, bbox_inches="tight")
        print(f"wrote {path}")
    if arguments.json is not None:
        write_text(arguments.json, json_text([table.as_json() for table in tables]) + "\n")
        print(f"wrote {arguments.json}")


if __name__ == "__main__":
    run_command(main)
