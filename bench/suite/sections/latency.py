"""Open loop: records come at a fixed rate whatever happens, each is timed from the moment it was due."""

from .. import goals as g
from ..process import Failed, talk
from ..results import section_of
from ..rounds import open_loop, play
from ..systems import DEFAULT, EXACTLY_ONCE, Side

RATE = 5000
OFFERED, FLOOD_S = 1_000_000, 5  # records per second, more than is carried
OWN = [Side(g.RELAY, "relay", "relay"), Side(g.ENGINE, "anabranch", "tabular")]
OWN_EO = [Side(g.RELAY_EO, "relay", "relay", EXACTLY_ONCE), Side(g.ENGINE_EO, "anabranch", "tabular", EXACTLY_ONCE)]
# What the engine does when no linger is set: it sends when it is idle. With transactions it commits then, whatever the
# linger is. And what the others do with such settings.
AT_ONCE = [
    Side(g.ENGINE_IDLE, "anabranch", "tabular", linger=DEFAULT),
    Side(g.RELAY_0, "relay", "relay", linger="0"),
    Side(g.ENGINE_0, "anabranch", "tabular", linger="0"),
    Side(g.RELAY_EO_10, "relay", "relay", EXACTLY_ONCE, linger="0", commit_ms=10),
    Side(g.KSTREAMS_0, "kafka-streams", "tabular", linger="0"),
]
PEERS = [
    Side(g.KSTREAMS, "kafka-streams", "tabular", linger=DEFAULT),
    Side(g.KSTREAMS_5, "kafka-streams", "tabular"),
    Side(g.KSTREAMS_EO, "kafka-streams", "tabular", EXACTLY_ONCE),
]


def show(run: dict) -> str:
    return (
        f"p50 {run['p50_ms']:7.2f}  p95 {run['p95_ms']:7.2f}  p99 {run['p99_ms']:7.2f}  max {run['max_ms']:7.1f} ms  "
        f"{run['received']} of {run['sent']}, {run['late_sends']} sent late"
    )


def steady(bench, results, options, labels=None):
    sides = OWN if options.quick else OWN + OWN_EO + AT_ONCE + PEERS
    seconds, warm_up = (6, 3) if options.quick else options.seconds(12, 6)
    _play("latency", sides, RATE, seconds, warm_up, bench, results, options, labels)


def half_load(bench, results, options, labels=None):
    """At half of what the engine carries while the records come: feeder, broker and reader then take their part of the
    machine, so this is less than with preloaded records."""
    seconds, warm_up = options.seconds(10, 8)  # a broker that was idle needs some
    try:
        flood = open_loop(bench, OWN[1], OFFERED, FLOOD_S, 0)
    except Failed as failure:
        talk(f"-- half load: omitted, what is carried could not be measured: {failure}")
        return
    carried = flood["measured"] * 1000 / (flood["end_ms"] - flood["begin_ms"])
    rate = max(1000, int(carried / 2 // 1000 * 1000))
    talk(f"-- half load: {carried:.0f} of {OFFERED} records/s are carried, half of it is {rate}")
    _play("half load", OWN, rate, seconds, warm_up, bench, results, options, labels)


def _play(section, sides, rate, seconds, warm_up, bench, results, options, labels):
    chosen = options.chosen(sides, labels)
    play(
        section_of(section, labels),
        chosen,
        options.rounds_of(section),
        lambda side: open_loop(bench, side, rate, seconds, warm_up),
        results,
        show,
        warm_up=chosen[:1],
    )
