"""Two models, example by example."""

from dataclasses import dataclass
from pathlib import Path

from minivlm.errors import UserError
from minivlm.evaluation.bootstrap import RESAMPLES, Difference, paired_difference
from minivlm.evaluation.records import read_results
from minivlm.evaluation.scoring import scoring_of


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What two files of results say of their models.

    Attributes:
        task: Of both.
        score: What is compared.
        models: Their names in the registry.
        difference: Over the examples that both answered.
        notes: What should be known, a line each.
    """

    task: str
    score: str
    models: tuple[str, str]
    difference: Difference
    notes: tuple[str, ...]


def compare(
    first: Path, second: Path, *, measure: str | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> Comparison:
    """Compare two files of results.

    Args:
        first: Of `minivlm evaluate TASK --output DIR`.
        second: Likewise, of the same task and data.
        measure: What is compared, see `Scoring`; None takes the task's usual one.
        seed: Of the resampling.
        resamples: How often the examples are drawn anew.

    Raises:
        UserError: A file is none, the tasks differ, they have no such measure, or no example is in both.
    """
    one, two = read_results(first), read_results(second)
    task, other = one.header["task"], two.header["task"]
    if task != other:
        raise UserError(f"{first} is of {task} and {second} of {other}: give two of one task")
    notes = []
    if one.header.get("data") != two.header.get("data"):
        notes.append("the data of the two differs: only examples of the same id are compared")
    usable = [{key: record for key, record in each.records.items() if "error" not in record} for each in (one, two)]
    shared = [key for key in usable[0] if key in usable[1]]
    chosen = scoring_of(task).measure(measure)
    # What counts in one score may be all other examples, as in CIDEr-D: both are scored over the same ones.
    scores = [chosen.scores([each[key] for key in shared]) if shared else {} for each in usable]
    names = [name for name in scores[0] if name in scores[1]]
    if not names:
        raise UserError(f"{first} and {second} have no example in common that counts: give two of the same data")
    alone = len(one.records) + len(two.records) - 2 * len(shared)
    if alone:
        notes.append(f"{alone} results have no partner in the other file, and are left out")
    difference = paired_difference(
        [scores[0][name] for name in names], [scores[1][name] for name in names], seed=seed, resamples=resamples
    )
    models = str(one.header.get("model")), str(two.header.get("model"))
    return Comparison(task=task, score=chosen.meaning, models=models, difference=difference, notes=tuple(notes))
