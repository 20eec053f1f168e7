"""The deterministic values of every model, kept in the repository so that a change of one is seen in review.

    python bench/baseline.py            # compare what the code gives with bench/baseline.json
    python bench/baseline.py --renew    # write it anew, after a change that was meant

Exit code 0: equal; 1: some differ; 2: no such file, or a damaged one.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from bench.costs.counts import OPERATING_POINTS, count_model
from minivlm.command_line import script_parser
from minivlm.console import Steps
from minivlm.errors import UserError, run_command
from minivlm.models.costs import count_params
from minivlm.models.registry import build, get_config, list_models
from minivlm.models.vision_language import VisionLanguageConfig
from minivlm.storage.files import write_text

BASELINE = Path(__file__).with_name("baseline.json")

Counted = Mapping[str, Mapping[str, Mapping[str, int]]]
"""By model, component and value."""


def deterministic_counts(models: Sequence[str]) -> Counted:
    """Count parameters and multiply-adds by component, at `OPERATING_POINTS`; of whole models the parameters."""
    return {model: _whole(model) if _is_whole(model) else _parts(model) for model in models}


def _is_whole(model: str) -> bool:
    return isinstance(get_config(model), VisionLanguageConfig)


def _parts(model: str) -> dict[str, dict[str, int]]:
    return {part: asdict(count) for part, count in count_model(model).items()}


def _whole(model: str) -> dict[str, dict[str, int]]:
    with torch.device("meta"):
        params, trainable = count_params(build(get_config(model)))
    return {"total": {"params": params, "trainable": trainable}}


def read_baseline(path: Path = BASELINE) -> Counted:
    """Read the values that were kept.

    Raises:
        UserError: The file is missing or damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["figures"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"cannot read {path} ({error}): write it with python bench/baseline.py --renew") from None
    return found


def differences(kept: Counted, found: Counted) -> list[str]:
    """Return a line for every value that is not the same on both sides."""
    old, new = _flat(kept), _flat(found)
    return [
        f"{name}: {_shown(old.get(name))} became {_shown(new.get(name))}"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]


def _flat(counted: Counted) -> dict[str, int]:
    return {
        f"{model}, {part}, {name}": value
        for model, parts in counted.items()
        for part, values in parts.items()
        for name, value in values.items()
    }


def _shown(value: int | None) -> str:
    return "nothing" if value is None else f"{value:,}"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__)
    parser.add_argument("--renew", action="store_true", help="write bench/baseline.json anew")
    arguments = parser.parse_args(argv)
    with Steps().step("count every model"):
        found = deterministic_counts(list_models())
    if arguments.renew:
        points = {model: str(point) for model, point in OPERATING_POINTS.items()}
        write_text(BASELINE, json.dumps({"operating_points": points, "figures": found}, indent=1) + "\n")
        print(f"wrote {BASELINE}")
        return
    changed = differences(read_baseline(), found)
    print("\n".join(changed) or f"all values are those of {BASELINE.name}")
    sys.exit(int(bool(changed)))


if __name__ == "__main__":
    run_command(main)
