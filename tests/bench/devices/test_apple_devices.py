"""Phones are read from what devicectl lists, in either of its forms."""

from bench.devices.apple_devices import read_devices
from tests.bench.devices import apple
from tests.bench.devices.apple import device


def test_the_list_of_xcode_27_reads_the_same_with_and_without_the_older_form() -> None:
    new, old = apple.device_of_xcode_27(), device(name="Stale")
    assert read_devices([new]) == read_devices([device()])
    assert read_devices([old | new]) == read_devices([device()])


def test_entries_without_an_identifier_are_passed_over() -> None:
    assert read_devices([{}, "nonsense", {"identifier": ""}]) == []
