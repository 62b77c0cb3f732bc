"""Packages of models: what is refused, and with which reason; packing, tars, import from MLflow, export."""
import json
import shutil
import subprocess
import tarfile

import harness
from harness import EXIT_OK, EXIT_STAGE

TESTS = harness.ROOT / "tests"
PACKAGES = TESTS / "packages"


class PackageCase(harness.PipelineCase):
    def lay(self, name="iris"):
        """The sound package, packed."""
        folder = self.folder / name
        shutil.copytree(PACKAGES / "iris", folder)
        shutil.copy(TESTS / "models" / "logistic_string_labels.onnx", folder / "model.onnx")
        self.pack(folder)
        return folder

    def lay_model(self, model):
        """A package of a model with one input x and one output Y, and nothing else."""
        folder = self.folder / "bare"
        folder.mkdir()
        shutil.copy(TESTS / "models" / model, folder / "model.onnx")
        shown = {"anabranch_package": 1, "name": "bare", "version": "1", "inputs": {"x": "float64"}, "features": ["x"]}
        harness.write_json(folder / "model.json", shown)
        return folder

    def pack(self, folder, code=EXIT_OK):
        return self.anabranch("model", "pack", folder, code=code)

    def verdict(self, place, *arguments):
        return json.loads(self.anabranch("model", "check", place, "--format", "json", *arguments).stdout)

    @staticmethod
    def edit(path, change):
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value, indent=2) + "\n")


def put(value, path, new):
    *above, last = path.split(".")
    for name in above:
        value = value[name]
    value[last] = new


class BrokenPackages(PackageCase):
    def damage(self, case):
        """Makes the package of a case and returns its place and the arguments of the check."""
        folder = self.lay_model(case["model"]) if "model" in case else self.lay()
        arguments = list(case.get("arguments", []))
        if "flip" in case:
            content = bytearray((folder / case["flip"]).read_bytes())
            content[len(content) // 2] ^= 1
            (folder / case["flip"]).write_bytes(content)
        if "remove" in case:
            (folder / case["remove"]).unlink()
        for path, text in case.get("write", {}).items():
            (folder / path).write_text(text)
        for path, value in case.get("set", {}).items():
            self.edit(folder / "model.json", lambda manifest: put(manifest, path, value))
        if "features" in case:
            self.edit(folder / "features.json", lambda features: [features[key].update(value) if isinstance(value, dict) else put(features, key, value)
                                                                  for key, value in case["features"].items()])
        if "replace" in case:
            path, old, new = case["replace"]
            text = (folder / path).read_text()
            self.assertIn(old, text)
            (folder / path).write_text(text.replace(old, new, 1))
        if "link" in case:
            (folder / case["link"][0]).symlink_to(case["link"][1])
        if "in_model" in case:
            old, new = (text.encode() for text in case["in_model"])
            self.assertEqual(len(old), len(new))
            content = (folder / "model.onnx").read_bytes()
            self.assertIn(old, content)
            (folder / "model.onnx").write_bytes(content.replace(old, new))
        if case.get("pack") or "model" in case:
            self.pack(folder)
        if "sign" in case:
            arguments += ["--key", self.sign(folder, "release", case["sign"])]
        return (self.tar(folder, case["tar"]) if "tar" in case else folder), arguments

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, cwd=self.folder, capture_output=True, timeout=30)

    def sign(self, folder, trusted, signer):
        """Signs with one key and returns the public one of another."""
        for name in {trusted, signer}:
            self.openssl("genpkey", "-algorithm", "ed25519", "-out", f"{name}.key")
            self.openssl("pkey", "-in", f"{name}.key", "-pubout", "-out", f"{name}.pub")
        self.openssl("pkeyutl", "-sign", "-rawin", "-inkey", f"{signer}.key", "-in", folder / "model.json", "-out", folder / "model.sig")
        return self.folder / f"{trusted}.pub"

    def tar(self, folder, how):
        path = self.folder / "package.tar"
        self.anabranch("model", "export", folder, "--tar", path, code=EXIT_OK)
        if how == "truncated":
            path.write_bytes(path.read_bytes()[:-2000])
        else:
            with tarfile.open(path, "a") as tar:
                entry = tarfile.TarInfo(how)
                tar.addfile(entry)
        return path

    def test_each_is_refused_for_its_reason_and_no_other(self):
        for case in json.loads((PACKAGES / "broken.json").read_text()):
            with self.subTest(case["name"]):
                for each in self.folder.iterdir():
                    if not each.name.startswith("run-"):
                        shutil.rmtree(each) if each.is_dir() else each.unlink()
                if "refused_by_pack" in case:
                    with self.assertRaises(AssertionError):
                        self.damage({**case, "pack": True})
                    self.assertIn(case["refused_by_pack"], self.pack(self.folder / "iris", code=EXIT_STAGE).stderr)
                    continue
                place, arguments = self.damage(case)
                verdict = self.verdict(place, *arguments)
                self.assertEqual([(fault["code"], fault["file"]) for fault in verdict["faults"]], [(case["code"], case["file"])], verdict)
                self.assertIn(case.get("says", ""), verdict["faults"][0]["message"])
                self.assertFalse(verdict["ok"])
        self.assertFalse((self.folder.parent / "evil.txt").exists())

    def test_the_sound_one_is_not_refused(self):
        folder = self.lay()
        verdict = self.verdict(folder, "--approved", "--key", self.sign(folder, "release", "release"))
        self.assertEqual(verdict["faults"], [])
        self.assertEqual(verdict["measured"]["confidence"], "accuracy is 0.9 over 10 rows")
        self.assertRegex(verdict["measured"]["always"], "^6 rows, largest difference ")
        tar = self.tar(folder, "truncated")
        self.anabranch("model", "export", folder, "--tar", tar, code=EXIT_OK)
        self.assertEqual(self.verdict(tar)["digest"], verdict["digest"])
        text = self.anabranch("model", "check", tar, code=EXIT_OK).stdout
        self.assertIn(f"ok: iris@7, digest {verdict['digest']}", text)


