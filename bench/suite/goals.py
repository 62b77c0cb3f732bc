"""The measures: what is compared, the goal, the stretch, and the bound whose miss fails a run. Data only."""
import dataclasses
from typing import Optional

from . import stats
from .results import Difference, Figure, Ratio, Results, Value

ENGINE_IDLE = "anabranch, linger unset"
ENGINE, NO_DECODE, HEADERS = "anabranch", "anabranch, no decode", "anabranch, result headers"
ENGINE_EO, HEADERS_EO = "anabranch, exactly once", "anabranch, exactly once, result headers"
KEPT, ECHO = "anabranch, exactly once, results kept", "anabranch, echo"
RELAY, RELAY_EO = "raw relay", "raw relay, transactions"
RELAY_QUEUE = "raw relay, the engine's queue"
RELAY_BATCH = "raw relay, batch calls*"
KSTREAMS, KSTREAMS_TUNED, KSTREAMS_EO = "kafka-streams", "kafka-streams, tuned", "kafka-streams, exactly once"
RELAY_0, ENGINE_0, KSTREAMS_0 = "raw relay, linger 0", "anabranch, linger 0", "kafka-streams, linger 0"
RELAY_EO_10 = "raw relay, transactions of 10 ms"
KSTREAMS_JVM = "kafka-streams, the JVM's defaults"
KSTREAMS_5, LOOP, BYTEWAX, QUIX = "kafka-streams, linger 5", "python-loop", "bytewax", "quix"
FLINK, FLINK_TUNED = "flink", "flink, tuned"
KS_CARELESS, FLINK_CARELESS = "kafka-streams, careless", "flink, careless"
MORE, LESS = True, False  # the larger, the smaller the better


@dataclasses.dataclass(frozen=True)
class Measure:
    number: int
    what: str
    unit: str
    better: bool
    goal: Optional[float]
    stretch: Optional[float]
    source: object  # results.Ratio and the like
    bound: Optional[float] = None  # a miss of it fails the run; default: the goal
    quick: Optional[float] = None  # the bound of --quick; default: `bound`
    gate: bool = True  # False: printed with its verdict, nothing fails (another measure of the same thing is held)

    def limit(self, quick: bool):
        if not self.gate:
            return None
        return next((b for b in ((self.quick if quick else None), self.bound, self.goal) if b is not None), None)

    def judge(self, results: Results, quick: bool = False) -> dict:
        found, limit, first = self.source.take(results), self.limit(quick), None
        again = self.source.take(results, again=True)
        if stats.verdict(found, limit, self.better) == stats.MISSED and again:
            found, first = again, found
        return {"number": self.number, "what": self.what, "unit": self.unit, "at_least": self.better, "goal": self.goal,
                "stretch": self.stretch, "first": first, "found": found, "bound": limit,
                "verdict": stats.verdict(found, self.goal, self.better),
                "stretch_verdict": stats.verdict(found, self.stretch, self.better),
                "held": stats.verdict(found, limit, self.better) != stats.MISSED}


def _tabular(field, over, under):
    return Ratio("tabular", field, over, under)


def _ffnn(field, over, under):
    return Ratio("ffnn", field, over, under)


def _open(field, over, under, kind=Ratio):
    return kind("latency", field, over, under)


