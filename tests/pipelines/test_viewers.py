"""What different people get to see and to order: a reader, an operator, and nobody in particular."""
import concurrent.futures
import json
import signal
import socket
import time

import harness
from harness import EXIT_OK, EXIT_UNAVAILABLE
from live import LiveCase
from service import Served

PAN = "pan-9b2e44"
READER, OPERATOR = "reader-0123456789abc", "operator-0123456789a"


class ViewersCase(LiveCase):
    """in → feat (divides by the amount) → out, behind a proxy that tells readers and operators apart."""

    schema = {"type": "object", "required": ["id", "amount"],
              "properties": {"id": {"type": "string"}, "amount": {"type": "integer"}, "pan": {"type": "string", "x-sensitive": True}}}
    nodes = {"feat": {"kind": "transform", "inputs": ["in"], "set": {"rest": "100 % amount"}},
             "out": {"kind": "persist", "inputs": ["feat"], "to": {"file": {"path": "out.jsonl"}}, "fields": ["rest"]}}

    def serve(self, *args, **more):
        self.write_topology(sources={"in": {"file": {"path": "-"}, "schema": "s", "envelope": "record"}},
                            dead_letters={"file": {"path": "dead.jsonl"}}, **more)
        tokens = self.folder / "tokens"
        tokens.write_text(f"read:rita:{READER}\noperate:otto:{OPERATOR}\n")
        self.run_ = self.begin("--http", "127.0.0.1:0", "--http-behind-proxy", "--http-tokens", tokens, *args)
        self.served = Served(self, self.run_)
        return self.served

    def say(self, path, token, method="GET", body=None, **more):
        code, text, _ = self.served.ask("/api/v1/" + path, method, body, token=token, **more)
        return code, json.loads(text)

    def record(self, name, amount, key="k", headers=None, **more):
        self.feed(self.run_, {"key": key, "headers": headers or {}, "value": {"id": name, "amount": amount, "pan": PAN, **more}})

    def letters(self, count):
        def all_there():
            code, answer = self.say("letters", OPERATOR)
            return code == 200 and answer["total"] == count and answer["letters"]
        return self.wait_until(f"{count} letters", 20, all_there, self.run_)

    def audit(self):
        path = self.state / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Values(ViewersCase):
    def test_a_record_of_any_depth_is_shown_to_a_reader_without_harm(self):
        self.serve()
        deep = b"[" * 30_000 + b"]" * 30_000
        line = b'{"key": "k", "value": {"id": "deep", "amount": 1, "pan": "%s", "x": %s}}'
        self.feed(self.run_, json.dumps({"key": "k", "value": "plain"}).encode(), line % (PAN.encode(), deep))
        for letter in self.letters(2):
            code, shown = self.say("letters/" + letter["id"], READER)
            self.assertEqual((code, shown["value"], shown["masked"]), (200, "***", True))
        self.assertEqual(self.say("snapshot", READER)[0], 200)
        self.record("good", 7)
        self.finish(self.run_)

    def test_a_sensitive_value_is_hidden_where_it_comes_again(self):
        self.serve()
        for token in (READER, OPERATOR):
            code, tap = self.say("taps", token, "POST", {"nodes": ["feat"], "limit": 0, "reveal": token == OPERATOR})
            self.assertEqual(code, 201, tap)
        self.record("bad", "none", key=PAN, headers={"card": PAN, "page": "7"})
        self.record("good", 7, key=PAN, headers={"card": PAN, "page": "7"})
        (letter,) = self.letters(1)
        path = "letters/" + letter["id"]
        self.assertNotIn(PAN, json.dumps(self.say(path, READER)[1]))
        shown = self.say(path, READER)[1]
        self.assertEqual((shown["key"], dict(shown["headers"])["card"], dict(shown["headers"])["page"]), ("***", "***", "7"))
        self.assertEqual(self.say(path + "?reveal=1", OPERATOR)[1]["key"], PAN)
        order = {"ids": [letter["id"], "file:in/0/999"]}
        self.assertEqual(self.say("letters/export", READER, "POST", order), (200, {"letters": [shown]}))
        self.assertEqual(self.say("letters/export", READER, "POST", {**order, "reveal": True})[0], 403)
        (whole,) = self.say("letters/export", OPERATOR, "POST", {**order, "reveal": True})[1]["letters"]
        self.assertEqual((whole["key"], "masked" in whole), (PAN, False))
        rows = self.wait_until("the row", 20, lambda: self.say("taps/t1?after=0", READER)[1]["rows"], self.run_)
        self.assertNotIn(PAN, json.dumps(rows))  # no node reads the field: there is no column to compare with
        self.assertEqual(rows[0]["key"], "***")
        self.finish(self.run_)

    def test_a_tap_is_its_owners(self):
        self.serve()
        code, tap = self.say("taps", OPERATOR, "POST", {"nodes": ["feat"], "record": True, "reveal": True, "limit": 0})
        self.assertEqual(code, 201)
        self.record("a", 7)
        path = f"taps/{tap['id']}"
        self.wait_until("the row", 20, lambda: self.say(path + "?after=0", OPERATOR)[1]["rows"], self.run_)
        self.assertEqual(self.say(path + "?after=0", READER)[0], 404)
        self.assertEqual(self.say(path, READER, "DELETE")[0], 404)
        self.assertIn(PAN, json.dumps(self.say(path + "?after=0", OPERATOR)[1]["rows"]))
        self.assertEqual(self.say(path, OPERATOR, "DELETE")[0], 200)
        self.finish(self.run_)

    def test_the_message_of_a_failure_is_hidden_where_it_may_quote(self):
        self.serve("--on-stop", "stay", nodes={
            "check": {"kind": "validate", "inputs": ["in"], "on_error": {"record": "stop"}, "rules": {"known": "pan != 'x'"}},
            "feat": {**self.nodes["feat"], "inputs": ["check"]}, "out": self.nodes["out"]})
        self.feed(self.run_, {"key": "k", "value": {"id": "a", "amount": 7, "pan": 12345}})
        failed = lambda: self.say("snapshot", READER)[1]["failure"]
        failure = self.wait_until("the stage stopped", 20, failed, self.run_)
        self.assertEqual((failure["message"], failure["masked"]), ("***", True))
        self.assertEqual(self.say("snapshot?reveal=1", READER)[1]["failure"]["message"], "***")
        self.assertIn("pan", self.say("snapshot?reveal=1", OPERATOR)[1]["failure"]["message"])
        self.assertEqual(self.say("restart", READER)[1]["failure"]["message"], "***")
        self.run_.send(signal.SIGTERM)
        self.run_.wait(20)
        for command in ("status", "restart"):
            more = ["--dry-run"] if command == "restart" else []
            shown = self.anabranch(command, self.topology, *more)
            self.assertNotIn("12345", shown.stdout + shown.stderr + self.run_.stderr)
            self.assertIn("stopped", shown.stdout)
        self.assertIn("12345", self.anabranch("status", self.topology, "--reveal").stdout)

    def test_the_terminal_hides_it_too(self):
        self.serve(nodes={"feat": {**self.nodes["feat"], "on_error": {"record": "stop"}},
                          "out": {**self.nodes["out"], "inputs": ["feat"]}})
        self.record("good", 7)
        self.record("bad", "none", key=PAN)
        (letter,) = self.letters(1)
        self.finish(self.run_)
        self.assertIn("1 × schema (***)", self.run_.stderr)
        for form in ("text", "json"):
            shown = self.anabranch("dlq", "show", self.topology, letter["id"], "--format", form, code=EXIT_OK)
            self.assertNotIn(PAN, shown.stdout)
            self.assertIn("--reveal", shown.stderr)
            shown = self.anabranch("dlq", "show", self.topology, letter["id"], "--format", form, "--reveal", code=EXIT_OK)
            self.assertEqual(shown.stdout.count(PAN), 2)

    def test_a_secret_of_the_file_is_in_no_part_of_the_topology(self):
        secret = self.folder / "secret"
        secret.write_text("hush-77aa01")
        word = "${file:%s}" % secret
        self.serve("--allow-path", self.folder, nodes={
            "feat": {"kind": "transform", "inputs": ["in"], "set": {"rest": "100 % amount"}, "description": f"of {word}",
                     "when": f"id != '{word}'", "where": f"id != '{word}x'"},
            "out": {"kind": "persist", "inputs": ["feat"], "to": {"file": {"path": f"out-{word}.jsonl"}}, "fields": ["rest"]}})
        self.record("bad", 0)
        (letter,) = self.letters(1)
        (run,) = self.say("runs", READER)[1]["runs"]
        tap = self.say("taps", OPERATOR, "POST", {"nodes": ["feat"]})[1]["id"]
        names = {"letters": letter["id"], "runs": run["id"], "taps": tap}
        asked = 0
        for route, methods in self.say("openapi.json", READER)[1]["paths"].items():
            path = route.removeprefix("/api/v1/")
            path = path.replace("{id}", names.get(path.split("/")[0], "x"))
            for method in methods:
                body = {"x": 1} if method == "post" else None
                code, text, _ = self.served.ask("/api/v1/" + path, method.upper(), body, token=OPERATOR)
                wanted = (200, 400, 404, 503) if method != "get" else (409,) if "{model}" in route else (200,)  # it has no such model
                self.assertIn(code, wanted, path)
                self.assertNotIn("hush-77aa01", text, path)
                asked += 1
        print(f"    a secret of the file: 0 times in {asked} answers", flush=True)
        target = self.say("topology", READER)[1]["stages"][2]["target"]["describe"]
        self.assertIn("***", target)
        self.record("good", 7)
        self.finish(self.run_)
        for name in ("history.db", "history.db-wal", "audit.jsonl"):
            if (self.state / name).exists():
                self.assertNotIn(b"hush-77aa01", (self.state / name).read_bytes(), name)