class Metrics(PackageCase):
    """The figures of the confidence gate, against definitions written out here."""

    def figure(self, **gate):
        folder = self.folder / "iris"
        shutil.rmtree(folder, ignore_errors=True)
        self.lay()
        self.edit(folder / "model.json", lambda manifest: put(manifest, "gate.confidence", {"label": "species", "min": -1e9, **gate}))
        self.pack(folder)
        verdict = self.verdict(folder)
        self.assertEqual(verdict["faults"], [])
        return float(verdict["measured"]["confidence"].split(" ")[2])

    def test_each_equals_its_definition(self):
        rows = [json.loads(line) for line in (PACKAGES / "iris/tests/confidence.jsonl").read_text().splitlines()]
        expected = json.loads((TESTS / "models/expected.json").read_text())["logistic_string_labels"]["expected"]
        truth = [row["species"] == "virginica" for row in rows]
        score = [row["probabilities"][2] for row in expected]
        pairs = [(p > n) + (p == n) / 2 for p, t in zip(score, truth) if t for n, u in zip(score, truth) if not u]
        self.assertAlmostEqual(self.figure(metric="auc", positive="virginica"), sum(pairs) / len(pairs), 12)
        brier = sum((p - t) ** 2 for p, t in zip(score, truth)) / len(rows)
        self.assertAlmostEqual(self.figure(metric="brier", output="probabilities[2]", positive="virginica"), brier, 5)
        said = [row["label"] == "virginica" for row in expected]
        hits = sum(s and t for s, t in zip(said, truth))
        self.assertAlmostEqual(self.figure(metric="precision", output="label", positive="virginica"), hits / sum(said), 12)
        self.assertAlmostEqual(self.figure(metric="recall", output="label", positive="virginica"), hits / sum(truth), 12)
        # Without an output: the decision, probabilities['virginica'] > 0.5.
        decided = [p > 0.5 for p in score]
        hits = sum(s and t for s, t in zip(decided, truth))
        self.assertAlmostEqual(self.figure(metric="f1", positive="virginica"), 2 * hits / (sum(decided) + sum(truth)), 12)


