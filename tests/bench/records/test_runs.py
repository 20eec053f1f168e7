"""Which records of a file count."""

from dataclasses import replace

import pytest

from bench.records.runs import choose_run, latest_run, once
from minivlm.errors import UserError
from tests.bench.samples import FAILED, SAMPLE

LATER = replace(SAMPLE, run="later", time="2026-01-02T04:00:00+00:00")


def test_a_repeat_counts_once_and_the_last_record_of_it():
    again = replace(SAMPLE, load_ms=7.0)
    assert once([SAMPLE, FAILED, SAMPLE, again]) == [again, FAILED]


def test_the_latest_run_is_that_of_the_last_time_whatever_the_order_of_lines_or_the_time_zone():
    assert latest_run([LATER, SAMPLE]) == "later"
    elsewhere = replace(SAMPLE, run="elsewhere", time="2026-01-02T01:30:00-04:00")  # 05:30 in UTC
    assert latest_run([elsewhere, LATER]) == "elsewhere"
    assert latest_run([replace(SAMPLE, run="first"), SAMPLE]) == SAMPLE.run  # of equals the last


def test_another_run_is_taken_by_its_name_and_a_wrong_one_names_the_nearest():
    found = choose_run([SAMPLE, SAMPLE, LATER], SAMPLE.run, "--base-run")
    assert (found.records, found.others) == ([SAMPLE], ["later"])
    assert str(found) == f"run {SAMPLE.run} (1 repeats, one of 2 runs there)"
    with pytest.raises(UserError, match=r"--base-run lter: .*did you mean later"):
        choose_run([SAMPLE, LATER], "lter", "--base-run")
