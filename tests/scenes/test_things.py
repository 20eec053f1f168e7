"""The list of classes and the words of the world."""

import re
import unicodedata

import pytest

from minivlm.scenes.things import COLOURS, NUMBERS, SIZES, all_things, answers, class_ids, plurals
from minivlm.storage.text_files import check_lines


def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z0-9]+", text))


def test_there_are_at_least_two_hundred_and_a_held_out_style_has_as_many() -> None:
    assert len(all_things()) >= 200
    assert sum(bool(thing.mozilla) for thing in all_things()) >= 200


def test_a_code_point_is_one_assigned_symbol() -> None:
    codes = [thing.code for thing in all_things()]
    assert len(set(codes)) == len(codes)
    for code in codes:
        assert code == code.upper()
        assert unicodedata.category(chr(int(code, 16))) in ("So", "Po", "Sm")


def test_no_two_nouns_or_plurals_are_the_same_words() -> None:
    forms = [words(form) for pair in plurals().items() for form in pair]
    assert len(set(forms)) == len(forms)


def test_no_noun_begins_with_a_word_that_is_read_before_it() -> None:
    taken = {*COLOURS, *SIZES, *NUMBERS, "a", "an", "the", "at", "exactly", "only", "is"}
    for noun, plural in plurals().items():
        assert words(noun)[0] not in taken
        assert words(plural)[0] not in taken


def test_no_noun_is_the_beginning_of_another_whose_rest_could_go_on_the_sentence() -> None:
    forms = {words(form) for pair in plurals().items() for form in pair}
    following = {"is", "and", "to", "left", "right", "above", "below", "larger", "in", "than", "as", "on", "at"}
    for form in forms:
        longer = [other for other in forms if other[: len(form)] == form and other != form]
        assert not any(other[len(form)] in following for other in longer)


def test_lists_can_be_written_one_a_line() -> None:
    check_lines([thing.noun for thing in all_things()], "classes")
    check_lines(answers(), "answers")


@pytest.mark.parametrize("name", ["apple", "tortoise"])
def test_ids_count_from_one_in_the_order_of_the_file(name: str) -> None:
    assert (name in class_ids()) == (name == "apple")
    assert list(class_ids().values()) == list(range(1, len(all_things()) + 1))
