"""`anabranch topics` on a real broker: it lists what a topology needs, makes what is missing, and reports wrong settings."""
import json
import shutil

import harness
from harness import EXIT_FAULTY, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE

NOT_READY = 1


def kafka_files(folder):
    """Every topology of the examples and templates, made in `folder`."""
    for example in sorted(path.parent for path in harness.ROOT.glob("examples/*/topology*.json")):
        shutil.copytree(example, folder / example.name, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".anabranch"))
    return sorted(folder.glob("*/topology*.json"))


class TopicsCase(harness.KafkaCase):
    broker_properties = ("num.partitions=2",)

    def topics(self, *args, code=EXIT_OK, **kwargs):
        return self.anabranch("topics", *args, code=code, **kwargs)

    def listed(self, *args, code=EXIT_OK, **kwargs):
        """The report of one file: name -> the entry of the topic."""
        report = json.loads(self.topics(*args, "--format", "json", code=code, **kwargs).stdout)
        self.assertEqual(report["ok"], code == EXIT_OK)
        return {topic["name"]: topic for topic in report["files"][0]["topics"]}

    def topology(self, name, sources=("in",), target="out", dead="dead", connection=None):
        """NAME.in… to NAME.out: from Kafka to Kafka without a model."""
        return harness.write_json(self.folder / f"{name}.json", {
            "anabranch": 1, "name": name,
            "connections": {"main": {"kafka": {"bootstrap.servers": "${KAFKA_BROKERS}", **(connection or {})}}},
            "schemas": {"record": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}},
            "sources": {"numbers": {"kafka": {"topics": [f"{name}.{source}" for source in sources]}, "schema": "record"}},
            "nodes": {"add": {"kind": "transform", "inputs": ["numbers"], "set": {"more": "n + 1"}},
                      "out": {"kind": "persist", "inputs": ["add"], "fields": "*", "to": {"kafka": {"topic": f"{name}.{target}"}}}},
            "dead_letters": {"kafka": {"topic": f"{name}.{dead}"}}})

    def identities(self, names):
        """What the broker knows of each topic: a topic that was made again has another id."""
        from confluent_kafka import TopicCollection
        found = self.broker.admin.describe_topics(TopicCollection(names))
        return {name: (str(future.result(20).topic_id), len(future.result(20).partitions)) for name, future in found.items()}

    def existing(self):
        return set(harness.patiently(lambda: self.broker.admin.list_topics(timeout=20)).topics)


class Examples(TopicsCase):
    def ready(self, file):
        """Goes from a broker without the topics to a run."""
        needed = self.listed(file, code=NOT_READY)
        self.assertTrue(needed)
        self.assertEqual({topic["state"] for topic in needed.values()}, {"missing"})
        self.assertFalse(self.existing() & set(needed), "to list makes nothing")
        made = self.listed(file, "--create")
        self.assertEqual({topic["state"] for topic in made.values()}, {"made"})
        self.assertEqual(list(made), list(needed))
        self.anabranch("run", "--once", file, code=EXIT_OK)
        before = self.identities(list(needed))
        again = self.topics(file, "--create")
        self.assertIn(f"{len(needed)} topics ready", again.stderr)
        self.assertNotIn("made", again.stdout + again.stderr)
        self.assertEqual(self.identities(list(needed)), before)

    def test_create_makes_a_fresh_broker_ready_for_every_example(self):
        with_topics = 0
        for file in kafka_files(self.folder):
            with self.subTest(file=str(file.relative_to(self.folder))):
                if '"kafka"' in file.read_text():
                    with_topics += 1
                    self.ready(file)
                else:
                    run = self.topics(file, "--create")
                    self.assertIn("this topology needs no topics", run.stderr)
        self.assertGreaterEqual(with_topics, 2)

    def test_create_makes_a_fresh_broker_ready_for_every_template(self):
        for template in sorted(path.stem for path in harness.ROOT.glob("topologies/templates/*.json")):
            with self.subTest(template=template):
                self.anabranch("init", "--template", template, self.folder / template, code=EXIT_OK)
                file = self.folder / template / "topology.json"
                if '"kafka"' not in file.read_text():
                    continue
                models = self.folder / template / "models"
                models.mkdir()
                shutil.copy(harness.ROOT / "tests/models/logistic_string_labels.onnx", models / "model.onnx")
                self.ready(file)

    def test_records_pass_right_after_create(self):
        file = self.topology("pass")
        self.topics(file, "--create", "--partitions", 3)
        self.broker.produce({"topic": "pass.in", "key": b"%d" % n, "value": b'{"n":%d}' % n} for n in range(30))
        self.broker.produce([{"topic": "pass.in", "value": b"{broken"}])
        self.anabranch("run", "--once", file, code=EXIT_OK)
        self.assertEqual((len(self.broker.read("pass.out")), len(self.broker.read("pass.dead"))), (30, 1))