class Orders(ViewersCase):
    def test_a_replay_is_what_was_meant_or_nothing(self):
        self.serve()
        for n in range(3):
            self.record(f"bad{n}", 0)
        self.letters(3)
        for body in ({}, {"nodes": "feat"}, {"node": ["feat"], "dry_run": "true"}, {"node": "feat", "dry_run": "true"}, {"ids": []},
                     {"ids": [1]}, {"ids": "x"}, {"node": "", "code": ""}, {"all": "yes"}, [], "all", {"all": False}):
            code, answer = self.say("letters/replay", OPERATOR, "POST", body)
            self.assertEqual((code, "letters" in answer), (400, False), (body, answer))
        for path, body in (("restart", {"token": 7, "confirm": "live"}), ("letters/skip", {"confirm": ["live"]}),
                           ("letters/skip", {"confirmed": "live"})):
            self.assertEqual(self.say(path, OPERATOR, "POST", body)[0], 400, body)
        # Its target is a file: what the pipeline writes now cannot be written by a replay beside it.
        code, answer = self.say("letters/replay", OPERATOR, "POST", {"node": "feat", "dry_run": True})
        self.assertEqual((code, answer["letters"], list(answer["cannot"].values())), (200, 0, [3]), answer)
        code, answer = self.say("letters/replay", OPERATOR, "POST", {"all": True})
        self.assertEqual((code, answer["error"]["code"]), (409, "not_now"), answer)
        self.assertIn("anabranch dlq replay", answer["error"]["cure"])
        self.letters(3)
        self.record("good", 7)
        self.finish(self.run_)

    def test_nobody_writes_the_audit_full(self):
        self.serve()
        order = {"token": "x", "confirm": "live"}
        self.assertEqual(self.say("restart", OPERATOR, "POST", order)[0], 409)
        self.assertEqual(self.say("letters/skip", OPERATOR, "POST", {"confirm": "é" * 400})[0], 400)  # cut within none
        for token in (False, "wrong-0123456789abcdef"):
            for _ in range(100):
                self.assertIn(self.say("restart", token, "POST", order)[0], (401, 429))
        self.assertEqual([line["who"] for line in self.audit()], ["otto", "otto"])
        time.sleep(1)  # wrong tokens
        for _ in range(200):
            self.assertEqual(self.say("restart", READER, "POST", order)[0], 403)
        lines = self.audit()
        self.assertLess(len(lines), 70)
        self.assertEqual(self.say("restart", OPERATOR, "POST", order)[0], 409)
        self.assertEqual(self.audit()[-1]["refused_before"], 200 - (len(lines) - 2))
        print(f"    400 orders that were refused: {len(lines) - 2} lines in the audit", flush=True)
        code, answer = self.say("audit", READER)
        self.assertEqual((code, answer["lines"][-1]["who"]), (200, "otto"))
        self.finish(self.run_)

    def test_an_address_is_what_the_nearest_proxy_says(self):
        served = self.serve()
        host = f"Host: 127.0.0.1:{served.port}\r\n"
        codes = []
        for n in range(8):
            answer = served.raw((f"GET /api/v1/letters HTTP/1.1\r\n{host}X-Forwarded-For: 10.0.0.{n}\r\nX-Forwarded-For: 10.1.2.3\r\n"
                                 "X-Anabranch-Token: wrong\r\nConnection: close\r\n\r\n").encode())
            codes.append(int(answer.split(b" ")[1]))
        self.assertIn(429, codes)
        self.assertEqual(self.say("restart", OPERATOR, "POST", {"token": "x", "confirm": "live"}, headers={"X-Forwarded-For": "10.4.4.4"})[0], 409)
        self.assertEqual(self.audit()[-1]["from"], "10.4.4.4")
        self.finish(self.run_)

    def test_why_it_is_not_ready_is_told_to_those_who_may_ask(self):
        served = self.serve()
        for token in (False, READER):
            code, text, _ = served.ask("/readyz", token=token)
            self.assertIn(code, (200, 503))
            self.assertEqual("reasons" in json.loads(text), token == READER)
        self.assertNotIn("reasons", served.ask("/readyz", token=READER, headers={"Host": "evil.example"})[1])
        self.finish(self.run_)


