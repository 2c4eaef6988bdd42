"""At the end of a run, one table says what each broker answered."""

from collections.abc import Iterator

import pytest

answers = pytest.StashKey[dict[str, dict[str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[answers] = {}


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if table := config.stash.get(answers, {}):
        terminalreporter.section("what the brokers answer")
        for line in table_lines(table):
            terminalreporter.write_line(line)


def table_lines(table: dict[str, dict[str, str]]) -> Iterator[str]:
    """One line a feature, one column a broker."""
    brokers = sorted({broker for row in table.values() for broker in row})
    rows = [["feature", *brokers]]
    rows += [
        [feature, *(row.get(broker, "–") for broker in brokers)] for feature, row in table.items()
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(len(brokers) + 1)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
