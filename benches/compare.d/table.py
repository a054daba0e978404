# The tables that the comparison prints, as Markdown. It measures nothing.
from dataclasses import dataclass, field

from measure import median


@dataclass
class Row:
    """What was measured, and the goal that docs/performance.md sets for it, where it sets one."""

    what: str
    at_least: bool = True
    goal: float | None = None
    ratios: list = field(default_factory=list)
    unit: str = ""
    missing: str = ""
    note: str = ""

    def line(self):
        goal = "" if self.goal is None else f"{'≥' if self.at_least else '≤'} {number(self.goal)}{self.unit}"
        return f"| {self.what} | {goal} | {self.measured()} |"

    def measured(self):
        if not self.ratios:
            return f"missing: {self.missing or 'not measured'}"
        middle = median(self.ratios)
        text = f"{number(middle)}{self.unit}"
        if len(self.ratios) > 1:
            text += f" ({number(min(self.ratios))}-{number(max(self.ratios))})"
        if not self.met():
            text += " **missed**"
        return text + (f"; {self.note}" if self.note else "")

    def met(self):
        if self.goal is None:
            return True
        middle = median(self.ratios)
        return middle >= self.goal if self.at_least else middle <= self.goal


def least(what, goal, **more):
    return Row(what, True, goal, **more)


def most(what, goal, **more):
    return Row(what, False, goal, **more)


def plain(what, **more):
    """Shown beside the others, with no goal of its own."""
    return Row(what, **more)


def number(value):
    """Three digits that count, no more."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    text = f"{value:.3g}"
    return text if "e" not in text else f"{value:.4f}"


def goals(rows):
    lines = ["| what | goal | measured |", "|---|---|---|"]
    return "\n".join(lines + [row.line() for row in rows])


def absolutes(entries):
    """What each program did: (name, rates, CPU us, peaks in MB)."""
    lines = ["| program | a second | CPU, µs each | peak MB |", "|---|---|---|---|"]
    for name, rates, cpus, peaks in entries:
        lines.append(f"| {name} | {median(rates):,.0f} | {number(median(cpus))} | {median(peaks):.0f} |")
    return "\n".join(lines)
