"""How a user's mistake ends: one line, exit code 2."""

import pytest

from minivlm.errors import UserError, closest, run_command


def exit_of(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[object, str, str]:
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        run_command(main)
    printed = capsys.readouterr()
    return caught.value.code, printed.out, printed.err


def test_a_user_s_mistake_is_one_line_on_stderr_and_exit_code_2(capsys):
    assert exit_of(UserError("no such photo: give one"), capsys) == (2, "", "error: no such photo: give one\n")


def test_ctrl_c_says_what_was_kept_and_exits_with_130(capsys):
    code, out, err = exit_of(KeyboardInterrupt(), capsys)
    assert (code, out) == (130, "")  # 128 + SIGINT, as shells have it
    assert "kept" in err


def test_a_mistake_of_ours_shows_its_traceback_and_is_no_verdict_of_1(capsys):
    code, _, err = exit_of(ZeroDivisionError("planted"), capsys)
    assert code == 70  # EX_SOFTWARE of sysexits.h
    assert "Traceback" in err
    assert "ZeroDivisionError: planted" in err


def test_a_message_with_a_line_break_stays_on_one_line(capsys):
    assert exit_of(UserError("no a\nb\udce9: give one"), capsys)[2] == "error: no a\\nb\\udce9: give one\n"


def test_success_just_returns(capsys):
    run_command(lambda: print("done"))
    assert capsys.readouterr().out == "done\n"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("minivl", "did you mean minivlm?"),
        ("tee0", "did you mean tee-0 or tee-1?"),
        ("banana", "known: minivlm, tee-0, tee-1"),
    ],
)
def test_an_unknown_name_gets_the_nearest_ones_or_all(given, expected):
    assert closest(given, ["minivlm", "tee-0", "tee-1"]) == expected
