"""What a user reads when a broker is not there, not as expected, or will not have us. Nothing hangs."""
import contextlib
import json
import socket
import threading

import harness
from harness import EXIT_OK, EXIT_RETRY, EXIT_UNAVAILABLE

LIMIT = 30  # seconds until the user must know


class SilentServer:
    """Accepts connections and stays silent."""

    def __enter__(self):
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.2)
        self._held, self._end = [], threading.Event()
        self._thread = threading.Thread(target=self._take)
        self._thread.start()
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    def _take(self):
        while not self._end.is_set():
            with contextlib.suppress(TimeoutError):
                self._held.append(self._server.accept()[0])

    def __exit__(self, *_):
        self._end.set()
        self._thread.join(5)
        for connection in [self._server, *self._held]:
            connection.close()


class KafkaErrors(harness.KafkaCase):
    def setUp(self):
        super().setUp()
        self.dir = harness.copy_example("digits", self.folder)

    def topology(self, name, source="errors.in", target="errors.out", dead="errors.dead", connection=None):
        topology = harness.load_topology(self.dir / "topology.kafka.json")
        topology["name"] = name
        topology["sources"]["images"]["kafka"]["topics"] = [source]
        topology["nodes"]["out"]["to"]["kafka"]["topic"] = target
        topology["dead_letters"]["kafka"]["topic"] = dead
        topology["connections"]["main"]["kafka"].update(connection or {})
        return harness.write_json(self.dir / f"{name}.json", topology)

    def assert_unavailable(self, file, says, env=None):
        run = self.anabranch("run", "--once", file, env=env, timeout=LIMIT)
        self.assertEqual(run.code, EXIT_UNAVAILABLE, run.stderr)
        for text in says:
            self.assertIn(text, run.stderr)
        return run

    def test_a_broker_that_does_not_answer_is_named_in_time(self):
        with SilentServer() as silent:
            addresses = {"down": f"127.0.0.1:{harness.closed_port()}", "nowhere": "no-such-host.invalid:9092", "silent": silent}
            runs = {name: self.start("run", "--once", self.topology(name), env={"KAFKA_BROKERS": address})
                    for name, address in addresses.items()}
            for name, run in runs.items():
                with self.subTest(name):
                    run.wait(LIMIT)
                    self.assertEqual(run.code, EXIT_UNAVAILABLE, run.stderr)
                    self.assertIn(addresses[name], run.stderr)

    def test_a_missing_topic_comes_with_the_command_that_makes_it(self):
        self.broker.make_topics({"there.in": 1, "there.out": 1, "there.dead": 1})
        for missing, topics in (("absent.in", ("absent.in", "there.out", "there.dead")),
                                ("absent.out", ("there.in", "absent.out", "there.dead")),
                                ("absent.dead", ("there.in", "there.out", "absent.dead"))):
            with self.subTest(missing=missing):
                file = self.topology(missing.replace(".", "-"), *topics)
                run = self.assert_unavailable(file, [f"--topic {missing}", "--create", self.broker.address])
                self.assertNotIn("--topic there", run.stderr)

    def test_all_missing_topics_are_named_at_once_with_who_needs_each(self):
        file = self.topology("nothing", "no.in", "no.out", "no.dead")
        says = ["3 topics do not exist", self.broker.address, '"no.in" (read by source "images")', '"no.out" (written by node "out")',
                '"no.dead" (dead letters)', *(f"--create --topic no.{name}" for name in ("in", "out", "dead"))]
        run = self.assert_unavailable(file, says)
        self.assertNotIn("kafka topic no.out: topic", run.stderr, "one topic's fault is not reported as another's")
        doctor = self.anabranch("doctor", file, code=EXIT_UNAVAILABLE, timeout=30)
        for text in says:
            self.assertIn(text, doctor.stdout)

    def test_status_and_doctor_show_how_far_each_partition_is_behind(self):
        self.broker.make_topics({"lag.in": 2, "lag.out": 1, "lag.dead": 1})
        cases = (self.dir / "cases.jsonl").read_bytes().splitlines()
        send = lambda count: self.broker.produce({"topic": "lag.in", "partition": 0, "value": case} for case in cases[:count])
        send(10)
        file = self.topology("lag", "lag.in", "lag.out", "lag.dead")
        self.anabranch("run", "--once", file, code=EXIT_OK)
        send(5)
        lag = json.loads(self.anabranch("status", file, "--format", "json", code=EXIT_OK).stdout)["lag"]
        self.assertEqual(lag, {"images": {"records": 5, "seconds": None, "partitions": {
            "lag.in/0": {"committed": 10, "end": 15, "records": 5, "seconds": None},
            "lag.in/1": {"committed": 0, "end": 0, "records": 0, "seconds": None}}}})
        for command in ("status", "doctor"):
            shown = self.anabranch(command, file, code=EXIT_OK).stdout
            self.assertIn("5 records behind", shown)
            self.assertRegex(shown, r"lag\.in/0: committed 10, end 15, lag 5\n +lag\.in/1: committed 0, end 0, lag 0")

    def test_a_wrong_group_that_is_put_back_goes_on_where_it_was(self):
        self.broker.make_topics({"group.in": 1, "group.out": 1, "group.dead": 1})
        cases = (self.dir / "cases.jsonl").read_bytes().splitlines()
        send = lambda begin, end: self.broker.produce({"topic": "group.in", "value": case} for case in cases[begin:end])
        file = self.topology("group", "group.in", "group.out", "group.dead")
        topology = json.loads(file.read_text())

        def run(group):
            topology["sources"]["images"]["kafka"]["group"] = group
            harness.write_json(file, topology)
            return self.anabranch("run", "--once", file, code=EXIT_OK)

        send(0, 10)
        run("right")
        self.assertIn("under another group before", run("wrong").stderr)
        send(10, 15)
        run("right")
        keys = [message.key().decode() for message in self.broker.read("group.out")]
        ids = [json.loads(case)["id"] for case in cases[:15]]
        self.assertEqual(keys, ids[:10] + ids[:10] + ids[10:], "by each group once")

    def test_a_login_that_the_broker_does_not_speak_ends_in_time(self):
        file = self.topology("wrong-sasl", connection={"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN",
                                                       "sasl.username": "scorer", "sasl.password": "${SCORER_PASSWORD}"})
        run = self.assert_unavailable(file, [self.broker.address], {"SCORER_PASSWORD": "hunter2-not-shown"})
        self.assertNotIn("hunter2-not-shown", run.stdout + run.stderr, "secrets are never shown")

    def test_tls_on_a_plain_port_ends_in_time(self):
        file = self.topology("wrong-tls", connection={"security.protocol": "ssl"})
        self.assert_unavailable(file, [self.broker.address])

    def test_a_second_process_is_told_who_owns_the_state(self):
        self.broker.make_topics({"owned.in": 2, "owned.out": 1, "owned.dead": 1})
        cases = (self.dir / "cases.jsonl").read_bytes().splitlines()
        self.broker.produce({"topic": "owned.in", "value": case} for case in cases[:10])
        file = self.topology("owned", "owned.in", "owned.out", "owned.dead")
        first = self.start("run", file)
        self.wait_until("ten results", 30, lambda: len(self.broker.read("owned.out")) == 10, first, pause=0.2)
        second = self.anabranch("run", file, timeout=20, code=EXIT_RETRY)
        self.assertIn(str(first.pid), second.stderr)
        self.assertTrue(first.running())
        first.send(15)
        self.assertEqual(first.wait(20), EXIT_OK, "a run without --once ends on SIGTERM, drained")

    def test_doctor_asks_the_brokers(self):
        self.broker.make_topics({"doctor.in": 1, "doctor.out": 1, "doctor.dead": 1})
        run = self.anabranch("doctor", self.topology("doctor", "doctor.in", "doctor.out", "doctor.dead"), code=EXIT_OK, timeout=20)
        self.assertIn(self.broker.address, run.stdout)
        address = f"127.0.0.1:{harness.closed_port()}"
        run = self.anabranch("doctor", "--brokers", address, code=EXIT_UNAVAILABLE, timeout=20)
        self.assertIn(address, run.stdout + run.stderr)

    def test_the_broker_may_be_away_for_a_while(self):
        self.broker.make_topics({"away.in": 1, "away.out": 1, "away.dead": 1})
        cases = (self.dir / "cases.jsonl").read_bytes().splitlines()
        self.broker.produce({"topic": "away.in", "value": case} for case in cases[:50])
        run = self.start("run", self.topology("away", "away.in", "away.out", "away.dead"))
        self.wait_until("fifty results", 30, lambda: len(self.broker.read("away.out")) == 50, run, pause=0.2)
        self.broker.restart()
        self.broker.produce({"topic": "away.in", "value": case} for case in cases[50:100])
        self.wait_until("a hundred results", 60, lambda: len(self.broker.read("away.out")) >= 100, run, pause=0.5)
        run.send(15)
        self.assertEqual(run.wait(30), EXIT_OK)
        keys = [message.key().decode() for message in self.broker.read("away.out")]
        self.assertEqual(keys, [json.loads(case)["id"] for case in cases[:100]])


if __name__ == "__main__":
    harness.main()
