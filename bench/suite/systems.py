"""The systems under test: the raw relay, the engine, and the peers of bench/peers/systems.json."""

import dataclasses
import json
import pathlib
import subprocess

from .process import Failed, Process, talk

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "bench" / "peers"
LOAD, RELAY = ROOT / "build" / "bench" / "load", ROOT / "build" / "bench" / "relay"
ENGINE = ROOT / "build" / "bin" / "anabranch"
MODELS = {
    "relay": "mlp_8_64_64_1.onnx",
    "tabular": "mlp_8_64_64_1.onnx",
    "ffnn": "ffnn_784.onnx",
    "ffnn_echo": "ffnn_784.onnx",
}
RECORDS = {"relay": "tabular", "tabular": "tabular", "ffnn": "ffnn", "ffnn_echo": "ffnn"}
# The relay needs its large queue: librdkafka below 2.2 sleeps when a queue is full, and the engine's own way to wake it
# is no part of a raw loop.
CLIENTS = {
    "relay": "ahead 1,000,000 records / 1 GB; acks all, idempotent",
    "anabranch": "its defaults: ahead 8,000 records / 32 MiB; acks all, idempotent",
}
ENGINES_QUEUE = ("--queued-records", "8000", "--queued-kbytes", "32768")  # of a relay
DEFAULT = "default"
AT_LEAST_ONCE, EXACTLY_ONCE = "at_least_once", "exactly_once"


@dataclasses.dataclass(frozen=True)
class Side:
    """One column of a comparison: a system and how it is set up."""

    label: str
    system: str  # "relay", "anabranch", or a name of systems.json
    workload: str
    guarantee: str = AT_LEAST_ONCE
    linger: str = "5"  # ms, of every producer; "default": what the system itself does
    commit_ms: int = 100
    threads: int = 1
    headers: str = "none"  # of the engine's results; "none" is the work that peers do
    keep: str = ""  # the engine's node whose results are kept
    share: float = 1.0  # of the section's records, for sides that take too long otherwise
    extra: tuple = ()  # arguments of the relay
    beside: bool = False  # its figures stand beside, nothing is held against them and its faults fail no run
    records: str = ""  # "tabular" or "ffnn", where the workload takes either

    @property
    def kind(self):
        return self.records or RECORDS[self.workload]

    def committed(self):
        return self.guarantee == EXACTLY_ONCE

    def settings(self) -> str:
        commit = f", commit {self.commit_ms} ms" if self.committed() else ""
        if self.system == "anabranch" and self.committed():
            commit += ", or at once when idle, which sends at once"
        elif self.system == "anabranch" and self.linger == DEFAULT:
            commit = " (5, but sends at once when idle)"
        return f"{self.guarantee}, linger {self.linger}{commit}; {clients(self)}"


def peers() -> dict:
    path = PEERS / "systems.json"
    return json.loads(path.read_text()) if path.exists() else {}


def clients(side: Side) -> str:
    """How far a system fetches ahead and what it has acknowledged."""
    if side.extra == ENGINES_QUEUE:
        return CLIENTS[side.system].replace("1,000,000 records / 1 GB", "8,000 records / 32 MiB")
    if side.system in CLIENTS:
        return CLIENTS[side.system]
    return peers().get(side.system, {}).get("settings", "")


def warm_s(side: Side) -> float:
    """Seconds behind its first result until a system has its speed: a JVM's compiler."""
    return peers().get(side.system, {}).get("warm_s", 0)


class Setup:
    """Makes the parts of peers, once, when a side needs them."""

    def __init__(self):
        self._done = {}

    def get(self, part: str) -> str:
        if part not in self._done:
            talk(f"-- bench/peers/setup {part}")
            done = subprocess.run([PEERS / "setup", part], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
            if done.returncode != 0:
                raise Failed(f"bench/peers/setup {part} failed with exit code {done.returncode}")
            self._done[part] = done.stdout.strip()
        return self._done[part]


def fill(command: list, setup: Setup) -> list:
    """{root} and {python} of a command of systems.json; what it needs is made first."""
    filled = []
    for part in command:
        text = str(part).replace("{root}", str(ROOT))
        if "bench/peers/java" in text:
            setup.get("java")
        if "{python}" in text:
            text = text.replace("{python}", setup.get("python"))
        filled.append(text)
    return filled


def engine_topology(side: Side, folder: pathlib.Path, name: str, model: pathlib.Path) -> tuple:
    """The workload's topology for this side, written into `folder`; and the variables that it reads."""
    topology = json.loads((ROOT / "bench" / "workload" / f"{side.workload}.json").read_text())
    if side.linger == DEFAULT:
        topology["connections"]["main"]["kafka"].pop("linger.ms", None)
    if side.keep:
        topology["nodes"][side.keep]["keep"] = "always"
    path = folder / "topology.json"
    path.write_text(json.dumps(topology, indent=1))
    variables = {
        "BENCH_NAME": name,
        "BENCH_MODEL": str(model),
        "BENCH_HEADERS": side.headers,
        "BENCH_DELIVERY": side.guarantee,
        "BENCH_COMMIT_MS": str(side.commit_ms),
    }
    if side.linger != DEFAULT:
        variables["BENCH_LINGER"] = side.linger
    return path, variables


def start(
    side: Side, folder: pathlib.Path, setup: Setup, bootstrap: str, in_topic: str, out_topic: str, dead: str, group: str
) -> Process:
    model = ROOT / "tests" / "models" / MODELS[side.workload]
    options = [
        "--bootstrap",
        bootstrap,
        "--in",
        in_topic,
        "--out",
        out_topic,
        "--group",
        group,
        "--workload",
        side.workload,
        "--model",
        model,
        "--threads",
        side.threads,
        "--linger",
        side.linger,
        "--guarantee",
        side.guarantee,
        "--commit-ms",
        side.commit_ms,
    ]
    if side.system == "anabranch":
        file, variables = engine_topology(side, folder, group, model)
        variables.update(
            BENCH_BOOTSTRAP=bootstrap, BENCH_IN=in_topic, BENCH_OUT=out_topic, BENCH_DEAD=dead, BENCH_GROUP=group
        )
        return Process(
            [ENGINE, "run", file, "--allow-path", ROOT, "--workers", side.threads], folder, variables, side.system
        )
    if side.system == "relay":
        return Process([RELAY, *options, *side.extra], folder, name=side.system)
    known = peers()
    if side.system not in known:
        raise Failed(f'no system "{side.system}" in bench/peers/systems.json (known: {", ".join(sorted(known))})')
    return Process([*fill(known[side.system]["command"], setup), *options], folder, name=side.system)


def usable(side: Side) -> bool:
    """Whether systems.json says that this peer does the work under this guarantee."""
    if side.system in ("relay", "anabranch"):
        return True
    peer = peers().get(side.system)
    return peer is not None and side.workload in peer["workloads"] and side.guarantee in peer["guarantees"]
