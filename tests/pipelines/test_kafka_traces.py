"""Traces: what a producer begins goes through a topology into its results, and a collector gets spans that the official
messages of OpenTelemetry can read."""
import json

import harness
from collector import Collector, attributes
from harness import EXIT_OK

OTHER = "0af7651916cd43dd8448eb211c80319c"
MARK = "do-not-tell"  # stands in every key, value and header of a record that is not about traces


def traceparent(number, flags="01"):
    """What a producer writes: a trace of its own, and its span."""
    return f"00-{number + 1:032x}-{number + 0x1000:016x}-{flags}"


class Traces(harness.KafkaCase):
    def setUp(self):
        super().setUp()
        self.collector = Collector()
        self.addCleanup(self.collector.close)

    def prepare(self, name, records):
        self.name = name
        self.broker.make_topics({f"{name}.{part}": 1 for part in ("in", "out", "dead")})
        self.broker.produce({"topic": f"{name}.in", "partition": 0, **record} for record in records)
        order = {"type": "object", "required": ["id", "amount"],
                 "properties": {"id": {"type": "string"}, "amount": {"type": "integer"}}}
        self.topology = harness.write_json(self.folder / f"{name}.json", {
            "anabranch": 1, "name": name, "schemas": {"order": order},
            "connections": {"main": {"kafka": {"bootstrap.servers": self.broker.address}}},
            "sources": {"orders": {"kafka": {"topics": [f"{name}.in"]}, "schema": "order", "key": {"field": "id"}}},
            "nodes": {
                "check": {"kind": "validate", "inputs": ["orders"], "rules": {"small": "amount < 1000"}},
                "score": {"kind": "transform", "inputs": ["check"], "set": {"double": "amount * 2"}},
                "out": {"kind": "persist", "inputs": ["score"], "to": {"kafka": {"topic": f"{name}.out"}},
                        "fields": ["id", "double"]}},
            "dead_letters": {"kafka": {"topic": f"{name}.dead"}}})

    def run_traced(self, *args, **environment):
        run = self.anabranch("run", self.topology, "--once", *args, code=EXIT_OK,
                             env={**self.collector.environment, **environment})
        self.assertEqual(self.collector.faults, [])
        return run

    def result_traces(self):
        return [harness.headers_of(message).get("traceparent", b"").decode() for message in self.broker.read(f"{self.name}.out")]

    def test_one_trace_goes_from_the_producer_through_the_topology_to_the_consumer(self):
        def record(number, headers):
            return {"key": f"{MARK}-{number}", "headers": [*headers, ("private", MARK.encode())],
                    "value": json.dumps({"id": f"{MARK}-{number}", "amount": 5000 if number == 3 else number})}

        heads = [[("traceparent", traceparent(0).encode()), ("tracestate", b"vendor=1")],
                 [("traceparent", traceparent(1, "00").encode())], [], [("traceparent", traceparent(3).encode())],
                 [("traceparent", b"not a trace")]]
        self.prepare("chain", [record(number, headers) for number, headers in enumerate(heads)])
        self.run_traced(OTEL_SERVICE_NAME="scoring", OTEL_RESOURCE_ATTRIBUTES="team=a")
        spans = self.collector.spans()
        by_parent = {span.parent_span_id.hex(): span for span in spans if span.name == "process orders"}

        # The producer's span is the parent; what the consumer of the result sees is ours.
        own = by_parent.pop(f"{0x1000:016x}")
        self.assertEqual(own.trace_id.hex(), f"{1:032x}")
        self.assertEqual(own.trace_state, "vendor=1")
        traces = self.result_traces()
        self.assertEqual(traces, [f"00-{1:032x}-{own.span_id.hex()}-01", traceparent(1, "00"), "", "not a trace"])
        self.assertEqual(harness.headers_of(self.broker.read("chain.out")[0])["tracestate"], b"vendor=1")

        # A record that fails has a span with its stage and code, and its letter has the header as it came.
        failed = by_parent.pop(f"{0x1003:016x}")
        self.assertEqual((failed.status.code, failed.status.message), (2, "check: rule"))
        letter = harness.headers_of(self.broker.read("chain.dead")[0])
        self.assertEqual(letter["traceparent"].decode(), traceparent(3))
        self.assertEqual(by_parent, {}, "no other record is traced")

        self.assertEqual(attributes(own), {"messaging.operation.name": "process", "messaging.system": "kafka",
                                           "messaging.destination.name": "chain.in", "messaging.kafka.offset": 0,
                                           "messaging.destination.partition.id": "0"})
        self.assertEqual([event.name for event in own.events], ["orders", "check", "score", "out"])
        for body in self.collector.bodies:
            self.assertNotIn(MARK.encode(), body)
        for request in self.collector.requests():
            resource = attributes(request.resource_spans[0].resource)
            self.assertEqual((resource["service.name"], resource["team"]), ("scoring", "a"))
            self.assertRegex(resource["anabranch.topology"], r"^chain@[0-9a-f]{12}$")

        # The batch, its stages, its commit.
        batches = {span.span_id: span for span in spans if span.name == "process chain"}
        self.assertEqual({link.span_id for link in own.links}, {own.links[0].span_id})
        batch = batches[own.links[0].span_id]
        self.assertIn(f"{0x1000:016x}", [link.span_id.hex() for link in batch.links])
        stages = [span for span in spans if span.parent_span_id == batch.span_id]
        self.assertEqual([span.name for span in stages if span.name != "commit"], ["orders", "check", "score", "out"])
        self.assertEqual(sum(attributes(span)["messaging.batch.message_count"] for span in batches.values()), 5)
        commits = [span for span in spans if span.name == "commit"]
        self.assertEqual(sum(attributes(span)["anabranch.rows"] for span in commits), 5)
        committed = {c.parent_span_id for c in commits} | {link.span_id for c in commits for link in c.links}
        self.assertEqual(committed, set(batches))
        for span in spans:
            self.assertLessEqual(span.start_time_unix_nano, span.end_time_unix_nano)
            self.assertEqual(len(span.trace_id), 16)
            self.assertEqual(len(span.span_id), 8)

    def test_a_record_that_is_read_again_hands_on_the_same_span(self):
        self.prepare("again", [{"value": json.dumps({"id": "a", "amount": n}),
                                "headers": [("traceparent", traceparent(n).encode())]} for n in range(20)])
        self.run_traced()
        self.run_traced("--fresh", "--new-identity")
        traces = self.result_traces()
        self.assertEqual(len(traces), 40)
        self.assertEqual(traces[:20], traces[20:])
        self.assertEqual([trace[3:35] for trace in traces[:20]], [f"{n + 1:032x}" for n in range(20)])

    def test_a_batch_links_to_128_records_and_counts_the_others(self):
        self.prepare("many", [{"value": json.dumps({"id": "a", "amount": 1}),
                               "headers": [("traceparent", traceparent(n).encode())]} for n in range(700)])
        self.run_traced()
        spans = self.collector.spans()
        batches = [span for span in spans if span.name == "process many"]
        self.assertLessEqual(max(len(span.links) for span in batches), 128)
        self.assertGreater(sum(span.dropped_links_count for span in batches), 0)
        self.assertEqual(sum(len(span.links) + span.dropped_links_count for span in batches), 700)
        self.assertEqual(len([span for span in spans if span.name == "process orders"]), 700)

    def test_the_sampler_decides(self):
        self.prepare("sampled", [{"value": json.dumps({"id": "a", "amount": 1}),
                                  "headers": [("traceparent", f"00-{OTHER}-{1:016x}-01".encode())]}])
        self.run_traced(OTEL_TRACES_SAMPLER="parentbased_always_off")
        spans = self.collector.spans()
        self.assertEqual([span.name for span in spans], ["process orders"])
        self.assertEqual(list(spans[0].links), [], "a batch that is not kept is nobody's link")
        self.collector.bodies.clear()
        self.run_traced("--fresh", "--new-identity", OTEL_TRACES_SAMPLER="always_off")
        self.assertEqual(self.collector.bodies, [])
        self.assertEqual(self.result_traces()[1], f"00-{OTHER}-{1:016x}-01")

    def test_a_collector_that_is_away_costs_spans_and_nothing_else(self):
        self.prepare("away", [{"value": json.dumps({"id": "a", "amount": 1})} for _ in range(100)])
        run = self.run_traced(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{harness.closed_port()}")
        self.assertEqual(len(self.broker.read("away.out")), 100)
        self.assertEqual(run.stderr.count("warning traces: "), 1, run.stderr)
        self.assertLess(run.seconds, 30)


if __name__ == "__main__":
    harness.main()
