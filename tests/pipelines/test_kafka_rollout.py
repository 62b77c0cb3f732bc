"""A shadow on a real broker: what readers of the results get is the same with it and without it."""
import json

import harness
import packages


class ShadowOnTopics(harness.KafkaCase):

    def test_results_have_the_same_bytes_and_headers_with_a_shadow(self):
        for version, how in (("1", {}), ("9", {"fails": "n % 33 == 7"})):
            self.anabranch("model", "pack", packages.make(self.folder / "registry", version, **how), code=0)
        file = harness.write_json(self.folder / "unseen.json", {
            "anabranch": 1, "name": "unseen",
            "schemas": {"number": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
            "connections": {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}"}}},
            "models": {"sum": {"registry": "registry", "start": "1", "rollout": {
                "steps": [{"shadow": 1.0}, "all"], "guards": {"errors": 0.01}, "on_breach": "hold", "on_pass": "hold"}}},
            "sources": {"numbers": {"kafka": {"topics": ["unseen.in"], "start": "earliest"}, "schema": "number"}},
            "nodes": {"score": {"kind": "infer", "inputs": ["numbers"], "model": "sum", "features": "package",
                                "outputs": {"y": "Y", "ver": "@version"}},
                      "out": {"kind": "persist", "inputs": ["score"], "to": {"kafka": {"topic": "unseen.out"}}, "fields": ["n", "y", "ver"]}},
            "dead_letters": {"kafka": {"topic": "unseen.dead"}}, "batch": {"max_rows": 64}})
        self.broker.make_topics({"unseen.in": 1, "unseen.out": 1, "unseen.dead": 1})
        run = self.start("run", file)
        count, seen = 2000, []
        for begin, version in ((0, None), (count, "9")):
            if version is not None:
                answer = self.anabranch("model", "deploy", file, f"sum@{version}", "--format", "json", code=0)
                self.assertEqual(json.loads(answer.stdout)["result"], "active")
            self.broker.produce([{"topic": "unseen.in", "partition": 0, "key": b"k%d" % n, "value": b'{"n":%d}' % n,
                                  "headers": [("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]}
                                 for n in range(count)])
            self.wait_until("all results", 60, lambda: sum(self.watcher.ends("unseen.out", 1)) >= begin + count, run, pause=0.1)
            found = []
            for message in self.broker.read("unseen.out")[begin:]:
                headers = dict(harness.headers_of(message))
                del headers["anabranch.id"]  # the offset
                found.append((message.key(), message.value(), sorted(headers.items())))
            self.assertEqual(len(found), count)
            seen.append(found)
        run.send(15)
        self.assertEqual(run.wait(30), harness.EXIT_OK, run.stderr)
        self.assertEqual(seen[0], seen[1])
        self.assertIn(("anabranch.models", b"sum@1"), seen[0][0][2])
        self.assertEqual(self.broker.read("unseen.dead"), [])
        answer = json.loads(self.anabranch("model", "compare", file, "sum", "--format", "json", code=0).stdout)
        total = next(each for each in answer["nodes"][0]["segments"] if each["value"] is None)
        self.assertEqual((total["rows"], total["only_candidate_failed"]), (count, sum(n % 33 == 7 for n in range(count))))


if __name__ == "__main__":
    harness.main()