class Missing(TopicsCase):
    def test_three_missing_topics_are_listed_with_who_needs_each(self):
        file = self.topology("three", sources=("in", "more"))
        self.broker.make_topics({"three.in": 2})
        found = self.listed(file, code=NOT_READY)
        self.assertEqual({name: topic["state"] for name, topic in found.items()},
                         {"three.in": "ok", "three.more": "missing", "three.out": "missing", "three.dead": "missing"})
        self.assertEqual({name: topic["needed_by"] for name, topic in found.items()},
                         {"three.in": ['read by source "numbers"'], "three.more": ['read by source "numbers"'],
                          "three.out": ['written by node "out"'], "three.dead": ["dead letters"]})
        run = self.topics(file, code=NOT_READY)
        self.assertIn(f"3 of 4 topics missing\nMake what is missing:\n  anabranch topics {file} --create\n", run.stderr)

    def test_the_messages_of_run_and_doctor_name_the_command_first(self):
        file = self.topology("named")
        command = f"anabranch topics {file} --create"
        for args in (("run", "--once", file), ("doctor", file)):
            run = self.anabranch(*args, code=EXIT_UNAVAILABLE)
            said = run.stdout + run.stderr
            self.assertIn(f"3 topics do not exist on {self.broker.address}. Make them first: {command}\n", said)
            self.assertLess(said.index(command), said.index("kafka-topics.sh"))
        self.anabranch("dlq", "ls", file, code=EXIT_UNAVAILABLE)
        self.assertIn(f'topic "named.dead" does not exist on {self.broker.address}; make it: {command}', self.runs[-1].stderr)

    def test_status_names_the_command_when_a_topic_is_deleted(self):
        file = self.topology("gone")
        self.topics(file, "--create")
        self.anabranch("run", "--once", file, code=EXIT_OK)
        self.broker.admin.delete_topics(["gone.out"], operation_timeout=20)["gone.out"].result(20)
        self.wait_until("the topic is gone", 20, lambda: "gone.out" not in self.existing())
        shown = self.anabranch("status", file, code=EXIT_OK).stdout
        self.assertIn(f"one topic does not exist on {self.broker.address}. Make it first: anabranch topics {file} --create", shown)


