"""Two sources whose records look different, one JSON and one CSV, feed one model: each branch makes the same columns."""
import json

import harness
from harness import EXIT_FAULTY, EXIT_OK, EXIT_STAGE

WEB = 400
SHOP = 300


def web_record(i):
    return {"order": f"w{i}", "basket": {"net": 10 + i, "tax": 0.19 * i}, "city": "Ulm" if i % 3 else None}


def topology(folder):
    model = harness.ROOT / "tests" / "models" / "logistic_string_labels.onnx"
    (folder / "model.onnx").write_bytes(model.read_bytes())
    with open(folder / "web.jsonl", "w") as out:
        out.writelines(json.dumps(web_record(i)) + "\n" for i in range(WEB))
    with open(folder / "shop.csv", "w") as out:
        out.write("till,number,gross,city\n")
        out.writelines(f"{i % 7},{i},{20 + i / 4},Bonn\n" for i in range(SHOP))
    return {
        "anabranch": 1, "name": "two-formats",
        "schemas": {
            "web": {"type": "object", "required": ["order", "basket"], "properties": {
                "order": {"type": "string"}, "city": {"type": ["string", "null"]},
                "basket": {"type": "object", "required": ["net", "tax"],
                           "properties": {"net": {"type": "number"}, "tax": {"type": "number"}}}}},
            "shop": {"type": "object", "required": ["till", "number", "gross"], "properties": {
                "till": {"type": "integer"}, "number": {"type": "integer"}, "gross": {"type": "number"},
                "city": {"type": "string"}}}},
        "models": {"m": {"path": "model.onnx"}},
        "sources": {
            "web": {"file": {"path": "web.jsonl"}, "schema": "web", "key": {"field": "order"}},
            "shop": {"file": {"path": "shop.csv"}, "format": "csv", "schema": "shop", "key": "position"}},
        "nodes": {
            "web_features": {"kind": "transform", "inputs": ["web"], "set": {
                "name": "order", "amount": "basket.net + basket.tax", "share": "basket.net / amount", "till_no": "-1"}},
            "shop_features": {"kind": "transform", "inputs": ["shop"], "set": {
                "name": "string(till) + '-' + string(number)", "amount": "gross", "share": "0.5", "till_no": "till"}},
            "score": {"kind": "infer", "inputs": ["web_features", "shop_features"], "model": "m",
                      "features": ["amount", "share", "till_no", "till_no"], "outputs": {"p": "probabilities[2]"}},
            "out": {"kind": "persist", "inputs": ["score"], "to": {"file": {"path": "out.jsonl"}},
                    "fields": ["name", "amount", "share", "till_no", "city", "p"]}}}


def expected_features():
    rows = {}
    for i in range(WEB):
        record = web_record(i)
        amount = record["basket"]["net"] + record["basket"]["tax"]
        rows[record["order"]] = (amount, record["basket"]["net"] / amount, -1, record["city"])
    for i in range(SHOP):
        rows[f"{i % 7}-{i}"] = (20 + i / 4, 0.5, i % 7, "Bonn")
    return rows


class TwoFormats(harness.PipelineCase):
    def setUp(self):
        super().setUp()
        self.value = topology(self.folder)
        self.file = self.folder / "topology.json"

    def write(self):
        harness.write_json(self.file, self.value)

    def rows(self):
        return {line.fields["name"]: line.fields for line in harness.read_lines(self.folder / "out.jsonl")}

    def assert_rows(self, wanted):
        found = self.rows()
        self.assertEqual(found.keys(), wanted.keys())
        for name, (amount, share, till, city) in wanted.items():
            row = found[name]
            self.assertEqual((row["amount"], row["share"], row["till_no"], row["city"]), (amount, share, till, city))
        return found

    def test_one_model_and_one_file_for_both(self):
        self.write()
        self.anabranch("check", self.file, code=EXIT_OK)
        self.anabranch("run", self.file, code=EXIT_OK)
        found = self.assert_rows(expected_features())
        # Each source alone gives the same scores.
        for source in ("web", "shop"):
            alone = topology(self.folder)
            alone["name"] = f"only-{source}"
            other = {"web": "shop", "shop": "web"}[source]
            for section, key in (("sources", other), ("schemas", other), ("nodes", f"{other}_features")):
                del alone[section][key]
            alone["nodes"]["score"]["inputs"] = [f"{source}_features"]
            alone["nodes"]["out"]["to"]["file"]["path"] = f"{source}.out.jsonl"
            file = harness.write_json(self.folder / f"{source}.json", alone)
            self.anabranch("run", file, code=EXIT_OK)
            for line in harness.read_lines(self.folder / f"{source}.out.jsonl"):
                self.assertEqual(line.fields["p"], found[line.fields["name"]]["p"])

    def test_a_stop_below_the_union_is_restarted_from_what_was_kept(self):
        self.value["nodes"]["limit"] = {"kind": "transform", "inputs": ["score"], "on_error": "stop",
                                        "set": {"rest": "100 / 1 + 1000 % (till_no - 5)"}}
        self.value["nodes"]["out"]["inputs"] = ["limit"]
        self.write()
        self.anabranch("run", self.file, code=EXIT_STAGE)
        self.value["nodes"]["limit"]["on_error"] = "skip"
        self.write()
        self.anabranch("restart", self.file, "--yes", code=EXIT_OK)
        self.assert_rows({name: row for name, row in expected_features().items() if row[2] != 5})

    def test_each_cure_that_a_fault_names_works(self):
        features = self.value["nodes"]["shop_features"]
        self.assertIn("amount", features["set"])
        del features["set"]["amount"]
        self.write()
        run = self.anabranch("check", self.file, code=EXIT_FAULTY)
        self.assertIn('rows of source "shop" do not have it', run.stdout + run.stderr)
        self.assertEqual((run.stdout + run.stderr).count("error["), 1)
        features["rename"] = {"gross": "amount"}  # not the same column, though of the same name
        self.write()
        run = self.anabranch("check", self.file, code=EXIT_FAULTY)
        self.assertIn('"set": {"amount": …}', run.stdout + run.stderr)
        self.assertEqual((run.stdout + run.stderr).count("error["), 1)
        del features["rename"]
        features["set"]["amount"] = "gross"
        self.write()
        self.anabranch("check", self.file, code=EXIT_OK)
        features["set"]["amount"] = "number"  # int64 here, float64 there
        self.write()
        run = self.anabranch("check", self.file, code=EXIT_FAULTY)
        self.assertIn("one type in each branch, for example with float(x)", run.stdout + run.stderr)
        self.assertEqual((run.stdout + run.stderr).count("error["), 1)
        features["set"]["amount"] = "float(number)"
        self.write()
        self.anabranch("check", self.file, code=EXIT_OK)


if __name__ == "__main__":
    harness.main()
