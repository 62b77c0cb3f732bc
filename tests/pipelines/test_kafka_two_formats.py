"""Persist nodes of different sources write to one topic."""
import json

import harness
from harness import EXIT_FAULTY, EXIT_OK

from test_two_formats import SHOP, WEB, expected_features, topology


class OneTopic(harness.KafkaCase):
    def test_two_nodes_of_two_sources_write_one_topic(self):
        self.broker.make_topics({"orders": 2, "orders.dead": 1})
        value = topology(self.folder)
        value["connections"] = {"main": {"kafka": {"bootstrap.servers": self.broker.address}}}
        value["dead_letters"] = {"kafka": {"topic": "orders.dead"}}
        for source in ("web", "shop"):
            value["nodes"][f"{source}_out"] = {"kind": "persist", "inputs": [f"{source}_features"],
                                               "to": {"kafka": {"topic": "orders"}}, "fields": ["name", "amount"]}
        file = harness.write_json(self.folder / "topology.json", value)
        self.anabranch("run", file, code=EXIT_OK)
        messages = self.broker.read("orders")
        nodes = [harness.headers_of(message)["anabranch.id"].decode().rsplit("/", 1)[1] for message in messages]
        self.assertEqual((nodes.count("web_out"), nodes.count("shop_out")), (WEB, SHOP))
        found = [json.loads(message.value()) for message in messages]
        wanted = {name: row[0] for name, row in expected_features().items()}
        self.assertEqual({row["name"]: row["amount"] for row in found}, wanted)
        self.assertEqual(len(found), len(wanted))
        # A node of both sources would write records twice.
        value["nodes"]["shop_out"]["inputs"] = ["score"]
        run = self.anabranch("check", harness.write_json(self.folder / "twice.json", value), code=EXIT_FAULTY)
        self.assertIn("both write kafka topic orders", run.stdout + run.stderr)


if __name__ == "__main__":
    harness.main()
