"""What a run serves, and who may ask for what. With files: the run stays after a stage stopped (--on-stop stay)."""
import http.client
import json
import os
import resource
import socket
import ssl
import stat
import subprocess
import time
import urllib.parse

import harness
import service
from harness import EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE
from service import Served, ask_socket

ROWS, BAD, LETTERS = 400, 300, 5
MARK = "mark-5f1c7b"    # in every record; no answer without a token has it
PAN = "pan-9b2e44"      # in every record, and x-sensitive
OPEN = ("snapshot", "topology", "verdict", "restart", "letters/groups", "models", "positions", "openapi.json", "pipelines",
        "runs")


class ServiceCase(harness.PipelineCase):
    """orders → score (an amount of 0 stops it) → out; five records have no number for an amount and are dead letters."""

    def setUp(self):
        super().setUp()
        self.topology = self.folder / "topology.json"
        self.write("100 % amount")
        with open(self.folder / "in.jsonl", "w") as lines:
            for n in range(ROWS):
                amount = "none" if n < LETTERS else 0 if n == BAD else n
                lines.write(json.dumps({"id": f"o{n}", "amount": amount, "note": MARK, "pan": PAN}) + "\n")

    def write(self, expression):
        order = {"type": "object", "required": ["id", "amount"],
                 "properties": {"id": {"type": "string"}, "amount": {"type": "integer"}, "note": {"type": "string"},
                                "pan": {"type": "string", "x-sensitive": True}}}
        harness.write_json(self.topology, {
            "anabranch": 1, "name": "orders", "schemas": {"order": order},
            "sources": {"orders": {"file": {"path": "in.jsonl"}, "schema": "order", "key": {"field": "id"}}},
            "nodes": {"score": {"kind": "transform", "inputs": ["orders"], "set": {"rest": expression},
                                "on_error": {"record": "stop"}},
                      "out": {"kind": "persist", "inputs": ["score"], "to": {"file": {"path": "out.jsonl"}},
                              "fields": ["rest"]}},
            "dead_letters": {"file": {"path": "dead.jsonl"}}})

    @property
    def socket(self):
        return self.folder / ".anabranch" / "orders" / "0" / "control.sock"

    def serve(self, *more, waits=True):
        self.run_ = self.start("run", self.topology, "--on-stop", "stay", "--http", "127.0.0.1:0",
                               "--metrics", "127.0.0.1:0", *more)
        self.served = Served(self, self.run_)
        if waits:
            self.wait_until("the stage stopped", 30, lambda: self.state() == "failed", self.run_)
        return self.served

    def state(self):
        return self.served.json("/api/v1/snapshot")[1]["state"]

    def ids(self):
        return [line.key for line in harness.read_lines(self.folder / "out.jsonl")]


