"""Shared by the tests of whole pipelines: the program under test, a real broker, and independent readers and writers.

Nothing here shares code with the engine: records are made, sent and read back with Python's json and sqlite3, with
confluent-kafka and with kcat. Every wait is bounded, every process that was started is ended by its pid.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = os.environ.get("ANABRANCH_BIN", str(ROOT / "build" / "bin" / "anabranch"))
# Multiplies the row counts of the long tests: less for sanitizer builds, more for a soak.
SCALE = float(os.environ.get("ANABRANCH_SCALE", "1"))
# Multiplies every time limit, for sanitizer builds and busy machines.
PATIENCE = float(os.environ.get("ANABRANCH_PATIENCE", "1"))
LOGS = pathlib.Path(os.environ.get("ANABRANCH_TEST_LOGS", tempfile.gettempdir()))

EXIT_OK, EXIT_STAGE, EXIT_USAGE, EXIT_UNAVAILABLE, EXIT_RETRY, EXIT_FAULTY = 0, 1, 2, 69, 75, 78


def scaled(count):
    return max(1, int(count * SCALE))


# --------------------------------------------------------------------------------------------------- the program


class Run:
    """One process of the program, from its start to its end. Output goes to files, so that no pipe fills up."""

    def __init__(self, args, folder, env=None, stdin=subprocess.DEVNULL):
        self.args = [str(a) for a in args]
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=folder))
        self.started = time.monotonic()
        environment = {k: v for k, v in os.environ.items() if k != "KAFKA_BROKERS"}
        environment.update(env or {})
        with open(self.folder / "stdout", "wb") as out, open(self.folder / "stderr", "wb") as err:
            self.process = subprocess.Popen([BIN, *self.args], stdin=stdin, stdout=out, stderr=err, env=environment,
                                            cwd=self.folder)
        self.killed = False
        self._kept = {}

    @property
    def pid(self):
        return self.process.pid

    @property
    def code(self):
        return self.process.poll()

    @property
    def seconds(self):
        return time.monotonic() - self.started

    def _text(self, name):
        if name in self._kept:
            return self._kept[name]
        return (self.folder / name).read_text(errors="replace")

    @property
    def stdout(self):
        return self._text("stdout")

    @property
    def stderr(self):
        return self._text("stderr")

    def keep_output(self):
        """Called before the folder is removed: a failure is reported after the clean-up."""
        self._kept = {name: self._text(name) for name in ("stdout", "stderr")}

    def running(self):
        return self.process.poll() is None

    def go_on(self):
        """After a signal that stopped it."""
        self.send(signal.SIGCONT)

    def send(self, number):
        if self.running():
            self.process.send_signal(number)

    def stopped(self):
        """A signal holds the process."""
        return self.running() and pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def wait(self, timeout):
        """The exit code. A process that exceeds its time limit is ended and fails the test."""
        try:
            return self.process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"anabranch {' '.join(self.args)} did not end within {timeout * PATIENCE:.0f} s")

    def kill(self):
        self.send(signal.SIGKILL)
        return self.process.wait(20)

    def end(self):
        if self.running():
            self.killed = True
            self.go_on()
            self.kill()

    def __str__(self):
        tail = lambda text: "\n".join(text.splitlines()[-60:])
        state = "killed by the test" if self.killed else f"exit code {self.code}"
        return (f"--- anabranch {' '.join(self.args)}  (pid {self.pid}, {state})\n"
                f"{tail(self.stdout)[-4000:]}\n--- stderr\n{tail(self.stderr)[-8000:]}")


class PipelineCase(unittest.TestCase):
    """A test with its own folder. Its processes are ended, and their output is shown if it fails."""

    maxDiff = 2000
    broker = None
    folder_in = None  # where its folder is made; None: where temporary files go

    def setUp(self):
        self.runs = []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="anabranch-", dir=self.folder_in))
        self.addCleanup(self._clean)

    def _clean(self):
        for run in self.runs:
            run.end()
            run.keep_output()
        shutil.rmtree(self.folder, ignore_errors=True)

    def evidence(self):
        parts = [str(run) for run in self.runs[-4:]]
        if self.broker:
            parts.append(self.broker.evidence())
        return "\n".join(parts)

    def start(self, *args, env=None, stdin=subprocess.DEVNULL):
        environment = {"KAFKA_BROKERS": self.broker.address} if self.broker else {}
        environment.update(env or {})
        run = Run(args, self.folder, environment, stdin)
        self.runs.append(run)
        return run

    def anabranch(self, *args, env=None, timeout=60, code=None):
        """Runs the program to its end. `code`: the exit code it must have."""
        run = self.start(*args, env=env)
        run.wait(timeout)
        if code is not None:
            self.assertEqual(run.code, code, f"exit code of anabranch {' '.join(run.args)}\n{run.stderr[-3000:]}")
        return run

    def wait_until(self, what, timeout, test, run=None, pause=0.01):
        """Waits for `test()` to be true; a `run` that ends meanwhile fails at once."""
        deadline = time.monotonic() + timeout * PATIENCE
        while not (answer := test()):
            if run is not None and not run.running():
                self.fail(f"the run ended (exit code {run.code}) before: {what}")
            if time.monotonic() > deadline:
                self.fail(f"not within {timeout * PATIENCE:.0f} s: {what}")
            time.sleep(pause)
        return answer


class _Result(unittest.TextTestResult):
    failed = False

    def _show(self, test):
        type(self).failed = True
        with contextlib.suppress(Exception):
            self.stream.writeln(getattr(test, "evidence", lambda: "")())

    def addError(self, test, err):
        super().addError(test, err)
        self._show(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._show(test)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._show(test)

    def startTest(self, test):
        super().startTest(test)
        self._begin = time.monotonic()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.stream.writeln(f"    {time.monotonic() - self._begin:.1f} s")


def main():
    if not os.access(BIN, os.X_OK):
        sys.exit(f"{BIN} is not there: build it, or set ANABRANCH_BIN")
    unittest.main(module="__main__", verbosity=2, testRunner=unittest.TextTestRunner(resultclass=_Result, verbosity=2))


def prometheus(program):
    """The path of `prometheus` or `promtool`, as tests/setup/prometheus put them there."""
    path = pathlib.Path(os.environ.get("ANABRANCH_DEPS", ROOT / ".deps")) / "prometheus" / "bin" / program
    if not path.exists():
        sys.exit(f"{path} is not there: run tests/setup/prometheus")
    return str(path)


# ------------------------------------------------------------------------------------------------------ topologies


def load_topology(path):
    """A topology of this repository. Its .json files have no comments."""
    return json.loads(pathlib.Path(path).read_text())


def write_json(path, value):
    path = pathlib.Path(path)
    path.write_text(json.dumps(value, indent=1))
    return path


def copy_example(name, folder):
    """A copy of examples/NAME without the files of earlier runs."""
    target = pathlib.Path(folder) / name
    shutil.copytree(ROOT / "examples" / name, target,
                    ignore=shutil.ignore_patterns(".anabranch", "predictions.*", "__pycache__"))
    return target


class Line:
    """One line of a result file. `value` keeps its bytes, since tests compare those."""

    _shape = re.compile(rb'^\{\s*"id":\s*("(?:[^"\\]|\\.)*"),\s*"key":\s*("(?:[^"\\]|\\.)*"|null),\s*"value":\s*(\{.*\})\s*\}$',
                        re.S)

    def __init__(self, raw):
        found = self._shape.match(raw)
        if not found:
            raise AssertionError(f"not a result line: {raw[:200]!r}")
        self.id = json.loads(found.group(1))
        self.key = json.loads(found.group(2))
        self.value = found.group(3)
        self.fields = json.loads(self.value)


def read_lines(path):
    data = pathlib.Path(path).read_bytes()
    if data and not data.endswith(b"\n"):
        raise AssertionError(f"{path} ends within a line: …{data[-80:]!r}")
    return [Line(raw) for raw in data.splitlines()]


# --------------------------------------------------------------------------------------------------------- clients

def _client(kind, address, settings):
    """One that looks for a broker that is away twice a second, so that no test waits for its own clients."""
    return kind({"bootstrap.servers": address, "reconnect.backoff.max.ms": 500, "log_level": 2,
                 "log.connection.close": False, **settings})


def make_producer(address, settings):
    from confluent_kafka import Producer
    return _client(Producer, address, settings)


def make_consumer(address, settings):
    """One that reads from what it is assigned, without a group."""
    from confluent_kafka import Consumer
    return _client(Consumer, address, {"group.id": f"reader-{os.getpid()}-{time.monotonic_ns()}", "enable.auto.commit": False,
                                       "isolation.level": "read_committed", "auto.offset.reset": "error", **settings})


def passes_by_itself(error):
    """Whether a consumer's error tells of a connection or of a leader that is not there yet: the consumer goes on."""
    from confluent_kafka import KafkaError
    return error.retriable() or error.code() in (
        KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE,
        KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION)


