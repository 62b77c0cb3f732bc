"""The page: the measures with goal and verdict first, every system's figures below, then curves and tables."""

import json
import pathlib

from . import plot
from .goals import MEASURES
from .results import Results, second_try
from .stats import HOLDS, INCONCLUSIVE, MISSED, UNDECIDED, Spread

WORDS = {
    HOLDS: "holds",
    UNDECIDED: "undecided (the range spans zero)",
    INCONCLUSIVE: "inconclusive",
    MISSED: "**missed**",
}
COLUMNS = {  # of the tables of systems: field → title, digits
    "throughput": (
        ("rate", "records/s", 0),
        ("cpu_us", "CPU µs/record", 2),
        ("broker_us", "broker's CPU µs/record", 2),
        ("rss_mb", "resident MB", 0),
        ("peak_mb", "peak MB", 0),
        ("start_s", "first result s", 2),
    ),
    "latency": (
        ("rate", "records/s", 0),
        ("p50_ms", "p50 ms", 2),
        ("p95_ms", "p95 ms", 2),
        ("p99_ms", "p99 ms", 2),
        ("p999_ms", "p99.9 ms", 2),
        ("max_ms", "max ms", 1),
        ("late_sends", "sent late", 0),
        ("cpu_us", "CPU µs/record", 2),
        ("rss_mb", "resident MB", 0),
    ),
    "start": (("start_s", "first result from Kafka s", 3), ("file_ms", "first result from a file ms", 0)),
    "restart": (("seconds", "until the stage runs s", 2), ("kept_mb", "kept MB", 0)),
}
SECTIONS = (
    ("tabular", "Tabular workload, preloaded", "throughput"),
    ("ffnn", "FFNN workload, preloaded", "throughput"),
    ("latency", "Latency, 5,000 records/s", "latency"),
    ("half load", "Latency at half of what the engine carries", "latency"),
    ("scale", "Workers and partitions, tabular, preloaded", "throughput"),
    ("start", "Start", "start"),
    ("restart", "Restart from kept results", "restart"),
)


def figure(value, digits=3) -> str:
    if value is None:
        return "-"
    if digits == 0:
        return f"{value:,.0f}"
    return f"{value:.{digits}f}" if digits < 3 or abs(value) >= 1 else f"{value:.{digits}g}"


def with_range(found: Spread, digits=3) -> str:
    if found is None:
        return "-"
    return f"{figure(found.median, digits)} ({figure(found.low, digits)}…{figure(found.high, digits)})"


def digits_for(value: float) -> int:
    return 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2


def table(columns: list, rows: list) -> list:
    return [
        "| " + " | ".join(map(str, columns)) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(map(str, row)) + " |" for row in rows),
        "",
    ]


def limit(value, at_least, unit) -> str:
    return "" if value is None else f"{'≥' if at_least else '≤'} {value:g} {unit}".replace(" ×", " ×")


def measures(judged: list) -> list:
    rows, absent = [], []
    for m in judged:
        found = m["found"]
        if found is None:
            absent.append(m)
            continue
        digits = digits_for(found.median)
        word = WORDS.get(m["verdict"], "")
        if m["stretch_verdict"] in (HOLDS, UNDECIDED):
            word += ", stretch " + WORDS[m["stretch_verdict"]]
        if m["first"]:
            word += f"; second try, the first **missed**: {with_range(m['first'], digits)}"
        rows.append(
            [
                m["number"],
                m["what"],
                f"{figure(found.median, digits)} {m['unit']}",
                f"{figure(found.low, digits)} … {figure(found.high, digits)}",
                limit(m["goal"], m["at_least"], m["unit"]),
                limit(m["stretch"], m["at_least"], m["unit"]),
                word,
            ]
        )
    lines = table(["#", "measure", "median", "range", "goal", "stretch", ""], rows)
    return lines + not_measured(absent, {row[0] for row in rows})


def not_measured(absent: list, numbers: set) -> list:
    """A number of which nothing was measured by itself, the others by name."""
    whole = sorted({m["number"] for m in absent} - numbers)
    named = ([", ".join(map(str, whole))] if whole else []) + [
        f"{m['number']} {m['what']}" for m in absent if m["number"] in numbers
    ]
    return [f"Not measured in this run: {'; '.join(named)}.", ""] if named else []


