"""The examples from Kafka to Kafka on a real broker, read back by readers which share no code with the engine."""
import collections
import json
import subprocess

import harness
from harness import EXIT_OK

TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ERROR_HEADERS = {f"anabranch.error.{name}" for name in (
    "node", "kind", "class", "code", "message", "attempts", "topic", "partition", "offset", "topology", "models", "failed_at")}
# For a replay: the source of the record, earlier failures, and the results that its stage needs (bytes).
REPLAY_HEADERS = {f"anabranch.error.{name}" for name in (
    "source", "behind", "results", "origin.node", "origin.code", "origin.failed_at")}


class KafkaExample(harness.KafkaCase):
    example = "breast_cancer"
    partitions = 4

    def setUp(self):
        super().setUp()
        self.dir = harness.copy_example(self.example, self.folder)
        self.prefix = self.id().rsplit(".", 1)[1].replace("_", "-")[:60]

    def topology(self, name, source, target, dead=None, change=None):
        """topology.kafka.json with other topics and another name."""
        topology = harness.load_topology(self.dir / "topology.kafka.json")
        topology["name"] = name
        next(iter(topology["sources"].values()))["kafka"]["topics"] = [source]
        topology["nodes"]["out"]["to"]["kafka"]["topic"] = target
        if dead:
            topology["dead_letters"]["kafka"]["topic"] = dead
        if change:
            change(topology)
        return harness.write_json(self.dir / f"{name}.json", topology)

    def file_values(self):
        """key -> value bytes of the run from file to file."""
        self.anabranch("run", self.dir / "topology.json", code=EXIT_OK)
        return {line.key.encode(): line.value for line in harness.read_lines(self.dir / "predictions.jsonl")}

    def send_cases(self, topic):
        """Deals the cases to the partitions; returns the keys per partition in order."""
        keys, records = collections.defaultdict(list), []
        for i, line in enumerate((self.dir / "cases.jsonl").read_bytes().splitlines()):
            records.append({"topic": topic, "partition": i % self.partitions, "value": line})
            keys[i % self.partitions].append(json.loads(line)["id"].encode())
        self.broker.produce(records)
        return dict(keys)

    def by_source_partition(self, messages, topic, node="out"):
        """source partition -> [(offset, key, value)] in the order of a read per result partition, checked for order."""
        found, last = collections.defaultdict(list), {}
        for message in messages:
            name, partition, offset, by = harness.headers_of(message)["anabranch.id"].decode().rsplit("/", 3)
            self.assertEqual((name, by), (topic, node))
            place = int(partition), message.partition()
            self.assertGreater(int(offset), last.get(place, -1), "order of a source partition within a result partition")
            last[place] = int(offset)
            found[int(partition)].append((int(offset), message.key(), message.value()))
        return {partition: sorted(rows) for partition, rows in found.items()}


