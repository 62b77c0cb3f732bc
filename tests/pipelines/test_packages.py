"""Packages of models: what is refused, and with which reason; packing, tars, import from MLflow, export."""
import json
import shutil
import signal
import subprocess
import tarfile
import time

import harness
from harness import EXIT_FAULTY, EXIT_OK, EXIT_STAGE, EXIT_UNAVAILABLE

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


class Hostile(PackageCase):
    """Packages that are made to do harm, not to be used."""

    def refusal(self, place, *arguments):
        fault, = self.verdict(place, *arguments)["faults"]
        return fault["code"], fault["file"]

    def test_json_in_json_without_end_is_a_fault(self):
        folder = self.lay()
        deep = "[" * 300_000
        always = folder / "tests/always.jsonl"
        row = always.read_text().splitlines()[0]
        always.write_text(row + "\n" + row.replace("{", '{"x": ' + deep + "]" * 300_000 + ", ", 1) + "\n")
        self.pack(folder)
        self.assertEqual(self.refusal(folder), ("test_row", "tests/always.jsonl:2"))
        manifest = (folder / "model.json").read_text()
        (folder / "model.json").write_text(manifest.replace("{", '{"x-own": ' + deep + "]" * 300_000 + ",", 1))
        self.assertEqual(self.refusal(folder), ("manifest", "model.json"))
        self.assertIn("64 deep", self.pack(folder, code=EXIT_STAGE).stderr)
        (folder / "model.json").write_text(manifest)
        (folder / "features.json").write_text('{"set": ' + '{"a":' * 300_000 + "1" + "}" * 300_001)
        self.assertIn("64 deep", self.pack(folder, code=EXIT_STAGE).stderr)

    def test_of_many_faulty_rows_the_first_are_named(self):
        folder = self.lay()
        (folder / "tests/confidence.jsonl").write_text("{}\n" * 60_000)
        self.pack(folder)
        faults = self.verdict(folder)["faults"]
        self.assertEqual({fault["code"] for fault in faults}, {"test_row"})
        self.assertEqual(len(faults), 10)
        self.assertIn("59990 more", faults[-1]["message"])

    def test_a_list_of_very_many_files_is_a_fault_of_its_own(self):
        folder = self.lay()
        files = [{"path": f"f{i}", "bytes": 1, "sha256": "0"} for i in range(60_000)]
        self.edit(folder / "model.json", lambda manifest: put(manifest, "files", files))
        self.assertIn(("manifest", "model.json"), [(fault["code"], fault["file"]) for fault in self.verdict(folder)["faults"]])

    def test_very_many_faults_are_counted(self):
        folder = self.lay()
        self.edit(folder / "model.json", lambda manifest: manifest.update({f"odd{i}": i for i in range(20_000)}))
        self.assertEqual(len(self.verdict(folder)["faults"]), 100)

    def test_a_tar_whose_model_crashes_leaves_nothing(self):
        tar = self.folder / "package.tar"
        folder = self.lay_model("odd/crash.onnx")
        self.pack(folder)
        self.anabranch("model", "export", folder, "--tar", tar, code=EXIT_OK)
        temporary = self.folder / "temporary"
        temporary.mkdir()
        run = self.anabranch("model", "check", tar, env={"TMPDIR": temporary}, code=EXIT_STAGE)
        self.assertIn("crashed", run.stderr)
        self.assertEqual(list(temporary.iterdir()), [])

    def test_without_a_temporary_folder_nothing_is_unpacked(self):
        tar = self.folder / "package.tar"
        self.anabranch("model", "export", self.lay(), "--tar", tar, code=EXIT_OK)
        registry = self.folder / "registry"
        registry.mkdir()
        shutil.move(tar, registry)
        file = harness.write_json(self.folder / "topology.json", {
            "anabranch": 1, "name": "flowers", "schemas": {"flower": {"type": "object"}},
            "models": {"iris": {"registry": "registry", "start": "7"}},
            "sources": {"flowers": {"file": {"path": "in.jsonl"}, "schema": "flower", "key": "position"}},
            "nodes": {"score": {"kind": "infer", "inputs": ["flowers"], "model": "iris", "features": "package", "outputs": {"species": "label"}},
                      "out": {"kind": "persist", "inputs": ["score"], "to": {"file": {"path": "out.jsonl"}}}}})
        for place in ("/proc", self.folder / "absent"):
            for run in (self.anabranch("check", file, env={"TMPDIR": place}), self.anabranch("model", "check", registry / tar.name, env={"TMPDIR": place})):
                self.assertIn("TMPDIR", run.stderr + run.stdout)
                self.assertIn(run.code, (EXIT_FAULTY, EXIT_UNAVAILABLE))

    def test_the_gates_end_when_nobody_waits_for_them(self):
        folder = self.lay_model("odd/stubborn.onnx")
        self.pack(folder)
        begin = time.monotonic()
        run = self.anabranch("model", "check", folder, "--in-process", "--timeout", "1")
        self.assertEqual(run.code, -signal.SIGALRM)
        self.assertLess(time.monotonic() - begin, 10 * harness.PATIENCE)

    def test_weights_with_the_name_of_another_file_are_not_imported(self):
        folder = self.folder / "saved"
        folder.mkdir()
        model = (TESTS / "models/odd/twice.onnx").read_bytes()
        named = b"\x12\x0ftwice.onnx.data"
        self.assertIn(named, model)
        # An unknown field behind it keeps the lengths.
        (folder / "twice.onnx").write_bytes(model.replace(named, b"\x12\x0amodel.onnx\x1a\x03abc"))
        (folder / "model.onnx").write_bytes(bytes(1000))
        (folder / "MLmodel").write_text("flavors:\n  onnx:\n    data: twice.onnx\n")
        out = self.folder / "out"
        run = self.anabranch("model", "import", f"mlflow:{folder}", "--out", out, code=EXIT_STAGE)
        self.assertIn("is the name of another file", run.stderr)
        self.assertFalse(out.exists())


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