def systems(results: Results, section: str, kind: str) -> list:
    columns = [
        c for c in COLUMNS[kind] if any(r.get(c[0]) is not None for r in results.runs if r["section"] == section)
    ]
    checked = any("records" in r or "received" in r for r in results.runs if r["section"] == section)
    rows = []
    for label in results.systems(section):
        runs = [r for r in results.runs if r["section"] == section and r["system"] == label]
        good = [r for r in runs if "error" not in r and r["round"] >= 0]
        cold = "; **JVM cold**" if any(r.get("cold") for r in good) else ""
        row = [label, runs[0]["settings"] + cold] + [
            with_range(results.spread(section, label, field), digits) for field, _, digits in columns
        ]
        if checked:
            count = sum(r.get("records", r.get("received", 0)) for r in good)
            failed = any("error" in r for r in runs)
            row.append(f"{count:,}" if good else "**failed**" if failed else "-")
        rows.append(row)
    beside = any(r.get("beside") for r in results.runs if r["section"] == section)
    note = ["\\* Batch calls have defects before librdkafka 2.13.2, so no measure uses them.", ""] if beside else []
    lines = table(
        ["system", "set up as", *(title for _, title, _ in columns), *(["results checked"] if checked else [])], rows
    )
    return lines + note


def machine_lines(machine: dict) -> list:
    versions = "; ".join(f"{name} {value}" for name, value in machine["versions"].items() if value)
    return [
        f"Commit {machine['commit']}, {machine['time']}, {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, Linux {machine['kernel']}. {versions}.",
        "",
    ]


def page(results: Results, judged: list, machine: dict, command: str, whole=True) -> str:
    lines = [
        "# Benchmark report" + ("" if whole else ": **interrupted**"),
        "",
        *machine_lines(machine),
        f"`{command}` made this page. The broker, the feeder, the reader and the measured systems share this machine. Each",
        "figure is the median of the rounds; its range stands beside it. A ratio compares runs of the same round.",
        "*Inconclusive*: the median misses the goal, and at least one round reaches it. *Undecided*: the rounds lie on both",
        "sides of the goal and of zero. [docs/benchmarks.md](../../docs/benchmarks.md) describes the method.",
        "",
    ]
    lines += ["## Measures", "", *measures(judged)]
    for section, title, kind in SECTIONS:
        for name, note in ((section, ""), (second_try(section), ", once more")):
            if results.systems(name):
                lines += [f"## {title}{note}", "", *systems(results, name, kind)]
    figures = [
        [f["name"], with_range(Spread(f["median"], f["min"], f["max"], 0), digits_for(f["median"])), f["unit"]]
        for f in results.figures
    ]
    if figures:
        lines += ["## Parts by themselves", "", *table(["figure", "median (range)", "unit"], figures)]
    for t in results.tables:
        lines += [f"## {t['title']}", "", *([t["note"], ""] if t.get("note") else []), *table(t["columns"], t["rows"])]
    if results.curves:
        lines += ["## Curves", ""]
        lines += [f"![{c['title']}]({file_of(c)})" for c in results.curves] + [""]
    if results.failures():
        lines += ["## What failed", ""]
        lines += [
            f"- {r['section']}, round {r['round'] + 1}, {r['system']}: {r['error'].splitlines()[0]}"
            for r in results.failures()
        ] + [""]
    return "\n".join(lines)


def file_of(curve: dict) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in curve["title"].lower()).split()) + ".svg"


def judge(results: Results, quick: bool) -> list:
    return [m.judge(results, quick) for m in MEASURES]


def _plain(judged: dict) -> dict:
    return {**judged, **{k: judged[k]._asdict() if judged[k] else None for k in ("found", "first")}}


def write(
    folder: pathlib.Path, results: Results, judged: list, machine: dict, command: str, whole=True
) -> pathlib.Path:
    folder.mkdir(parents=True, exist_ok=True)
    for curve in results.curves:
        note = f"{machine['processor']}, {machine['cores']} cores, commit {machine['commit']}"
        (folder / file_of(curve)).write_text(plot.svg(curve["title"], curve["x"], curve["y"], curve["lines"], note))
    (folder / "report.json").write_text(
        json.dumps(
            {
                "machine": machine,
                "command": command,
                "measures": [_plain(m) for m in judged],
                "runs": results.runs,
                "figures": results.figures,
                "tables": results.tables,
                "curves": results.curves,
            },
            indent=1,
        )
        + "\n"
    )
    path = folder / "report.md"
    path.write_text(page(results, judged, machine, command, whole))
    return path
