"""Fill the tables of pages from the records that are kept beside them.

    python bench/performance_page.py
    python bench/performance_page.py docs/performance.md --check

A table stands between <!-- NAME from RECORDS --> and <!-- end -->; RECORDS is a file of bench/run.py, of
bench/retention.py or of bench/ingredients.py, or a folder with files of export/sensitivity.py, seen from the page.
--check changes nothing and fails where a page is not what its records give.
"""

from collections.abc import Sequence
from pathlib import Path

from bench.reporting.pages import render
from minivlm.command_line import script_parser
from minivlm.errors import UserError, run_command
from minivlm.storage.files import write_text

ROOT = Path(__file__).resolve().parents[1]
PAGES = tuple(ROOT / name for name in ("README.md", "docs/artifacts.md", "docs/evaluation.md", "docs/performance.md"))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    names = ", ".join(str(page.relative_to(ROOT)) for page in PAGES)
    parser.add_argument("pages", type=Path, nargs="*", default=PAGES, metavar="PAGE", help=f"default: {names}")
    parser.add_argument("--check", action="store_true", help="only tell whether the pages are what their records give")
    arguments = parser.parse_args(argv)
    for page in arguments.pages:
        text = _read(page)
        made = render(text, page.parent)
        if made == text:
            print(f"{page} is what its records give")
        elif arguments.check:
            raise UserError(f"{page} is not what its records give: run python bench/performance_page.py {page}")
        else:
            write_text(page, made)
            print(f"wrote {page}")


def _read(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"cannot read {page}: {reason}; give a page in Markdown") from None


if __name__ == "__main__":
    run_command(main)
