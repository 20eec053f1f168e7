"""The paper's cost tables, counted: parameters and multiply-adds beside the values printed there.

    python bench/tables.py
    python bench/tables.py --json tables.json

Counts on the meta device: no weights are made, and it takes seconds.
"""

from collections.abc import Sequence

from bench.reporting.cells import wide_console
from bench.reporting.cost_tables import cost_tables, count_all
from minivlm.command_line import path_argument, script_parser
from minivlm.errors import run_command
from minivlm.quiet import quiet
from minivlm.storage.files import check_outputs, write_text
from minivlm.storage.json_text import json_text


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    parser.add_argument("--json", type=path_argument, metavar="FILE", help="write the tables as JSON as well")
    arguments = parser.parse_args(argv)
    if arguments.json is not None:
        check_outputs([arguments.json])
    with quiet():
        tables = cost_tables(count_all())
    console = wide_console()
    for table in tables:
        table.show(console)
    if arguments.json is not None:
        write_text(arguments.json, json_text([table.as_json() for table in tables]) + "\n")
        print(f"wrote {arguments.json}")


if __name__ == "__main__":
    run_command(main)