class Silent(ViewersCase):
    """A process that hangs."""

    def test_a_process_that_does_not_answer_is_not_taken_for_none(self):
        self.serve()
        ui = self.start("ui", self.folder, "--http", "127.0.0.1:0")
        page = Served(self, ui)
        (one,) = page.json("/api/v1/pipelines")[1]["pipelines"]
        order = {"token": "x", "confirm": "live"}
        self.assertEqual(page.ask(f"/api/v1/pipelines/{one['id']}/restart", "POST", order)[0], 409)
        self.assertEqual((self.audit()[-1]["who"], self.audit()[-1]["from"]), ("page", "127.0.0.1"))
        self.run_.send(signal.SIGSTOP)
        self.wait_until("it is stopped", 10, self.run_.stopped)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            top = pool.submit(self.anabranch, "top", self.topology, "--once")
            asked = [pool.submit(page.json, f"/api/v1/pipelines{path}") for path in ("", f"/{one['id']}/snapshot", f"/{one['id']}/taps/t1")]
            listed, snapshot, tap = (each.result() for each in asked)
            self.assertEqual([(each["live"], each["state"]) for each in listed[1]["pipelines"]], [(True, "silent")])
            self.assertEqual((snapshot[0], tap[0]), (504, 504), (snapshot, tap))
            self.assertEqual(top.result().code, EXIT_UNAVAILABLE)
            self.assertIn(f"process {self.run_.pid}", top.result().stderr)
            self.assertNotIn("anabranch run", top.result().stderr)
            waits = pool.submit(page.ask, f"/api/v1/pipelines/{one['id']}/letters/replay", "POST", {"all": True})
            time.sleep(1)
            begin = time.monotonic()
            ui.send(signal.SIGTERM)
            self.assertEqual(ui.wait(20), EXIT_OK)
            self.assertLess(time.monotonic() - begin, 5 * harness.PATIENCE)
            self.assertTrue(waits.exception() or waits.result()[0] == 504)  # what it asked is not known to anybody
        self.run_.go_on()
        self.finish(self.run_)


class Connections(ViewersCase):
    def test_idle_connections_of_one_address_leave_room(self):
        self.write_topology()
        run = self.begin("--http", "127.0.0.1:0")
        served = Served(self, run)
        held = []
        for _ in range(100):
            held.append(socket.socket())
            held[-1].connect(("127.0.0.1", served.port))
        code = served.ask("/livez", token=False, source=("127.0.0.2", 0))[0]
        self.assertEqual(code, 200)
        for connection in held:
            connection.close()
        self.finish(run)


if __name__ == "__main__":
    harness.main()
