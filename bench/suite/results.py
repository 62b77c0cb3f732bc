"""What was measured: runs by section, system and round, and figures that programs printed by themselves."""

from . import stats


def second_try(section: str) -> str:
    """Where the runs of a section go that are taken once more: neighbours of each other, not of the first ones."""
    return f"{section}, once more"


def section_of(section: str, labels) -> str:
    """Where runs of a section go: `labels` are the sides of a second try, None in the first."""
    return section if labels is None else second_try(section)


class Results:
    def __init__(self):
        self._seen = {}  # sections → systems, in the order in which they first came
        self.runs = []  # {"section", "system", "round", "settings", fields… or "error"}
        self.figures = []  # {"section", "name", "median", "min", "max", "unit", …} of programs
        self.curves = []  # {"section", "title", "x", "y", "lines": {name: [[x, y], …]}}
        self.tables = []  # {"section", "title", "columns", "rows", "note"}

    def add(self, run: dict):
        self._seen.setdefault(run["section"], {})[run["system"]] = True
        self.runs.append(run)

    def series(self, section: str, label: str, field: str) -> dict:
        """Round → value, without the warm-up and without runs that failed."""
        return {
            r["round"]: r[field]
            for r in self.runs
            if r["section"] == section
            and r["system"] == label
            and r["round"] >= 0
            and r.get(field) is not None
            and "error" not in r
        }

    def spread(self, section: str, label: str, field: str):
        return stats.spread(self.series(section, label, field).values())

    def systems(self, section: str) -> list:
        return list(self._seen.get(section, ()))

    def failures(self) -> list:
        return [r for r in self.runs if "error" in r]

    def faults(self) -> list:
        """The failures that fail the run: not those of sides whose figures only stand beside."""
        return [r for r in self.failures() if not r.get("beside")]

    def figure(self, name: str):
        found = [f for f in self.figures if f["name"] == name]
        return (
            stats.Spread(found[-1]["median"], found[-1]["min"], found[-1]["max"], found[-1].get("count", 0))
            if found
            else None
        )


class Ratio:
    """One side over another, neighbours of a round."""

    def __init__(self, section, field, over, under):
        self.section, self.field, self.labels = section, field, (over, under)

    def take(self, results: Results, again=False):
        section = second_try(self.section) if again else self.section
        over, under = (results.series(section, label, self.field) for label in self.labels)
        return stats.spread(self.combine(over, under))

    combine = staticmethod(stats.ratios)


class Difference(Ratio):
    combine = staticmethod(stats.differences)


class Value:
    def __init__(self, section, field, label):
        self.section, self.field, self.labels = section, field, (label,)

    def take(self, results: Results, again=False):
        section = second_try(self.section) if again else self.section
        return results.spread(section, self.labels[0], self.field)


class Figure:
    """A figure that a benchmark program printed."""

    def __init__(self, section, name):
        self.section, self.name, self.labels = section, name, ()

    def take(self, results: Results, again=False):
        return None if again else results.figure(self.name)
