"""Bets: say what you expect before you look (*predict, run, explain*)."""

from __future__ import annotations

from collections.abc import Mapping

OPEN = "Your bet is still open: write your guess in place of the ... and run the cell again."


class Bet:
    """A question about the next run, and what you expect.

    guess: a number, a text or True/False; `...` while you have not guessed.

    Predicting first is what makes a demonstration teach (Crouch et al. 2004).
    """

    def __init__(self, question: str, *, guess: object = ...) -> None:
        self.question, self.guess = question, guess

    @property
    def open(self) -> bool:
        """Whether you have not guessed yet."""
        empty = isinstance(self.guess, str) and not self.guess.strip()
        return self.guess is ... or self.guess is None or empty

    def settle(
        self, measured: object, *, within: float = 0.0, answers: Mapping[object, str] | None = None
    ) -> Settled:
        """Compare the guess with what was measured.

        within: how far a number may be off and still win, as a share of what was measured.
        answers: for wrong guesses that people make, what to say to each.
        """
        return Settled(self, measured, within, dict(answers or {}))

    def __repr__(self) -> str:
        return f"{self.question}\n" + (
            OPEN if self.open else f"Your bet: {self.guess}. Now run it."
        )


class Settled:
    """A bet beside what was measured."""

    def __init__(
        self, bet: Bet, measured: object, within: float, answers: Mapping[object, str]
    ) -> None:
        self.bet, self.measured, self.within, self.answers = bet, measured, within, answers

    @property
    def right(self) -> bool:
        """Whether the guess was what was measured."""
        return _same(self.bet.guess, self.measured, self.within)

    def __repr__(self) -> str:
        if self.bet.open:
            return OPEN
        if self.right:
            return f"You bet {self.bet.guess}, and {self.measured} it is."
        answer = next((a for guess, a in self.answers.items() if _same(self.bet.guess, guess)), "")
        return f"You bet {self.bet.guess}; it was {self.measured}. " + (
            answer or "What made the difference?"
        )


def _same(guess: object, truth: object, within: float = 0.0) -> bool:
    if isinstance(guess, str) and isinstance(truth, str):
        return guess.strip().casefold() == truth.strip().casefold()
    try:
        if isinstance(guess, int | float) and isinstance(truth, int | float):
            return abs(guess - truth) <= within * abs(truth) + 1e-9
        return bool(guess == truth)
    except Exception:  # a guess may be anything; what can't be compared is not the same
        return False
