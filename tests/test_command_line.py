"""Flags of all commands: what is no path, name or number is one line."""

import argparse

import pytest

from minivlm.command_line import (
    integer_argument,
    known_argument,
    list_argument,
    name_argument,
    names_argument,
    number_argument,
    path_argument,
    positive,
    script_parser,
)
from minivlm.errors import UserError


@pytest.mark.parametrize("read", [name_argument, path_argument])
@pytest.mark.parametrize("text", ["", "a\0b"])
def test_what_names_nothing_is_refused(read, text):
    with pytest.raises(argparse.ArgumentTypeError):
        read(text)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((integer_argument, text) for text in ("", "1.5", "1_000", "\uff11", "9" * 5000, "nan")),
        *((positive, text) for text in ("0", "-1", "\u0663", "9" * 20, "1e3")),
        *((number_argument, text) for text in ("nan", "inf", "-inf", "\uff11", "1e999", "")),
    ],
)
def test_what_is_no_number_is_refused(read, text):
    with pytest.raises(argparse.ArgumentTypeError):
        read(text)


@pytest.mark.parametrize("text", ["", " , ", ",,"])
def test_a_list_names_at_least_one(text):
    with pytest.raises(argparse.ArgumentTypeError, match="give at least one"):
        names_argument(text)


def test_a_list_is_its_parts_once_each_in_order():
    assert names_argument(" tee-0, minilm ,tee-0,") == ["tee-0", "minilm"]
    assert list_argument(positive)("4,2,4") == [4, 2]
    with pytest.raises(argparse.ArgumentTypeError, match="'x' is no whole number"):
        list_argument(positive)("4,x")


def test_an_unknown_name_is_answered_with_the_near_ones():
    read = known_argument("runtime", ["onnx", "litert"])
    assert read("onnx") == "onnx"
    with pytest.raises(argparse.ArgumentTypeError, match="unknown runtime 'onx': did you mean onnx"):
        read("onx")


def test_numbers_are_read():
    assert (integer_argument("-3"), positive("7"), number_argument("2.5")) == (-3, 7, 2.5)


def test_no_flag_of_a_script_takes_an_empty_name():
    parser = script_parser("a script")
    parser.add_argument("--model")
    with pytest.raises(UserError, match="--model: is empty"):
        parser.parse_args(["--model", ""])
