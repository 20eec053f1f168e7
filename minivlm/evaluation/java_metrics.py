"""METEOR and SPICE, which exist as Java programs only: through pycocoevalcap where it and Java are there."""

import contextlib
import importlib
import io
import shutil
from collections.abc import Callable, Sequence
from typing import Any

Caption = Sequence[str]

METRICS = (("METEOR", "pycocoevalcap.meteor.meteor", "Meteor"), ("SPICE", "pycocoevalcap.spice.spice", "Spice"))
"""Name, module and class; both are asked through the same method."""


def java_metrics(
    candidates: Sequence[Caption], references: Sequence[Sequence[Caption]]
) -> tuple[dict[str, float], list[str]]:
    """Return METEOR and SPICE of a set, 0 to 1, and a line for each that cannot be had.

    Args:
        candidates: The words of one caption a picture.
        references: The words of at least one caption of each picture.
    """
    if not candidates:
        return {}, []
    if shutil.which("java") is None:
        return {}, ["METEOR and SPICE are left out: they are Java programs, and there is no java; install a JRE"]
    values: dict[str, float] = {}
    missing: list[str] = []
    for name, module, scorer in METRICS:
        try:
            make: Callable[[], Any] = getattr(importlib.import_module(module), scorer)
        except ImportError:
            return {}, ["METEOR and SPICE are left out: pip install pycocoevalcap, which runs their Java programs"]
        try:
            values[name] = _score(make, candidates, references)
        except Exception as error:  # of a program that somebody else installed: its words are all there is to tell
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            missing.append(
                f"{name} is left out: pycocoevalcap cannot compute it ({type(error).__name__}: {reason:.100})"
            )
    return values, missing


def _score(make: Callable[[], Any], candidates: Sequence[Caption], references: Sequence[Sequence[Caption]]) -> float:
    said = {place: [" ".join(words)] for place, words in enumerate(candidates)}
    wanted = {place: [" ".join(words) for words in group] for place, group in enumerate(references)}
    with contextlib.redirect_stdout(io.StringIO()):
        score, _ = make().compute_score(wanted, said)
    return float(score)