class Create(TopicsCase):
    def partitions(self, file, *args):
        found = self.listed(file, "--create", *args)
        return [topic["partitions"] for topic in found.values()]

    def test_results_get_the_partitions_of_the_largest_source_and_dead_letters_one(self):
        self.broker.make_topics({"like.in": 3, "like.more": 5})
        self.assertEqual(self.partitions(self.topology("like", sources=("in", "more"))), [3, 5, 5, 1])

    def test_without_a_source_the_default_of_the_broker_counts(self):
        self.assertEqual(self.partitions(self.topology("default")), [2, 2, 1])

    def test_partitions_are_for_sources_and_results_or_for_the_topic_that_is_named(self):
        self.assertEqual(self.partitions(self.topology("said"), "--partitions", 4), [4, 4, 1])
        self.assertEqual(self.partitions(self.topology("both"), "--partitions", "both.dead=3", "--partitions", 4), [4, 4, 3])
        self.assertEqual(self.partitions(self.topology("lead"), "--partitions", "lead.in=6"), [6, 6, 1])
        file = self.topology("typing")
        run = self.topics(file, "--create", "--partitions", "typing.inn=6", code=EXIT_USAGE)
        self.assertIn('did you mean "typing.in"?', run.stderr)
        self.assertFalse({"typing.in", "typing.out", "typing.dead"} & self.existing())

    def test_written_topics_are_kept_by_age_whatever_the_default_of_the_broker_is(self):
        broker, args = harness.Broker(("log.cleanup.policy=compact",)), ("--create",)
        self.addCleanup(broker.stop)
        file = self.topology("age")
        found = self.listed(file, *args, env={"KAFKA_BROKERS": broker.address})
        self.assertEqual([topic["settings"]["cleanup.policy"] for topic in found.values()], ["compact", "delete", "delete"])

    def test_what_the_broker_refuses_is_named_and_nothing_is_made(self):
        file = self.topology("refused", sources=("in", "more"))
        run = self.topics(file, "--create", "--replication", 3, code=NOT_READY)
        self.assertIn('problem: topics "refused.in", "refused.more", "refused.out", "refused.dead": could not be made: ', run.stdout)
        self.assertIn("replication factor of 3", run.stdout)
        self.assertIn("Ask for a replication of at most the number of brokers", run.stdout)
        self.assertIn("Nothing was made.", run.stderr)
        self.assertFalse({name for name in self.existing() if name.startswith("refused.")})

    def test_one_refused_topic_keeps_the_others_from_being_made(self):
        self.broker.make_topics({"half_out": 1})  # Kafka refuses "half.out" beside it
        run = self.topics(self.topology("half"), "--create", code=NOT_READY)
        self.assertIn('problem: topic "half.out": could not be made: ', run.stdout)
        self.assertIn("half_out", run.stdout)
        self.assertIn("half: 3 of 3 topics missing\nNothing was made.", run.stderr)
        self.assertFalse({name for name in self.existing() if name.startswith("half.")})

    def test_processes_that_create_at_once_all_succeed_and_make_each_topic_once(self):
        file = self.topology("race", sources=("in", "more"))
        runs = [self.start("topics", file, "--create", "--format", "json") for _ in range(4)]
        for run in runs:
            self.assertEqual(run.wait(30), EXIT_OK, run)
        made = [topic["name"] for run in runs for topic in json.loads(run.stdout)["files"][0]["topics"] if topic["state"] == "made"]
        self.assertEqual(sorted(made), ["race.dead", "race.in", "race.more", "race.out"])

    def test_files_that_share_topics(self):
        first, second = self.topology("first"), self.topology("second")
        topology = json.loads(second.read_text())
        topology["sources"]["numbers"]["kafka"]["topics"] = ["first.out"]
        harness.write_json(second, topology)
        run = self.topics(first, second, "--create", "--partitions", "first.in=3")
        self.assertIn("first: 3 topics made, 3 topics ready", run.stderr)
        self.assertIn("second: 2 topics made, 3 topics ready", run.stderr)
        self.assertEqual(self.identities(["second.out"])["second.out"][1], 3, "as many as the source, which first made")


class Settings(TopicsCase):
    def test_wrong_partitions_are_reported_and_not_changed(self):
        self.broker.make_topics({"count.in": 4, "count.out": 2, "count.dead": 1})
        file = self.topology("count")
        self.topics(file)
        run = self.topics(file, "--create", "--partitions", 4, "--replication", 1, code=NOT_READY)
        self.assertIn('problem: topic "count.out": has 2 partitions, and 4 were asked for.', run.stdout)
        self.assertIn(f"kafka-topics.sh --bootstrap-server {self.broker.address} --alter --topic count.out --partitions 4", run.stdout)
        self.assertNotIn('"count.in"', run.stdout)
        self.assertIn("1 of 3 topics with a problem", run.stderr)
        self.assertEqual(self.identities(["count.out"])["count.out"][1], 2)

    def test_compaction_is_a_problem_for_results_and_dead_letters_and_a_note_for_a_source(self):
        names = ("compact.in", "compact.out", "compact.dead")
        self.broker.make_topics(dict.fromkeys(names, 1), {"cleanup.policy": "compact"})
        file = self.topology("compact")
        found = self.listed(file, code=NOT_READY)
        self.assertEqual([found[name]["state"] for name in names], ["ok", "problem", "problem"])
        self.assertIn('cleanup.policy is "compact"', found["compact.in"]["notes"][0])
        for name in names[1:]:
            self.assertIn(f"kafka-configs.sh --bootstrap-server {self.broker.address} --alter --entity-type topics "
                          f"--entity-name {name} --add-config cleanup.policy=delete", found[name]["problems"][0])
            self.broker.configure(name, {"cleanup.policy": "delete"})
        self.wait_until("no problem is left", 20, lambda: self.anabranch("topics", file).code == EXIT_OK, pause=0.2)

    def test_writes_that_would_fail_for_lack_of_replicas_are_reported(self):
        self.broker.make_topics({"sync.in": 1, "sync.out": 1, "sync.dead": 1}, {"min.insync.replicas": "2"})
        found = self.listed(self.topology("sync"), code=NOT_READY)
        self.assertEqual([topic["state"] for topic in found.values()], ["ok", "problem", "problem"])
        self.assertIn("min.insync.replicas is 2", found["sync.out"]["problems"][0])


