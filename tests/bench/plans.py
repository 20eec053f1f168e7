"""Plans of the benchmark as a command line makes them."""

from bench.measure.plan import Plan
from bench.session.flags import make_parser, plan_of


def plan(*argv: object) -> Plan:
    return plan_of(make_parser("").parse_args([str(part) for part in argv]))