def wait_for(what, timeout, test, pause=0.05):
    """Waits for `test()` to be true, and returns it."""
    deadline = time.monotonic() + timeout * PATIENCE
    while not (found := test()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout * PATIENCE:.0f} s: {what}")
        time.sleep(pause)
    return found


# ---------------------------------------------------------------------------------------------------------- broker


class Broker:
    """A real Kafka broker on a free port, in its own folder. Its log stays if a test failed. `measured`: it is to be fast,
    rather than to start soon."""

    def __init__(self, properties=(), options=(), measured=False):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="anabranch-broker-"))
        self.address = self._admin = None
        args = [*([] if measured else ["--brief"]), *options, *(arg for prop in properties for arg in ("--property", prop))]
        self.address = self._script("start", *args, timeout=180).strip()

    def _script(self, command, *args, timeout=60):
        done = subprocess.run([str(ROOT / "tests" / "setup" / "broker"), command, str(self.folder), *args],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=timeout * PATIENCE, text=True)
        if done.returncode != 0:
            evidence = self.evidence()
            raise AssertionError(f"broker {command}: exit code {done.returncode}\n{done.stderr}\n{evidence}")
        return done.stdout

    def evidence(self):
        log = self.folder / "broker.log"
        lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else ["(no log)"]
        return "\n".join([f"--- broker, {log}", *lines])

    def stop(self):
        with contextlib.suppress(Exception):
            self._script("stop")
        log = self.folder / "broker.log"
        if _Result.failed and log.exists():
            LOGS.mkdir(parents=True, exist_ok=True)
            kept = LOGS / f"{self.folder.name}.log"
            shutil.copyfile(log, kept)
            print(f"the broker's log is kept: {kept}", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)

    def listener(self, name):
        """host:port of a listener that was asked for with --listener."""
        return (self.folder / f"listener.{name}").read_text().strip()

    def restart(self):
        """Same port, same data; it was away in between."""
        self._script("restart", timeout=180)

    def pause(self, seconds):
        """Stops it with SIGTERM and starts it again after `seconds`, with the same port and data."""
        self._script("stop")
        time.sleep(seconds)
        self.restart()

    @property
    def admin(self):
        from confluent_kafka.admin import AdminClient
        if self._admin is None:
            self._admin = _client(AdminClient, self.address, {})
        return self._admin

    def make_topics(self, partitions, config=None):
        from confluent_kafka.admin import NewTopic
        made = self.admin.create_topics([NewTopic(name, num_partitions=count, replication_factor=1, config=config or {})
                                         for name, count in partitions.items()], operation_timeout=30)
        for future in made.values():
            future.result(30)
        self.wait_for_topics(partitions)

    def wait_for_topics(self, partitions):
        """A topic is made before the broker tells of it: waits until every partition has a leader."""
        def known():
            found = patiently(lambda: self.admin.list_topics(timeout=20)).topics
            return all(name in found and sum(p.leader >= 0 for p in found[name].partitions.values()) == count
                       for name, count in partitions.items())

        wait_for(f"topics {partitions} with their leaders", 30, known)

    def configure(self, topic, config):
        from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
        entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in config.items()]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        for future in self.admin.incremental_alter_configs([resource]).values():
            future.result(30)

    def stored(self, group, topic, partitions):
        """Per partition the position that a group stored; negative when there is none. Asked by a consumer that joins
        nothing: an AdminClient that is answered "not coordinator" crashes (librdkafka issue 5040)."""
        from confluent_kafka import TopicPartition
        consumer = make_consumer(self.address, {"group.id": group, "isolation.level": "read_uncommitted"})
        try:
            wanted = [TopicPartition(topic, p) for p in range(partitions)]
            return [at.offset for at in patiently(lambda: consumer.committed(wanted, timeout=20))]
        finally:
            consumer.close()

    def produce(self, records, **settings):
        """Sends records and waits for every acknowledgement. A record is a dict of topic, and of key, value,
        partition, headers, timestamp where wanted."""
        producer = make_producer(self.address, {"enable.idempotence": True, "linger.ms": 20,
                                                "queue.buffering.max.messages": 1000000, "partitioner": "murmur2_random",
                                                "message.max.bytes": 8 << 20, **settings})
        failures = []

        def delivered(error, _):
            if error is not None:
                failures.append(error)

        for record in records:
            while True:
                try:
                    producer.produce(on_delivery=delivered, **record)
                    break
                except BufferError:
                    producer.poll(0.05)
        left = producer.flush(60 * PATIENCE)
        if left or failures:
            raise AssertionError(f"{left} records not sent, {len(failures)} refused: {failures[:1]}")

    def read(self, topic, isolation="read_committed", timeout=60):
        """Every record of a topic up to its end, by partition and offset, as confluent-kafka's messages. A process that
        was killed leaves a transaction open, which hides what others committed behind it until it times out: waits for
        that."""
        from confluent_kafka import KafkaError, TopicPartition, OFFSET_BEGINNING
        consumer = make_consumer(self.address, {"enable.partition.eof": True, "isolation.level": isolation,
                                                "fetch.message.max.bytes": 8 << 20})
        try:
            partitions = sorted(patiently(lambda: consumer.list_topics(topic, timeout=20)).topics[topic].partitions)
            if not partitions:
                raise AssertionError(f"no topic {topic}")
            ends = Watcher(self).ends(topic, len(partitions), "read_uncommitted")
            consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
            found, at_end, deadline = [], set(), time.monotonic() + timeout * PATIENCE
            while len(at_end) < len(partitions):
                if time.monotonic() > deadline:
                    raise AssertionError(f"{topic}: partitions {set(partitions) - at_end} have no end for a reader of "
                                         f"{isolation} within {timeout} s; {len(found)} records were read")
                for message in consumer.consume(10000, 0.2):
                    error = message.error()
                    if error is None:
                        found.append(message)
                    elif error.code() == KafkaError._PARTITION_EOF:
                        if message.offset() >= ends[message.partition()]:
                            at_end.add(message.partition())
                    elif not passes_by_itself(error):
                        raise AssertionError(f"{topic}: {error}")
        finally:
            consumer.close()
        found.sort(key=lambda m: (m.partition(), m.offset()))
        return found


