"""Text from records in each medium: records come from other machines and people, and may hold anything."""

from rich.text import Text

from minivlm.errors import printable

MARKDOWN = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "\\`*_[]|~$!#"},
        **{mark: f"&#{ord(mark)};" for mark in "&<>@"},  # HTML, and people who would be told
    }
)
FORMULA = ("=", "+", "-", "@")


def for_terminal(text: str, style: str = "") -> Text:
    """Return a text that a console shows as it is: no markup, no control sequences."""
    return Text(printable(text), style=style)


def for_markdown(text: str) -> str:
    """Return a text that Markdown shows as it is, also within a table."""
    return printable(text).translate(MARKDOWN)


def for_sheet(value: object) -> object:
    """Return a cell that a spreadsheet does not take for a formula; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    shown = printable(value)
    return f"'{shown}" if shown.lstrip().startswith(FORMULA) else shown