class Unchanged(KafkaExample):
    """The example as it is in the folder, with the topics that its README names."""

    topics = {"cases": 4, "predictions": 4, "cases.dead": 1}

    def test_the_same_bytes_as_from_a_file_and_kcat_reads_them(self):
        self.broker.make_topics(self.topics)
        expected = self.file_values()
        source, target, dead = self.topics
        keys = self.send_cases(source)
        run = self.anabranch("run", "--once", self.dir / "topology.kafka.json", code=EXIT_OK)
        messages = self.broker.read(target)
        found = self.by_source_partition(messages, source)
        self.assertEqual({p: [key for _, key, _ in rows] for p, rows in found.items()}, keys)
        self.assertEqual({key: value for rows in found.values() for _, key, value in rows}, expected)
        self.assertEqual(self.broker.read(dead), [])
        for message in messages:
            headers = harness.headers_of(message)
            self.assertEqual(headers["content-type"], b"application/json")
            name = harness.load_topology(self.dir / "topology.kafka.json")["name"]
            self.assertRegex(headers["anabranch.topology"].decode(), rf"^{name}@[0-9a-f]+$")
            for model, facts in harness.load_topology(self.dir / "topology.kafka.json")["models"].items():
                self.assertIn(f"{model}@{facts['version']}", headers["anabranch.models"].decode())
        self.assert_kcat_reads(target, expected)
        self.assertRegex(run.stderr, rf"\b{len(expected)} committed")
        self.anabranch("run", "--once", self.dir / "topology.kafka.json", code=EXIT_OK)
        self.assertEqual(len(self.broker.read(target)), len(expected), "a second run finds nothing left to do")

    def assert_kcat_reads(self, topic, expected):
        done = subprocess.run(["kcat", "-b", self.broker.address, "-C", "-t", topic, "-e", "-q", "-K", "\t",
                               "-X", "isolation.level=read_committed"], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60 * harness.PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = dict(line.split(b"\t", 1) for line in done.stdout.splitlines())
        self.assertEqual(rows, expected)
        for value in rows.values():
            self.assertIsInstance(json.loads(value), dict)


class DigitsUnchanged(Unchanged):
    example = "digits"
    topics = {"digits": 4, "digits.read": 4, "digits.dead": 1}


class Variants(KafkaExample):
    def test_every_batch_and_worker_count_gives_the_same_bytes(self):
        def rows(topology, micro, model):
            topology["batch"] = {"max_rows": micro}
            for node in topology["nodes"].values():
                if node["kind"] == "infer":
                    node["batch"] = {"max_rows": model}

        expected = self.file_values()
        self.broker.make_topics({"variants": 4, "variants.dead": 1})
        keys = self.send_cases("variants")
        for workers, micro, model in ((1, 256, 256), (4, 256, 256), (2, 1, 256), (2, 7, 7), (4, 256, 1)):
            name = f"variant-{workers}-{micro}-{model}"
            with self.subTest(workers=workers, micro_batch=micro, model_call=model):
                self.broker.make_topics({name: 4})
                file = self.topology(name, "variants", name, "variants.dead", lambda t: rows(t, micro, model))
                self.anabranch("run", "--once", file, "--workers", workers, code=EXIT_OK)
                found = self.by_source_partition(self.broker.read(name), "variants")
                self.assertEqual({p: [key for _, key, _ in rows] for p, rows in found.items()}, keys)
                self.assertEqual({key: value for rows in found.values() for _, key, value in rows}, expected)


class Records(KafkaExample):
    """What happens to headers, timestamps, keys and records that cannot be scored."""

    stamp = 1_700_000_000_123

    def setUp(self):
        super().setUp()
        self.cases = (self.dir / "cases.jsonl").read_bytes().splitlines()
        name = self.prefix
        self.source, self.target, self.dead = f"{name}.in", f"{name}.out", f"{name}.dead"
        self.broker.make_topics({self.source: 1, self.target: 1, self.dead: 1})

    def run_on(self, records, change=None):
        self.broker.produce({"topic": self.source, "partition": 0, "timestamp": self.stamp, **r} for r in records)
        file = self.topology(self.prefix, self.source, self.target, self.dead, change)
        run = self.anabranch("run", "--once", file, code=EXIT_OK)
        return run, self.broker.read(self.target), self.broker.read(self.dead)

    def test_trace_and_event_time_are_handed_on(self):
        headers = [("traceparent", TRACE), ("tracestate", b"vendor=1"), ("private", b"stays here")]
        _, results, dead = self.run_on([{"value": self.cases[0], "headers": headers}, {"value": self.cases[1]}])
        self.assertEqual((len(results), len(dead)), (2, 0))
        found = harness.headers_of(results[0])
        self.assertEqual((found["traceparent"], found["tracestate"]), (TRACE, b"vendor=1"))
        self.assertNotIn("private", found)
        self.assertNotIn("traceparent", harness.headers_of(results[1]))
        self.assertEqual([m.timestamp()[1] for m in results], [self.stamp] * 2)

    def test_headers_name_the_models_that_scored_the_record(self):
        def cascade(topology):
            topology["nodes"]["forest"]["when"] = "mean_radius > 14"
            topology["nodes"]["boosting"]["when"] = "mean_texture > 18"
            topology["nodes"]["score"]["missing"] = "renormalise"

        cases = self.cases[:200]
        _, results, _ = self.run_on([{"value": case} for case in cases], cascade)
        self.assertEqual(len(results), len(cases))
        seen = set()
        for message, case in zip(results, map(json.loads, cases)):
            scored = ["logistic@1"] + ["forest@1"] * (case["mean_radius"] > 14) + ["boosting@1"] * (case["mean_texture"] > 18)
            self.assertEqual(harness.headers_of(message)["anabranch.models"].decode().split(","), scored)
            seen.add(len(scored) + 10 * ("forest@1" in scored))
        self.assertEqual(len(seen), 4, "every set of models was met")

    def test_dead_letters_keep_every_byte(self):
        headers = [("twice", b"1"), ("twice", b"2"), ("bytes", b"\xff\x00"), ("none", None), ("", b"no name"),
                   ("traceparent", TRACE)]
        broken_rule = json.loads(self.cases[1])
        broken_rule["worst_radius"] = 0.5
        bad = [{"key": b"\x00\xff key", "value": self.cases[0][:100], "headers": headers},
               {"key": None, "value": b"\xff\xfe not UTF-8", "headers": headers[:1]},
               {"key": b"k", "value": json.dumps(broken_rule).encode()},
               {"key": b"", "value": b"  [1, 2]  "}]
        records = [{"value": self.cases[10]}, bad[0], bad[1], {"value": self.cases[11]}, bad[2], bad[3], {"value": self.cases[12]}]
        run, results, dead = self.run_on(records)
        self.assertEqual([m.key() for m in results], [json.loads(self.cases[i])["id"].encode() for i in (10, 11, 12)])
        self.assertEqual(len(dead), len(bad))
        for message, record, offset, node in zip(dead, bad, (1, 2, 4, 5), ("cases", "cases", "check", None)):
            with self.subTest(offset=offset):
                self.assertEqual((message.key(), message.value()), (record["key"], record["value"]))
                self.assertEqual(message.timestamp()[1], self.stamp)
                kept = record.get("headers", [])
                self.assertEqual(message.headers()[:len(kept)], kept)
                added = dict(message.headers()[len(kept):])
                self.assertLessEqual(ERROR_HEADERS, set(added))
                self.assertLessEqual(set(added), ERROR_HEADERS | REPLAY_HEADERS)
                added.pop("anabranch.error.results", None)
                self.assertEqual((added["anabranch.error.topic"], added["anabranch.error.partition"],
                                  added["anabranch.error.offset"]), (self.source.encode(), b"0", str(offset).encode()))
                if node:
                    self.assertEqual(added["anabranch.error.node"].decode(), node)
                self.assertTrue(added["anabranch.error.topology"].startswith(self.prefix.encode() + b"@"))
                for value in added.values():
                    value.decode()
        self.assertIn(b"worst_is_not_smaller", dict(dead[2].headers())["anabranch.error.message"])
        self.assertRegex(run.stderr, r"dead letters -> .*\(4 records\)")

    def test_tombstones_are_dropped_and_counted(self):
        run, results, dead = self.run_on([{"value": self.cases[0]}, {"key": b"gone", "value": None}, {"value": self.cases[1]}])
        self.assertEqual((len(results), len(dead)), (2, 0))
        self.assertRegex(run.stderr, r"\b1 without a value \(tombstones\) dropped")
        again = self.anabranch("run", "--once", run.args[2], code=EXIT_OK)
        self.assertEqual(len(self.broker.read(self.target)), 2)
        self.assertRegex(again.stderr, r"\b0 records read\b")

    def test_null_key_is_a_record_error_only_where_the_key_is_the_records_own(self):
        def record_key(topology):
            topology["sources"]["cases"]["key"] = "record"

        records = [{"key": b"mine", "value": self.cases[0]}, {"key": None, "value": self.cases[1]}, {"key": b"", "value": self.cases[2]}]
        _, results, dead = self.run_on(records, record_key)
        self.assertEqual([m.key() for m in results], [b"mine", b""])
        self.assertEqual([(m.key(), m.value()) for m in dead], [(None, self.cases[1])])
        self.assertEqual(harness.headers_of(dead[0])["anabranch.error.node"], b"cases")
        self.assertEqual(harness.headers_of(dead[0])["anabranch.error.code"], b"key")


if __name__ == "__main__":
    harness.main()
