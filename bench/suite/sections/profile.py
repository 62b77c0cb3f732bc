"""Where each nanosecond of a record goes: the CPU clock sampled with `perf`, symbols gathered into parts."""

import re
import shutil
import signal
import subprocess
import time

from .. import goals as g
from ..process import Failed, ask, talk
from ..rounds import AWAIT_S, Started, verify
from ..systems import LOAD, Side

SIDES = (
    Side(g.RELAY, "relay", "relay"),
    Side(g.NO_DECODE, "anabranch", "relay"),
    Side(g.ENGINE, "anabranch", "tabular"),
    Side(g.HEADERS, "anabranch", "tabular", headers="all"),
    Side(g.ENGINE + ", FFNN", "anabranch", "ffnn"),
)
FREQUENCY = 1999
ALL_THREADS_S = 0.4  # threads that begin after perf are not seen
OWN, CLIENT = "on the system's threads: ", "on librdkafka's threads: "
# The C library's and mimalloc's, which is in the programs themselves.
MEMORY = (
    r"\b_*mem(move|cpy|set|cmp|chr)|\b_*mi_|\b_*(int_)?([mc]|re)alloc|\b_*(int_)?c?free\b|unlink_chunk"
    r"|operator (new|delete)"
)
# The first that fits counts. (threads of librdkafka or not, library, symbol) → part.
PARTS = (
    (True, r"kernel", r"", CLIENT + "kernel (network, memory)"),
    (True, r"", r"clock_gettime|steady_clock", CLIENT + "reading the clock"),
    (True, r"", MEMORY, CLIENT + "memory (allocate, free, copy)"),
    (True, r"", r"", CLIENT + "framing, checksums, queues"),
    (False, r"kernel", r"", OWN + "kernel"),
    (False, r"onnxruntime", r"", "infer"),
    (False, r"", MEMORY, OWN + "memory (allocate, free, copy)"),
    (False, r"", r"onnx|Onnx|Infer|PackRows|Tensor", "infer"),
    (False, r"simdjson", r"", "decode"),
    (False, r"anabranch", r"JsonDecoder|JsonWalk|JsonIndex|number_detail|[Nn]umber(_|s|List)|Decode", "decode"),
    (False, r"anabranch", r"ListReader|FindCommas|::To(Float|Double)\b", "decode"),
    (False, r"anabranch", r"Schema|FieldCheck|expression|Evaluat|Validate|Transform|Narrow", "validate and transform"),
    (False, r"anabranch", r"Encode|AppendJson|AppendValue|JsonRowWriter|to_chars|RowWriter|ShortText|::Put$", "encode"),
    (False, r"libstdc\+\+", r"to_chars|ryu|double|0x", "encode"),
    (False, r"anabranch|relay", r"KafkaSource|TakeMessage|KafkaConsumer", "consume"),
    (False, r"anabranch|relay", r"KafkaProducer|Committer|EpochWriter|KafkaTarget", "produce and commit"),
    (False, r"librdkafka", r"produce|partition", "produce and commit"),
    (False, r"librdkafka", r"", OWN + "librdkafka (poll, produce, free)"),
    (False, r"", r"clock_gettime|steady_clock", OWN + "reading the clock"),
    (False, r"libc\.so", r"mtx|mutex|cnd|cond|rwlock|futex", OWN + "locks"),
    (False, r"anabranch", r"", "batches, stages, counters"),
    (False, r"", r"", OWN + "other"),
)
_COMPILED = tuple((client, re.compile(library), re.compile(symbol), part) for client, library, symbol, part in PARTS)


def part_of(thread: str, library: str, symbol: str) -> str:
    of_client = thread.startswith("rdk:")
    return next(
        part
        for client, lib, sym, part in _COMPILED
        if client == of_client and lib.search(library) and sym.search(symbol)
    )


def gather(report: str) -> dict:
    """Part → samples, of `perf report -F sample,comm,dso,sym -t '|'`."""
    found = {}
    for line in report.splitlines():
        fields = [field.strip() for field in line.split("|", 3)]
        if len(fields) == 4 and fields[0].isdigit():
            part = part_of(fields[1], fields[2], fields[3])
            found[part] = found.get(part, 0) + int(fields[0])
    return found


def run(bench, results, options):
    if shutil.which("perf") is None:
        talk("-- perf is not installed: the profile is omitted")
        return
    columns = {}
    try:
        for side in options.chosen(list(SIDES)):
            found = _profile(bench, side, options.count("ffnn" if side.kind == "ffnn" else "tabular"))
            if found:
                columns[side.label] = found
    finally:
        bench.drop_inputs()
    if columns:
        results.tables.append(_table(columns))


def _profile(bench, side, count: int):
    """Part → ns per record, or None with a word why: a profile is an explanation, it fails nothing."""
    file = bench.folder / "perf.data"
    file.unlink(missing_ok=True)
    try:
        with Started(bench, side, bench.input(side.kind, count), 1) as started:
            time.sleep(ALL_THREADS_S)
            perf = subprocess.Popen(
                [
                    "perf",
                    "record",
                    "-q",
                    "-e",
                    "cpu-clock",
                    "-F",
                    str(FREQUENCY),
                    "-p",
                    str(started.process.pid),
                    "-o",
                    str(file),
                ],
                stdin=subprocess.DEVNULL,
                stdout=2,
            )
            try:
                ask(
                    [LOAD, "await", bench.broker.address, started.out, "--count", count, "--timeout", AWAIT_S],
                    AWAIT_S + 30,
                    started.process,
                )
            finally:
                perf.send_signal(signal.SIGINT)
                perf.wait(30)
            started.stop()
            judged = verify(bench, side, started.out, count, 1)
            cpu_ns = started.sampler.cpu_between(judged["first_ms"], judged["last_ms"]) * 1e9 / count
        said = subprocess.run(
            ["perf", "report", "-i", str(file), "--stdio", "-q", "-F", "sample,comm,dso,sym", "-t", "|"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=120,
        )
    except (Failed, OSError, subprocess.TimeoutExpired) as failure:
        talk(f"-- no profile of {side.label}: {failure}")
        return None
    samples = gather(said.stdout)
    total = sum(samples.values())
    if total < 100:
        talk(f"-- no profile of {side.label}: perf took {total} samples (may it? kernel.perf_event_paranoid)")
        return None
    talk(f"   profile of {side.label}: {cpu_ns:.0f} ns per record, {total} samples")
    return {part: n / total * cpu_ns for part, n in samples.items()}


def _table(columns: dict) -> dict:
    order = list(dict.fromkeys(part for *_, part in PARTS))
    parts = sorted({p for column in columns.values() for p in column}, key=order.index)
    totals = {name: sum(column.values()) for name, column in columns.items()}

    def cell(name, part):
        value = columns[name].get(part)
        return "" if not value else f"{value:,.0f} ({value / totals[name]:.0%})"

    rows = [[part, *(cell(name, part) for name in columns)] for part in parts]
    rows.append(["**all**", *(f"**{total:,.0f}**" for total in totals.values())])
    return {
        "section": "profile",
        "title": "Where the time of a record goes",
        "columns": ["part", *columns],
        "rows": rows,
        "note": f"CPU nanoseconds per record and share, one lane; {FREQUENCY} samples of the CPU clock a second.",
    }
