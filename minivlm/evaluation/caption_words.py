"""Cutting captions into words as COCO's caption evaluation does.

That runs Stanford's PTBTokenizer (CoreNLP 3.4.1, -lowerCase), a Java program, and drops punctuation. This follows the
Penn Treebank's conventions, of which captions use few: words keep hyphens, slashes and the periods of abbreviations;
n't, 's and the like are words of their own; brackets are written out. What PTBTokenizer does with web addresses,
foreign quotes and emoji is not copied in full; tests/evaluation/test_caption_words.py holds sentences that it cut.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

DROPPED = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
"""Labels that are punctuation (pycocoevalcap 1.2, tokenizer/ptbtokenizer.py, but for brackets, see `BRACKETS`)."""

BRACKETS: Mapping[str, str] = MappingProxyType(
    {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
)
"""Written out as the Treebank does. COCO's evaluation means to drop round and curly ones, but looks for capitals, after
all has been made lower case: they stay, and so they do here."""

ABBREVIATIONS = (
    "mr mrs ms dr st mt ft jr sr ave co corp inc ltd vs etc prof gen rd blvd sgt capt lt col rev hon sen rep gov"
    " dept univ bros jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri est al cf tel ext bldg ph md"
)
"""That keep their period wherever they are."""

SPLIT: Mapping[str, str] = MappingProxyType(
    {
        "cannot": "can not",
        "gonna": "gon na",
        "gotta": "got ta",
        "wanna": "wan na",
        "gimme": "gim me",
        "lemme": "lem me",
        "'tis": "'t is",
        "'twas": "'t was",
        "y'all": "y' all",
    }
)
"""Labels that are two in the Treebank."""

TYPESET: Mapping[str, str] = MappingProxyType(
    {
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{EM DASH}": "--",
        "\N{EN DASH}": "--",
        "\N{HORIZONTAL ELLIPSIS}": "...",
    }
)
"""Signs of printers -> what is on a keyboard."""

_CLITICS = r"(?:s|m|d|re|ve|ll)\b"
_LETTERS = r"[^\W\d_]+"
_PIECE = rf"(?:\d++(?:[.,:/]\d++)*+(?:st|[nr]d|th)?+(?![^\W\d_])|(?!{_LETTERS}n't\b)[^\W_]+)"
_TOKEN = re.compile(
    rf"""
    https?://\S+ | www\.\S+ | [^\s@]+@[^\s@]+\.[^\W_]+                        # addresses
    | \.\.\. | -{{2,}}                                                        # an ellipsis, a dash
    | (?:{"|".join(ABBREVIATIONS.split())})\.(?!\w)                           # dr.
    | no\.(?=\s?\d)                                                           # no. 5
    | (?:[^\W\d_]\.)+                                                         # u.s., p.m.
    | {_LETTERS}(?=n't\b)                                                     # could n't
    | (?:(?<=\w)|(?<=')|(?<!\S))'{_CLITICS}                                   # 's
    | 'n' | 'tis\b | 'twas\b | (?<!\S)'\d\ds?\b | y'all\b | d'(?!\w)
    | (?<!\w)\.\d+ | \d+:\d\d(?=[ap]m\b)                                      # 9:30 am
    | {_LETTERS}'(?!{_CLITICS}){_LETTERS}                                     # o'clock
    | {_PIECE}(?:[-/]{_PIECE})*(?:[.?!&]{_LETTERS}(?!'\w*\.))*                # words and numbers
    | [?!]+ | @\w+ | [^\s\U00010000-\U0010ffff]                               # other signs, no emoji
    """,
    re.VERBOSE,
)


def caption_words(text: str) -> tuple[str, ...]:
    """Return the words of a caption, in lower case and without punctuation."""
    plain = text.lower().replace("&amp;", "&")
    for typeset, typed in TYPESET.items():
        plain = plain.replace(typeset, typed)
    found: list[str] = []
    for match in _TOKEN.finditer(plain):
        word = BRACKETS.get(match[0], match[0])
        found += SPLIT.get(word, word).split()
    return tuple(word for word in found if word not in DROPPED and word != '"' and set(word) != {"-"})