class Mlflow(PackageCase):
    def imported(self, name):
        folder = self.folder / name
        self.anabranch("model", "import", f"mlflow:{PACKAGES / 'mlflow' / name}", "--out", folder, "--version", "3", code=EXIT_OK)
        (folder / "tests").mkdir()
        shutil.copy(PACKAGES / "mlflow" / f"{name}.jsonl", folder / "tests" / "always.jsonl")
        self.edit(folder / "model.json", lambda manifest: put(manifest, "gate", {"always": {"tolerance": 1e-6}}))
        self.pack(folder)
        return folder

    def test_an_imported_model_answers_as_pyfunc_does(self):
        for name in ("columns", "tensor"):
            with self.subTest(name):
                folder = self.imported(name)
                verdict = self.verdict(folder)
                self.assertEqual(verdict["faults"], [])
                self.assertRegex(verdict["measured"]["always"], "^10 rows")
                self.assertEqual((verdict["name"], verdict["version"]), (name, "3"))
                # The comparison can fail.
                rows = [json.loads(line) for line in (folder / "tests/always.jsonl").read_text().splitlines()]
                output = next(iter(rows[4]["expect"]))
                rows[4]["expect"][output] *= 1 + 5e-6
                (folder / "tests/always.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
                self.pack(folder)
                self.assertEqual([fault["file"] for fault in self.verdict(folder)["faults"]], ["tests/always.jsonl:5"])

    def test_weights_beside_the_model_come_along(self):
        manifest = json.loads((self.imported("tensor") / "model.json").read_text())
        sizes = {file["path"]: file["bytes"] for file in manifest["files"]}
        self.assertEqual(sorted(sizes.values()), sorted([1235, 18432, sizes["tests/always.jsonl"]]))
        self.assertEqual(manifest["inputs"], {"X": "tensor<float32>[8]"})
        self.assertEqual(manifest["produced"]["library"], "mlflow")

    def test_what_is_no_such_folder_is_refused_and_leaves_nothing(self):
        out = self.folder / "out"
        for place, words in ((f"mlflow:{self.folder / 'absent'}", "MLmodel"), (f"onnx:{self.folder}", "mlflow:")):
            run = self.anabranch("model", "import", place, "--out", out)
            self.assertNotEqual(run.code, EXIT_OK)
            self.assertIn(words, run.stderr)
            self.assertFalse(out.exists())


class Contracts(PackageCase):
    """What the nodes of a topology need, beside what a package promises itself."""

    def topology(self, fields=("sepal_length_mm", "sepal_width_mm", "petal_length_mm", "petal_width_mm")):
        """Serves iris@7 from a registry, its features in the package."""
        registry = self.folder / "registry"
        registry.mkdir()
        shutil.move(self.lay(), registry / "iris-7")
        return harness.write_json(self.folder / "topology.json", {
            "anabranch": 1, "name": "flowers",
            "schemas": {"flower": {"type": "object", "required": list(fields), "properties": {name: {"type": "number"} for name in fields}}},
            "models": {"iris": {"registry": "registry", "start": "7"}},
            "sources": {"flowers": {"file": {"path": "in.jsonl"}, "schema": "flower", "key": "position"}},
            "nodes": {
                "score": {"kind": "infer", "inputs": ["flowers"], "model": "iris", "features": "package",
                          "outputs": {"species": "label", "p": "probabilities", "p_virginica": "probabilities['virginica']"}},
                "out": {"kind": "persist", "inputs": ["score"], "to": {"file": {"path": "out.jsonl"}}},
            }})

    def refusals(self, folder, file):
        return [(fault["code"], fault["message"]) for fault in self.verdict(folder, "--for", file)["faults"]]

    def next_version(self, change=lambda manifest: None, version="8"):
        folder = self.lay(f"iris-{version}")
        self.edit(folder / "model.json", lambda manifest: (put(manifest, "version", version), change(manifest)))
        self.pack(folder)
        return folder

    def test_a_version_that_fits_is_accepted(self):
        file = self.topology()
        self.assertEqual(self.refusals(self.next_version(), file), [])

    def test_7_a_column_that_the_topology_lacks(self):
        file = self.topology()
        folder = self.next_version()
        self.edit(folder / "model.json", lambda manifest: put(manifest, "inputs.stem_mm", "float64"))
        self.edit(folder / "features.json", lambda features: put(features, "set.sepal_length", "coalesce(stem_mm, sepal_length_mm) / 10"))
        self.pack(folder)
        (code, message), = self.refusals(folder, file)
        self.assertEqual(code, "contract")
        self.assertIn("stem_mm", message)

    def test_9_another_set_of_classes(self):
        file = self.topology()
        folder = self.next_version(lambda manifest: put(manifest, "outputs.probabilities.classes", ["setosa", "versicolor", "blue"]))
        self.edit(folder / "model.json", lambda manifest: put(manifest, "decision", "probabilities['blue'] > 0.5"))
        self.pack(folder)
        refusals = self.refusals(folder, file)
        self.assertEqual({code for code, _ in refusals}, {"contract"}, refusals)
        self.assertIn("virginica", refusals[0][1])

    def test_10_the_same_classes_in_another_order_are_accepted(self):
        file = self.topology()
        folder = self.next_version(lambda manifest: put(manifest, "outputs.probabilities.classes", ["virginica", "setosa", "versicolor"]))
        self.assertEqual(self.refusals(folder, file), [])

    def test_17_a_version_that_is_known_with_another_digest(self):
        file = self.topology()
        folder = self.next_version(lambda manifest: put(manifest, "decision", "probabilities['virginica'] > 0.6"), version="7")
        (code, message), = self.refusals(folder, file)
        self.assertEqual(code, "version_taken")
        self.assertIn("iris@7", message)


class Views(PackageCase):
    def test_a_package_is_shown(self):
        folder = self.lay()
        shown = json.loads(self.anabranch("model", "inspect", folder, "--format", "json", code=EXIT_OK).stdout)
        self.assertEqual(shown["features"], ["sepal_length", "sepal_width", "petal_length", "petal_width"])
        self.assertEqual(shown["approval"], {"approved_by": "grace", "built_by": "ada"})
        self.assertIn("sepal_length = sepal_length_mm / 10", self.anabranch("model", "inspect", folder, code=EXIT_OK).stdout)

    def test_a_kitfile_names_every_file(self):
        folder = self.lay()
        self.anabranch("model", "export", folder, "--kitfile", folder.parent / "Kitfile", code=EXIT_OK)
        text = (folder.parent / "Kitfile").read_text()
        for path in ("./model.onnx", "./features.json", "./tests/always.jsonl", "./card.md", "./model.json"):
            self.assertIn(path, text)


if __name__ == "__main__":
    harness.main()
