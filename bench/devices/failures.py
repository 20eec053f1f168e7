"""Records of what could not be measured."""

from collections.abc import Mapping
from typing import Any

from bench.machine.environment import now
from bench.measure.measuring import describe_photo
from bench.measure.plan import Plan
from bench.records.record import Case, Failure, Record


def failed_record(
    plan: Plan, case: Case, run: str, number: int, failure: Failure, environment: Mapping[str, Any]
) -> Record:
    """Return the record of a case that failed in the round of this number of a run."""
    return Record(
        run=run,
        round=number,
        status="failed",
        error=failure,
        device=case.device,
        model=case.model,
        runtime=case.runtime,
        precision=case.precision,
        threads_asked=case.threads,
        phone=case.phone,
        accelerator=case.accelerator,
        method=case.method,
        affinity=None if plan.affinity is None else list(plan.affinity),
        inputs={},
        photo=describe_photo(plan.photo),
        weights=plan.origin.description,
        environment=environment,
        profile=plan.profile,
        time=now(),
    )
