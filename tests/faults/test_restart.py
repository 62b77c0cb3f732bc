"""A stage fails, its cause goes away, the pipeline is restarted from there: nothing above runs again, and the results
are byte for byte those of a run without a fault."""
import json
import random

import faults
import restarts
import rigs
from oracle import harness


class OneBatch(restarts.RestartCase):
    """All rows are in the batch that fails: the restart has nothing to compute above the failed stage."""

    ROWS = 60

    def restart_from(self, rig, node, expected):
        folder, _ = self.failed_run(rig, node, 1)
        file, log = folder / "topology.json", faults.FaultLog(folder / "restart.log")
        status = self.status(file)
        self.assertEqual((status["state"], status["failed"]["node"]), ("failed", node), status)
        self.assertIn("anabranch restart", status["failed"]["next"])
        above = rig.above(node)
        # Computing one of their rows again would give another result.
        stale = [arg for id in rig.spoil(folder, above) for arg in ("--accept-stale", id)]

        run = self.anabranch("restart", file, "--yes", *stale, env=faults.armed(log=log.path))
        self.assertEqual(run.code, harness.EXIT_OK, run)
        called = {id: rows for id, rows in log.calls().items() if id in above}
        self.assertEqual(called, {}, "nodes above the failed one were called again")
        counts = self.status(file)["nodes"]
        self.assertEqual({id: counts[id]["invocations"] for id in above if counts.get(id, {}).get("invocations")}, {})
        found = rig.outcome(folder)
        self.assert_same(expected, found)

        self.anabranch("restart", file, "--yes", *stale, code=harness.EXIT_OK)
        self.assert_same(found, rig.outcome(folder))

    def test_every_node_of_every_shape(self):
        seed, done = self.seeded(), 0
        for shape in rigs.SHAPES:
            rig = rigs.Rig(shape, self.ROWS, seed)
            if len(rig.inputs) > 1:
                continue  # rows of the other source may not have been read yet: ManyBatches counts them
            expected, calls, _ = self.clean_run(rig)
            self.assertTrue(any(expected.values()))
            for node in rig.nodes:
                with self.subTest(shape=shape, node=node):
                    self.assertGreater(calls[node], 0)
                    self.restart_from(rig, node, expected)
                    done += 1
        print(f"{done} restarts: 0 calls above the failed stage, results equal", flush=True)