def patiently(ask, timeout=20):
    """A broker that just started says "not coordinator" for a moment."""
    from confluent_kafka import KafkaException
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        try:
            return ask()
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Watcher:
    """Reads the ends of partitions and a group's positions, without joining a group."""

    def __init__(self, broker):
        self._broker, self._admin = broker, broker.admin

    def ends(self, topic, partitions, isolation="read_committed"):
        """Per partition the offset after the last record that a reader of `isolation` may see."""
        from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
        from confluent_kafka.admin import AdminClient, OffsetSpec
        level = IsolationLevel.READ_COMMITTED if isolation == "read_committed" else IsolationLevel.READ_UNCOMMITTED

        def ask():
            wanted = {TopicPartition(topic, p): OffsetSpec.latest() for p in range(partitions)}
            found = self._admin.list_offsets(wanted, isolation_level=level, request_timeout=20)
            try:
                return {at.partition: answer.result(20).offset for at, answer in found.items()}
            except KafkaException:  # one that knew the broker before it was started again asks with an old epoch for ever
                self._admin = _client(AdminClient, self._broker.address, {})
                raise

        offsets = patiently(ask)
        return [offsets[p] for p in range(partitions)]

    def committed(self, group, topic, partitions):
        """Per partition the group's stored position; 0 when there is none."""
        return [max(0, offset) for offset in self._broker.stored(group, topic, partitions)]

    def all_hold(self, group, lanes):
        """Whether the group has so many members and each of them has partitions."""
        members = patiently(lambda: self._admin.describe_consumer_groups([group])[group].result(20)).members
        return len(members) == lanes and all(m.assignment and m.assignment.topic_partitions for m in members)


class KafkaCase(PipelineCase):
    """One broker for all tests of a file; each test uses its own topics and topology name."""

    broker_properties = ()

    @classmethod
    def setUpClass(cls):
        cls.start_broker()
        cls.watcher = Watcher(cls.broker)

    @classmethod
    def start_broker(cls):
        if PipelineCase.broker is None:
            PipelineCase.broker = Broker(cls.broker_properties)
            unittest.addModuleCleanup(PipelineCase.broker.stop)


def headers_of(message):
    """Headers as a dict of bytes; a name that occurs twice is an error."""
    headers = message.headers() or []
    names = [name for name, _ in headers]
    if len(set(names)) != len(names):
        raise AssertionError(f"a header comes twice: {names}")
    return dict(headers)


_closed = []


def closed_port():
    """A port of this machine on which nobody listens. It stays bound, so that nobody else gets it."""
    _closed.append(socket.socket())
    _closed[-1].bind(("127.0.0.1", 0))
    return _closed[-1].getsockname()[1]