class Restart(ServiceCase):
    def test_a_stopped_stage_is_restarted_through_the_api_and_nothing_is_lost_or_double(self):
        served = self.serve()
        code, text, _ = served.probe("/readyz")
        self.assertEqual(code, 503)
        self.assertEqual(json.loads(text)["reasons"][0]["part"], "stage:score")
        self.assertEqual(served.probe("/livez")[0], 200)
        snapshot = served.json("/api/v1/snapshot")[1]
        self.assertEqual(snapshot["failure"]["stage"], "score")
        self.assertEqual(snapshot["failure"]["cascade"], ["out"])
        self.assertEqual(snapshot["stages"]["out"]["state"], "skipped")

        self.write("amount == 0 ? 0 : 100 % amount")
        code, restart = served.json("/api/v1/restart")
        self.assertEqual((code, restart["can_restart_here"]), (200, True), restart)
        self.assertEqual(restart["stages"]["score"], "run")
        order = {"token": restart["plan"]["token"], "confirm": "orders"}
        for wrong, expected in (({"token": "0123"}, 409), ({"confirm": "order"}, 400), ({"token": ""}, 400)):
            self.assertEqual(served.ask("/api/v1/restart", "POST", {**order, **wrong})[0], expected, wrong)
        self.assertEqual(self.state(), "failed")
        code, text, _ = served.ask("/api/v1/restart", "POST", order)
        self.assertEqual(code, 202, text)
        self.assertEqual(self.run_.wait(30), EXIT_OK, self.run_)
        expected = [f"o{n}" for n in range(LETTERS, ROWS)]
        ids = self.ids()
        print(f"    restart through the API: {len(set(expected) - set(ids))} lost, {len(ids) - len(set(ids))} double", flush=True)
        self.assertEqual(ids, expected)

        lines = [json.loads(line) for line in (self.socket.parent / "audit.jsonl").read_text().splitlines()]
        self.assertEqual([line["result"] for line in lines], [409, 400, 400, 202])
        self.assertEqual(lines[-1]["action"], "POST /api/v1/restart")
        self.assertEqual((lines[-1]["who"], lines[-1]["from"]), ("page", "127.0.0.1"))

    def test_a_restart_that_cannot_begin_leaves_the_process_waiting(self):
        served = self.serve()
        token = served.json("/api/v1/restart")[1]["plan"]["token"]
        self.write("200 % amount")
        code, text, _ = served.ask("/api/v1/restart", "POST", {"token": token, "confirm": "orders"})
        self.assertEqual((code, json.loads(text)["error"]["code"]), (409, "other_plan"))
        # With the plan as it is the stage stops again, and the process goes on waiting.
        token = served.json("/api/v1/restart")[1]["plan"]["token"]
        self.assertEqual(served.ask("/api/v1/restart", "POST", {"token": token, "confirm": "orders"})[0], 202)
        self.wait_until("it stopped again", 30, lambda: (lambda s: s["restarts"] == 1 and s["state"] == "failed")(
            served.json("/api/v1/snapshot")[1]), self.run_)

    def test_the_records_that_wait_are_skipped_through_the_socket(self):
        self.serve()
        code, answer = ask_socket(self.socket, "/api/v1/letters/skip", "POST", {"confirm": "orders"})
        self.assertEqual(code, 200, answer)
        self.assertEqual(self.run_.wait(30), EXIT_OK, self.run_)  # it goes on behind them


