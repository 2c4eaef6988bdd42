"""A bet is open, right or wrong, and never an error."""

import math

import pytest

from labkit.teaching.bet import OPEN, Bet

QUESTION = "How many of ten orders are shipped?"


class Contrary:
    """A guess that can't be compared."""

    def __eq__(self, other):
        raise TypeError("not with me")

    __hash__ = None

    def __repr__(self):
        return "contrary"


@pytest.mark.parametrize("guess", [..., None, ""])
def test_a_bet_without_a_guess_is_open_and_stays_so_when_settled(guess):
    bet = Bet(QUESTION, guess=guess)
    assert bet.open
    assert repr(bet) == f"{QUESTION}\n{OPEN}"
    assert repr(bet.settle(5, answers={5: "yes"})) == OPEN


@pytest.mark.parametrize("guess", [0, False, 0.0, "no", [], "  x "])
def test_a_guess_that_is_nothing_much_is_a_guess(guess):
    bet = Bet(QUESTION, guess=guess)
    assert not bet.open
    assert repr(bet) == f"{QUESTION}\nYour bet: {guess}. Now run it."


def test_a_right_guess_says_so():
    assert repr(Bet(QUESTION, guess=5).settle(5)) == "You bet 5, and 5 it is."


@pytest.mark.parametrize(
    ("guess", "measured"),
    [("Payment", " payment "), (True, True), (5, 5.0), (0.1 + 0.2, 0.3), (["a"], ["a"])],
)
def test_what_is_the_same_to_a_person_is_right(guess, measured):
    assert Bet(QUESTION, guess=guess).settle(measured).right


@pytest.mark.parametrize(
    ("guess", "measured"), [("Payment", "Shipping"), (True, False), (5, 6), ("five", 5), (5, None)]
)
def test_what_differs_is_wrong(guess, measured):
    assert not Bet(QUESTION, guess=guess).settle(measured).right


@pytest.mark.parametrize(
    ("guess", "right"), [(98, True), (102, True), (97, False), (103.0, False), (100, True)]
)
def test_a_number_may_be_off_by_the_share_that_is_allowed(guess, right):
    assert Bet(QUESTION, guess=guess).settle(100, within=0.02).right is right


def test_a_count_has_to_be_exact_unless_a_share_is_allowed():
    assert not Bet(QUESTION, guess=999).settle(1000).right


def test_a_wrong_guess_that_people_make_has_its_answer():
    answers = {10: "Half of them were lost.", 0: "Not all were lost."}
    settled = Bet(QUESTION, guess=10).settle(5, answers=answers)
    assert repr(settled) == "You bet 10; it was 5. Half of them were lost."


def test_another_wrong_guess_is_asked_what_made_the_difference():
    settled = Bet(QUESTION, guess=7).settle(5, answers={10: "Half of them were lost."})
    assert repr(settled) == "You bet 7; it was 5. What made the difference?"


def test_a_right_guess_does_not_show_the_answers_to_wrong_ones():
    assert "lost" not in repr(Bet(QUESTION, guess=5).settle(5, answers={5: "lost"}))


@pytest.mark.parametrize(
    ("guess", "measured"),
    [
        (math.nan, 5),
        (math.inf, math.inf),
        (10**400, 1.0),
        (1.0, 10**400),
        ({1}, 5),
        (5, Contrary()),
        (Contrary(), 5),
        (object, "x"),
        (5, None),
    ],
    ids=repr,
)
def test_whatever_is_guessed_or_measured_is_no_error(guess, measured):
    bet = Bet(QUESTION, guess=guess)
    assert repr(bet).startswith(QUESTION)
    assert repr(bet.settle(measured, answers={5: "five", "x": "ex"})).startswith("You bet")