class ManyBatches(restarts.RestartCase):
    """The failure meets a stream: some batches are durable, some complete, some begun, some not read yet."""

    ROWS = 400
    SETTINGS = {"batch": {"max_rows": 16}, "epoch": {"max_rows": 64, "commit_ms": 5}}

    def restart_in_the_stream(self, rig, node, at, workers, expected, rows):
        folder, before = self.failed_run(rig, node, at, "--workers", workers)
        file, log = folder / "topology.json", faults.FaultLog(folder / "restart.log")
        run = self.anabranch("restart", file, "--yes", "--workers", workers, env=faults.armed(log=log.path))
        self.assertEqual(run.code, harness.EXIT_OK, run)
        after = log.calls()
        above = rig.above(node)
        self.assertEqual({id: before.get(id, 0) + after.get(id, 0) for id in above}, {id: rows[id] for id in above},
                         "above the failed stage every row is computed once: before the failure or after the restart")
        self.assert_same(expected, rig.outcome(folder))
        self.anabranch("run", file, code=harness.EXIT_OK)
        self.assert_same(expected, rig.outcome(folder))

    def test_every_node_of_every_shape_at_a_random_batch(self):
        seed, done = self.seeded(), 0
        made = random.Random(seed)
        for shape in rigs.SHAPES:
            rig = rigs.Rig(shape, self.ROWS, seed, **self.SETTINGS)
            expected, rows, calls = self.clean_run(rig)
            for node in rig.nodes:
                for _ in range(harness.scaled(1)):
                    at, workers = made.randint(1, max(1, calls[node] // 2)), made.choice((1, 2))
                    with self.subTest(shape=shape, node=node, at=at, workers=workers):
                        self.restart_in_the_stream(rig, node, at, workers, expected, rows)
                        done += 1
        print(f"{done} restarts within a stream: every row above the failed stage computed once, results equal", flush=True)


class OnKafka(harness.KafkaCase, restarts.RestartCase):
    """The same between topics."""

    PARTITIONS = 2
    ROWS = 200

    def on_kafka(self, rig, name):
        """The rig's topology between topics NAME.in and NAME.out."""
        topology = json.loads(json.dumps(rig.topology))
        topology["name"] = name
        topology["connections"] = {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}"}}}
        topology["dead_letters"] = {"kafka": {"topic": f"{name}.dead"}}
        topology["sources"]["a"].pop("file")
        topology["sources"]["a"]["kafka"] = {"topics": [f"{name}.in"], "start": "earliest"}
        for node in topology["nodes"].values():
            if "file" in node.get("to", {}):
                node["to"] = {"kafka": {"topic": f"{name}.out"}}
        self.broker.make_topics({f"{name}.in": self.PARTITIONS, f"{name}.out": self.PARTITIONS, f"{name}.dead": 1})
        self.broker.produce({"topic": f"{name}.in", "partition": n % self.PARTITIONS, "key": b"", "value": line.encode()}
                            for n, line in enumerate(rig.inputs["a"]))
        folder = self.new_folder()
        rig.lay(folder)
        return harness.write_json(folder / "topology.json", topology)

    def outcome(self, rig, file, name):
        """Per source partition and partition the keys and values in order; the rows of the table; dead letters."""
        found = {}
        for message in self.broker.read(f"{name}.out"):
            origin = harness.headers_of(message)["anabranch.id"].split(b"/")[1]
            found.setdefault((origin, message.partition()), []).append((message.key(), message.value()))
        table = [(key, n, p) for _, key, n, p in rig._table(file.parent / "out.db")]
        return found, sorted(table), [message.value() for message in self.broker.read(f"{name}.dead")]

    def test_results_on_topics_are_those_of_a_run_without_a_fault(self):
        seed = self.seeded()
        for shape in ("chain", "two_targets"):
            rig = rigs.Rig(shape, self.ROWS, seed, batch={"max_rows": 16}, epoch={"max_rows": 64, "commit_ms": 5})
            file = self.on_kafka(rig, f"{shape.replace('_', '-')}-clean")
            self.anabranch("run", "--once", file, "--workers", 1, code=harness.EXIT_OK)
            expected = self.outcome(rig, file, f"{shape.replace('_', '-')}-clean")
            self.assertEqual(sum(map(len, expected[0].values())), self.ROWS)
            for at, node in enumerate(list(rig.nodes)[1:], start=1):
                with self.subTest(shape=shape, node=node):
                    name = f"{shape.replace('_', '-')}-{at}"
                    file = self.on_kafka(rig, name)
                    self.restart_between_topics(rig, file, name, node, at, expected)

    def restart_between_topics(self, rig, file, name, node, at, expected):
        log = faults.FaultLog(file.parent / "failed.log")
        run = self.anabranch("run", "--once", file, "--workers", 1,
                             env=faults.armed(f"stage.call:{node}@{at}=failing", log=log.path))
        self.assertEqual(run.code, harness.EXIT_STAGE, run)
        before, log = log.calls(), faults.FaultLog(file.parent / "restart.log")
        self.anabranch("restart", file, "--yes", "--once", "--workers", 1, env=faults.armed(log=log.path), code=harness.EXIT_OK)
        after = log.calls()
        self.assertEqual({id: before.get(id, 0) + after.get(id, 0) for id in rig.above(node)},
                         {id: self.ROWS for id in rig.above(node)}, "rows above the failed stage were computed twice")
        self.assertTrue(self.outcome(rig, file, name) == expected, "not what a run without a fault writes")
        ends = self.watcher.ends(f"{name}.out", self.PARTITIONS)
        self.anabranch("restart", file, "--yes", "--once", "--workers", 1, code=harness.EXIT_OK)
        self.assertEqual(self.watcher.ends(f"{name}.out", self.PARTITIONS), ends, "a second restart wrote something")


if __name__ == "__main__":
    harness.main()