class Access(ServiceCase):
    def everything(self):
        """All that is answered without a token, as one text."""
        served, texts = self.served, []
        for path in [f"/api/v1/{each}" for each in OPEN] + ["/", "/ui/app.js", "/metrics", "/livez", "/readyz", "/startupz"]:
            code, text, headers = served.ask(path, token=False)
            self.assertIn(code, (200, 503), path)
            texts.append(text + str(headers))
        for path in ("/metrics", "/livez", "/readyz", "/startupz", "/ping", "/ready", "/api/v1/snapshot", "/"):
            texts.append(served.probe(path)[1])
        return "\n".join(texts)

    def test_numbers_are_open_on_loopback_and_values_and_changes_are_not(self):
        served = self.serve()
        self.assertNotIn(MARK, self.everything())
        # Each from an address of its own: five wrong tokens of one address would end its second.
        here = (f"127.0.0.{n}" for n in range(2, 100))
        refused = [served.ask(f"/api/v1/{path}", method, body, token=token, source=(next(here), 0))[:2]
                   for token in (False, "wrong", served.token + "0")
                   for method, path, body in (("GET", "letters", None), ("GET", "letters/file:orders/0/0", None),
                                              ("GET", "audit", None), ("POST", "restart", {"token": "x", "confirm": "orders"}),
                                              ("POST", "letters/replay", {"code": "x"}),
                                              ("POST", "letters/skip", {"confirm": "orders"}))]
        self.assertEqual({code for code, _ in refused}, {401})
        self.assertNotIn(MARK, "".join(text for _, text in refused))
        print(f"    without the token: {len(refused)} of {len(refused)} refused, 0 record values", flush=True)
        code, letters = served.json("/api/v1/letters")
        self.assertEqual((code, letters["total"]), (200, LETTERS), letters)
        self.assertNotIn(MARK, json.dumps(letters))
        for where, found in ((f'note == "{MARK}"', LETTERS), ('id == "o1"', 1), ("is_null(id)", 0)):
            code, answer = served.json("/api/v1/letters?where=" + urllib.parse.quote(where))
            self.assertEqual((code, answer.get("total")), (200, found), (where, answer))
        for where in (f'pan == "{PAN}"', "no_such > 1", "id", "id =="):
            self.assertEqual(served.ask("/api/v1/letters?where=" + urllib.parse.quote(where))[0], 400, where)
        letter = served.ask(f"/api/v1/letters/{letters['letters'][0]['id']}")[1]
        self.assertIn(MARK, letter)
        self.assertNotIn(PAN, letter)
        self.assertIn(PAN, served.ask(f"/api/v1/letters/{letters['letters'][0]['id']}?reveal=1")[1])

    def test_a_page_of_another_site_reaches_nothing(self):
        served = self.serve()
        good = f"127.0.0.1:{served.port}"
        for host in ("evil.example", f"evil.example:{served.port}", f"127.0.0.1.evil.example:{served.port}",
                     f"localhost.evil.example:{served.port}", f"127.0.0.1:{served.port}@evil.example", "127.0.0.1:1", ""):
            for path in ("/", "/ui/app.js", "/metrics", "/api/v1/snapshot", "/api/v1/letters"):
                code, text, _ = served.ask(path, headers={"Host": host})
                self.assertEqual(code, 421, (host, path, text))
        for host in (good, f"localhost:{served.port}", f"[::1]:{served.port}"):
            self.assertEqual(served.ask("/api/v1/snapshot", headers={"Host": host})[0], 200)
        order = {"token": "x", "confirm": "orders"}
        for origin in ("http://evil.example", "null", f"http://127.0.0.1:{served.port}.evil.example", "http://127.0.0.1"):
            self.assertEqual(served.ask("/api/v1/restart", "POST", order, headers={"Origin": origin})[0], 403, origin)
            self.assertEqual(served.ask("/api/v1/letters", headers={"Origin": origin})[0], 403, origin)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None):
            self.assertEqual(served.ask("/api/v1/restart", "POST", order, headers={"Content-Type": kind})[0], 415, kind)
        self.assertEqual(served.ask("/api/v1/restart", "POST", order, headers={"Origin": f"http://{good}"})[0], 409)
        _, _, headers = served.ask("/")
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertNotIn("unsafe", headers["Content-Security-Policy"])
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertNotIn("Access-Control-Allow-Origin", headers)
        self.assertNotIn("Set-Cookie", headers)

    def test_after_five_wrong_tokens_within_a_second_an_address_waits(self):
        served = self.serve()
        codes = [served.ask("/api/v1/letters", token="x" * 40)[0] for _ in range(30)]
        self.assertEqual(set(codes), {401, 429})
        self.assertLessEqual(codes.count(401), 15)  # of 30 that may stretch over three seconds
        self.wait_until("the second is over", 5, lambda: served.ask("/api/v1/letters")[0] == 200)

    def test_the_socket_is_its_owners(self):
        self.serve()
        self.assertEqual(stat.S_IMODE(os.stat(self.socket).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(self.socket.parent).st_mode), 0o700)
        code, letters = ask_socket(self.socket, "/api/v1/letters")
        self.assertEqual((code, letters["total"]), (200, LETTERS))
        self.run_.send(15)
        self.run_.wait(20)
        self.assertFalse(self.socket.exists())

    def test_beyond_this_machine_tls_and_tokens_are_needed(self):
        tokens = self.folder / "tokens"
        tokens.write_text("# two\nread:viewer:0123456789abcdef0123\noperate:ops:fedcba9876543210fedc\n")
        for more in ([], ["--http-tokens", tokens], ["--http-behind-proxy"]):
            run = self.start("run", self.topology, "--http", "0.0.0.0:0", *more)
            self.assertEqual(run.wait(20), EXIT_USAGE, run)
            self.assertIn("--http", run.stderr)
        self.run_ = self.start("run", self.topology, "--on-stop", "stay", "--http", "127.0.0.1:0", "--http-behind-proxy",
                               "--http-tokens", tokens, "--http-hosts", "pipes.example")
        served = self.served = Served(self, self.run_)
        self.assertIsNone(served.token)
        ops, viewer = {"token": "fedcba9876543210fedc"}, {"token": "0123456789abcdef0123"}
        self.wait_until("the stage stopped", 30,
                        lambda: served.json("/api/v1/snapshot", **viewer)[1]["state"] == "failed", self.run_)
        proxied = {"headers": {"Host": "pipes.example", "X-Forwarded-For": "10.9.8.7, 10.1.2.3"}}
        self.assertEqual(served.ask("/api/v1/snapshot", token=False, **proxied)[0], 401)  # numbers, too
        self.assertEqual(served.ask("/metrics", token=False, **proxied)[0], 401)
        self.assertEqual(served.ask("/", token=False, **proxied)[0], 200)
        self.assertEqual(served.ask("/api/v1/letters", **viewer, **proxied)[0], 200)
        body = {"token": "x", "confirm": "orders"}
        self.assertEqual(served.ask("/api/v1/restart", "POST", body, **viewer, **proxied)[0], 403)
        self.assertEqual(served.ask("/api/v1/restart", "POST", body, **ops, **proxied)[0], 409)
        lines = served.json("/api/v1/audit", **viewer, **proxied)[1]["lines"]
        self.assertEqual([(line["who"], line["from"], line["result"]) for line in lines],
                         [("ops", "10.1.2.3", 409), ("viewer", "10.1.2.3", 403)])

    def test_tls(self):
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                       check=True, capture_output=True, timeout=60)
        for files in ([cert, self.topology], [self.topology, key], [cert, self.folder / "none"]):
            run = self.start("run", self.topology, "--http", "127.0.0.1:0", "--http-cert", files[0], "--http-key", files[1])
            self.assertEqual(run.wait(20), EXIT_USAGE, run)
            self.assertIn("--http: ", run.stderr)
        served = self.serve("--http-cert", cert, "--http-key", key, waits=False)
        self.assertEqual(served.page[1], "https")
        self.wait_until("it answers by TLS", 30, lambda: self.tls_answer(cert), self.run_)
        self.assertNotIn(b"200 OK", served.raw(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"))

    def tls_answer(self, cert):
        connection = http.client.HTTPSConnection("localhost", self.served.port, timeout=20,
                                                 context=ssl.create_default_context(cafile=str(cert)))
        try:
            connection.request("GET", "/api/v1/letters", headers={"X-Anabranch-Token": self.served.token})
            answer = connection.getresponse()
            return answer.status == 200 and json.loads(answer.read())["total"] == LETTERS
        finally:
            connection.close()

    def test_an_address_that_is_taken_is_said(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            run = self.start("run", self.topology, "--metrics", f"127.0.0.1:{other.getsockname()[1]}")
            self.assertEqual(run.wait(20), EXIT_UNAVAILABLE, run)
            self.assertIn("--metrics", run.stderr)


class Attacks(ServiceCase):
    def test_requests_that_two_programs_read_in_two_ways_are_refused(self):
        served = self.serve()
        host = f"Host: 127.0.0.1:{served.port}\r\n"
        second = f"GET /api/v1/snapshot HTTP/1.1\r\n{host}\r\n"
        post = f"POST /api/v1/restart HTTP/1.1\r\n{host}Content-Type: application/json\r\n"
        attacks = [post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second,
                   post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + second,
                   post + "Content-Length: 0\r\nContent-Length: 60\r\n\r\n" + second,
                   post + "Content-Length: 0, 60\r\n\r\n" + second,
                   post + "Content-Length: -1\r\n\r\n" + second,
                   post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + second,
                   post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + second,
                   post + "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" + second,
                   post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + second,
                   post + "X: a\nContent-Length: 0\r\n\r\n" + second,
                   f"GET /api/v1/snapshot HTTP/1.1\r\n{host}Host: evil.example\r\n\r\n" + second,
                   f"GET http://evil.example/api/v1/snapshot HTTP/1.1\r\n{host}\r\n" + second,
                   f"GET /api/v1/snapshot HTTP/1.1\r\n{host} folded: 1\r\n\r\n" + second]
        for attack in attacks:
            answer = served.raw(attack.encode("latin-1"))
            self.assertNotIn(b"200 OK", answer, attack)
            self.assertNotIn(b'"topology"', answer, attack)
        print(f"    {len(attacks)} of {len(attacks)} smuggled requests refused", flush=True)

    def test_paths_lead_nowhere_else(self):
        served = self.serve("--http-assets", self.folder)
        (self.folder / "index.html").write_text("page")
        self.assertEqual(served.ask("/ui/index.html")[0], 200)
        for path in ("/ui/../topology.json", "/ui/%2e%2e/topology.json", "/ui/..%2ftopology.json", "/ui//etc/passwd",
                     "/ui/%2fetc/passwd", "/ui/..%5ctopology.json", "/ui/%00", "/../etc/passwd", "//etc/passwd",
                     "/ui/%252e%252e/topology.json", "/ui/./index.html", "/api/v1/../v1/snapshot", "/api/v1/letters/../../x",
                     "/ui/", "/ui", "/index.html", "/etc/passwd", "/api/v1/pipelines/self/../self/letters",
                     "/api/v1/pipelines/other/snapshot"):
            answer = served.raw(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nX-Anabranch-Token: {served.token}\r\n\r\n"
                                .encode())
            self.assertRegex(answer.split(b"\r\n")[0], rb"HTTP/1.1 40[04]", path)
        self.assertEqual(served.ask("/api/v1/pipelines/self/snapshot")[0], 200)

    def test_bodies_and_heads_are_bounded(self):
        served = self.serve()
        before = service.resident_bytes(self.run_.pid)
        head = (f"POST /api/v1/restart HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nContent-Type: application/json\r\n"
                f"X-Anabranch-Token: {served.token}\r\n")
        self.assertIn(b"413", served.raw((head + "Content-Length: 1000000000\r\n\r\n").encode() + b"x" * 100_000))
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        answer = served.raw((head + "Transfer-Encoding: chunked\r\n\r\n").encode() + chunk * 200 + b"0\r\n\r\n")
        self.assertNotIn(b"200 OK", answer)
        self.assertIn(b"431", served.raw((head + f"X: {'x' * 200_000}\r\n\r\n").encode()))
        self.assertIn(b"414", served.raw(f"GET /{'x' * 200_000} HTTP/1.1\r\n\r\n".encode()))
        deep = "[" * 30_000 + "]" * 30_000
        code = served.raw((head + f"Content-Length: {len(deep)}\r\nConnection: close\r\n\r\n{deep}").encode()).split(b" ")[1]
        self.assertIn(code, (b"400", b"409"))
        self.assertLess(service.resident_bytes(self.run_.pid) - before, 16 << 20)

    def test_slow_heads_are_ended(self):
        served = self.serve()
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", served.port), 5) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n")
            connection.settimeout(0.5)
            closed = False
            while not closed and time.monotonic() - begin < 60:
                try:
                    connection.sendall(b"X: 1\r\n")  # never silent for as long as the idle limit
                    closed = connection.recv(1) == b""
                except socket.timeout:
                    continue
                except OSError:
                    closed = True
        self.assertTrue(closed)
        print(f"    slow head ended after {time.monotonic() - begin:.0f} s", flush=True)

    def test_ten_thousand_connections(self):
        served = self.serve()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = harness.scaled(10_000)
        self.assertGreaterEqual(hard, wanted + 1000, "the limit of open files (ulimit -Hn) is too low for this test")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted + 1000, hard))
        before, open_before = service.resident_bytes(self.run_.pid), service.sockets_of(self.run_.pid)
        for port, most in ((served.port, 24), (served.metrics_port, 32)):
            held = []
            for _ in range(wanted):
                connection = socket.socket()
                connection.setblocking(False)
                connection.connect_ex(("127.0.0.1", port))
                held.append(connection)
            grown = service.resident_bytes(self.run_.pid) - before
            threads = service.threads_of(self.run_.pid)
            # Whoever is somewhere else is served all the while: the socket, and probes from another address.
            self.assertEqual(ask_socket(self.socket, "/api/v1/verdict")[0], 200)
            if port == served.metrics_port:
                self.assertEqual(served.probe("/livez", source=("127.0.0.2", 0))[0], 200)
            self.assertEqual(len(held), wanted)
            self.wait_until("all but a few are refused", 30, lambda: service.sockets_of(self.run_.pid) - open_before <= most)
            taken = service.sockets_of(self.run_.pid) - open_before
            print(f"    {len(held)} connections to port {port}: {taken} taken, {threads} threads, {grown / 1e6:+.1f} MB", flush=True)
            self.assertLess(threads, 120)
            self.assertLess(grown, 40e6)
            for connection in held:
                connection.close()
        self.wait_until("it answers again", 40, lambda: served.ask("/api/v1/verdict")[0] == 200, self.run_)


if __name__ == "__main__":
    harness.main()
