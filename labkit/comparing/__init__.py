"""Comparing: the same orders and the same faults in both styles, and what came of it in numbers."""

from labkit.comparing.change import Change, Deployments, deployments
from labkit.comparing.comparison import BOTH, Comparison, Result, compare, multiples
from labkit.comparing.notice import chart, first_sign, noticed_after
from labkit.comparing.style import CHOREOGRAPHED, ORCHESTRATED, Style

__all__ = [
    "BOTH",
    "CHOREOGRAPHED",
    "ORCHESTRATED",
    "Change",
    "Comparison",
    "Deployments",
    "Result",
    "Style",
    "chart",
    "compare",
    "deployments",
    "first_sign",
    "multiples",
    "noticed_after",
]