# On one machine broker, feeder and both sides share the cores, and the relay's rate spreads by a factor of two: against
# the relay CPU per record is held and the rate is printed. Against slower systems both are held. cpu_us is taken over
# the last three quarters of the results, when a JVM is warm; cpu_whole_us over all of them: a relay has fetched much of
# its input before its first quarter is out.
MEASURES = [
    Measure(1, "source → target without decode: CPU of the raw relay / CPU", "×", MORE, 0.90, 0.95,
            _tabular("cpu_whole_us", RELAY, NO_DECODE), bound=0.55),
    Measure(1, "the same: rate / rate of the raw relay", "×", MORE, 0.90, 0.95,
            _tabular("rate", NO_DECODE, RELAY), gate=False),
    Measure(2, "tabular DAG: CPU of the raw relay / CPU", "×", MORE, 0.60, 0.75,
            _tabular("cpu_whole_us", RELAY, ENGINE), bound=0.50),
    Measure(2, "the same: rate / rate of the raw relay", "×", MORE, 0.60, 0.75,
            _tabular("rate", ENGINE, RELAY), gate=False),
    Measure(3, "inference in micro-batches / one by one", "×", MORE, 2.5, None, Figure("micro", "batched_over_single")),
    Measure(3, "micro-batched inference: time / that of a bare ONNX Runtime loop", "×", LESS, 1.15, None,
            Figure("micro", "infer_over_bare")),
    Measure(4, "each extra arithmetic node", "ns/record", LESS, 10, 3,
            Figure("micro", "each extra arithmetic node"), bound=15),
    Measure(5, "decode to columns / bare simdjson loop", "×", MORE, 0.75, None,
            Figure("micro", "decode/simdjson")),
    Measure(5, "decode to columns / nlohmann DOM", "×", MORE, 8, None, Figure("micro", "decode/nlohmann")),
    Measure(6, "tabular: rate / Kafka Streams", "×", MORE, 5, 7, _tabular("rate", ENGINE, KSTREAMS)),
    Measure(6, "tabular: rate / Kafka Streams, tuned", "×", MORE, 5, 7, _tabular("rate", ENGINE, KSTREAMS_TUNED)),
    Measure(6, "tabular: rate / Flink", "×", MORE, 5, 7, _tabular("rate", ENGINE, FLINK)),
    Measure(6, "tabular: rate / Flink, tuned", "×", MORE, 5, 7, _tabular("rate", ENGINE, FLINK_TUNED)),
    Measure(6, "tabular: CPU per record / Kafka Streams", "×", LESS, 0.2, 0.15, _tabular("cpu_us", ENGINE, KSTREAMS)),
    Measure(6, "tabular: CPU per record / Kafka Streams, tuned", "×", LESS, 0.2, 0.15,
            _tabular("cpu_us", ENGINE, KSTREAMS_TUNED)),
    Measure(6, "tabular: CPU per record / Flink", "×", LESS, 0.2, 0.15, _tabular("cpu_us", ENGINE, FLINK)),
    Measure(6, "tabular: CPU per record / Flink, tuned", "×", LESS, 0.2, 0.15, _tabular("cpu_us", ENGINE, FLINK_TUNED)),
    Measure(7, "tabular: rate / Python loop, batches of 256", "×", MORE, 2.3, 3, _tabular("rate", ENGINE, LOOP)),
    Measure(7, "tabular: rate / Bytewax", "×", MORE, 4.5, 6, _tabular("rate", ENGINE, BYTEWAX)),
    Measure(7, "tabular: rate / Quix Streams", "×", MORE, 12, 20, _tabular("rate", ENGINE, QUIX)),
    Measure(8, "FFNN, prediction only: rate / Kafka Streams", "×", MORE, 2, 2.5, _ffnn("rate", ENGINE, KSTREAMS)),
    Measure(8, "FFNN, prediction only: rate / Flink", "×", MORE, 1.7, 2.5, _ffnn("rate", ENGINE, FLINK)),
    Measure(8, "FFNN, prediction only: rate / Kafka Streams, tuned", "×", MORE, 2, 2.5,
            _ffnn("rate", ENGINE, KSTREAMS_TUNED)),
    Measure(8, "FFNN, prediction only: rate / Flink, tuned", "×", MORE, 1.7, 2.5, _ffnn("rate", ENGINE, FLINK_TUNED)),
    Measure(8, "FFNN, prediction only: CPU per record / Kafka Streams", "×", LESS, 0.4, 0.3,
            _ffnn("cpu_us", ENGINE, KSTREAMS)),
    Measure(8, "FFNN, prediction only: CPU per record / Kafka Streams, tuned", "×", LESS, 0.4, 0.3,
            _ffnn("cpu_us", ENGINE, KSTREAMS_TUNED)),
    Measure(8, "FFNN, prediction only: CPU per record / Flink", "×", LESS, 0.4, 0.3, _ffnn("cpu_us", ENGINE, FLINK)),
    Measure(8, "FFNN, prediction only: CPU per record / Flink, tuned", "×", LESS, 0.4, 0.3,
            _ffnn("cpu_us", ENGINE, FLINK_TUNED)),
    Measure(9, "FFNN with echo: rate / careless Kafka Streams", "×", MORE, 6, 8, _ffnn("rate", ECHO, KS_CARELESS)),
    Measure(9, "FFNN with echo: rate / careless Flink", "×", MORE, 6, 8, _ffnn("rate", ECHO, FLINK_CARELESS)),
    Measure(9, "FFNN, prediction only: rate / careless Kafka Streams with echo", "×", MORE, 10, 15,
            _ffnn("rate", ENGINE, KS_CARELESS)),
    Measure(9, "FFNN, prediction only: rate / careless Flink with echo", "×", MORE, 10, 15,
            _ffnn("rate", ENGINE, FLINK_CARELESS)),
    Measure(10, "5,000 records/s: p50 minus the raw relay's", "ms", LESS, 1, 0,
            _open("p50_ms", ENGINE, RELAY, Difference), quick=3),
    Measure(10, "5,000 records/s: p99 minus the raw relay's", "ms", LESS, 3, 1,
            _open("p99_ms", ENGINE, RELAY, Difference), quick=15),
    Measure(10, "5,000 records/s: p99 / Kafka Streams with its defaults", "×", LESS, 0.2, 0.1,
            _open("p99_ms", ENGINE, KSTREAMS)),
    Measure(10, "5,000 records/s: p99 / Kafka Streams, linger 5 ms", "×", LESS, 0.5, 0.3,
            _open("p99_ms", ENGINE, KSTREAMS_5), gate=False),
    Measure(10, "defaults on both: p99 / Kafka Streams", "×", LESS, 0.2, 0.1, _open("p99_ms", ENGINE_IDLE, KSTREAMS)),
    Measure(10, "linger unset: p99 / Kafka Streams, linger 5 ms", "×", LESS, 0.5, 0.3,
            _open("p99_ms", ENGINE_IDLE, KSTREAMS_5)),
    Measure(10, "for comparison, the raw relay: p99 / Kafka Streams, linger 5 ms", "×", LESS, None, None,
            _open("p99_ms", RELAY, KSTREAMS_5), gate=False),
    Measure(10, "linger 0 on all: p99 minus the raw relay's", "ms", LESS, 3, 1,
            _open("p99_ms", ENGINE_0, RELAY_0, Difference), gate=False),
    Measure(10, "linger 0 on all: p99 / Kafka Streams", "×", LESS, 0.5, 0.3,
            _open("p99_ms", ENGINE_0, KSTREAMS_0), gate=False),
    Measure(11, "exactly once: p99 / a transactional raw relay's", "×", LESS, 1.5, 1.2,
            _open("p99_ms", ENGINE_EO, RELAY_EO)),
    Measure(11, "exactly once: p99 / a raw relay's with transactions of 10 ms", "×", LESS, 1.5, 1.2,
            _open("p99_ms", ENGINE_EO, RELAY_EO_10), gate=False),
    Measure(11, "exactly once: p99 / Kafka Streams, exactly_once_v2", "×", LESS, 0.7, 0.5,
            _open("p99_ms", ENGINE_EO, KSTREAMS_EO)),
    Measure(12, "half of what is carried: p99 minus the raw relay's (linger 5 ms + 5 ms)", "ms", LESS, 10, None,
            Difference("half load", "p99_ms", ENGINE, RELAY)),
    Measure(13, "two-model ensemble / sum of the two inference times", "×", LESS, 1.10, None,
            Figure("micro", "ensemble/sum")),
    Measure(14, "exactly once / at least once: rate", "×", MORE, 0.80, 0.90, _tabular("rate", HEADERS_EO, HEADERS)),
    Measure(14, "exactly once: rate / Kafka Streams, exactly_once_v2", "×", MORE, 4, 6,
            _tabular("rate", ENGINE_EO, KSTREAMS_EO)),
    Measure(14, "results kept before the model / not kept: rate", "×", MORE, 0.90, None,
            _tabular("rate", KEPT, HEADERS_EO), gate=False),
    Measure(15, "resident memory / Kafka Streams'", "×", LESS, 0.2, 0.1, _tabular("rss_mb", ENGINE, KSTREAMS)),
    Measure(15, "resident memory / Kafka Streams' with the JVM's defaults", "×", LESS, 0.2, 0.1,
            _tabular("rss_mb", ENGINE, KSTREAMS_JVM), gate=False),
    Measure(15, "resident memory minus the raw relay's, same queue settings (8,000 records / 32 MiB)", "MB", LESS, 64,
            32, Difference("tabular", "rss_mb", ENGINE, RELAY_QUEUE)),
    Measure(15, "resident memory minus the raw relay's with its larger queue (1,000,000 records / 1 GB)", "MB", LESS,
            None, None, Difference("tabular", "rss_mb", ENGINE, RELAY), gate=False),
    Measure(16, "process start to first result, file source", "ms", LESS, 150, None, Value("start", "file_ms", ENGINE)),
    Measure(16, "start to first result from Kafka / Kafka Streams'", "×", LESS, 0.4, None,
            Ratio("start", "start_s", ENGINE, KSTREAMS)),
    Measure(17, "restart from a stage with 1 GiB of kept results until it runs", "s", LESS, 5, None,
            Value("restart", "seconds", ENGINE)),
]


def of_section(section: str) -> list:
    return [m for m in MEASURES if m.source.section == section]