class Away(TopicsCase):
    def test_a_broker_that_is_away_and_a_faulty_file_have_their_codes(self):
        away = f"127.0.0.1:{harness.closed_port()}"
        file = self.topology("away")
        run = self.topics(file, "--create", env={"KAFKA_BROKERS": away}, code=EXIT_UNAVAILABLE, timeout=20)
        self.assertIn(away, run.stderr)
        report = json.loads(self.topics(file, "--format", "json", env={"KAFKA_BROKERS": away}, code=EXIT_UNAVAILABLE).stdout)
        self.assertFalse(report["ok"])
        self.assertIn(away, report["files"][0]["error"])
        faulty = json.loads(file.read_text())
        faulty["nodes"]["out"]["inputs"] = ["nobody"]
        bad = harness.write_json(self.folder / "bad.json", faulty)
        self.topics(file, bad, "--create", code=EXIT_FAULTY)
        self.assertFalse({name for name in self.existing() if name.startswith("away.")}, "nothing is made beside a faulty file")


class Denied(TopicsCase):
    """A user that may not do everything: the right that is missing is named."""

    USER, PASSWORD = "scorer", "hunter2-not-shown"

    def test_the_right_that_is_missing_is_named(self):
        from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType
        broker = harness.Broker(
            ("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users=User:ANONYMOUS",
             "listener.name.login.sasl.enabled.mechanisms=SCRAM-SHA-512",
             "listener.name.login.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;"),
            ("--listener", "LOGIN=SASL_PLAINTEXT", "--scram", f"SCRAM-SHA-512=[name={self.USER},password={self.PASSWORD}]"))
        self.addCleanup(broker.stop)
        env = {"KAFKA_BROKERS": broker.listener("LOGIN"), "SECRET": self.PASSWORD}
        file = self.topology("denied", connection={"security.protocol": "sasl_plaintext", "sasl.mechanism": "SCRAM-SHA-512",
                                                   "sasl.username": self.USER, "sasl.password": "${SECRET}"})

        def grant(operation):
            binding = AclBinding(ResourceType.TOPIC, "denied.", ResourcePatternType.PREFIXED, f"User:{self.USER}", "*",
                                 operation, AclPermissionType.ALLOW)
            for future in broker.admin.create_acls([binding]).values():
                future.result(30)

        run = self.topics(file, "--create", env=env, code=EXIT_UNAVAILABLE)
        self.assertIn("grant DESCRIBE", run.stderr)
        grant(AclOperation.DESCRIBE)
        run = self.topics(file, "--create", env=env, code=NOT_READY)
        self.assertIn('This user may not create it: grant CREATE on the topic "denied.in" or on the cluster', run.stdout)
        grant(AclOperation.CREATE)
        run = self.topics(file, "--create", env=env, code=EXIT_OK)
        self.assertIn("3 topics made, 3 topics ready", run.stderr)
        self.assertIn("grant DESCRIBE_CONFIGS on the topic", run.stdout)
        grant(AclOperation.DESCRIBE_CONFIGS)
        run = self.topics(file, "--create", env=env, code=EXIT_OK)
        self.assertNotIn("note:", run.stdout)
        self.assertNotIn(self.PASSWORD, "".join(run.stdout + run.stderr for run in self.runs))


if __name__ == "__main__":
    harness.main()
