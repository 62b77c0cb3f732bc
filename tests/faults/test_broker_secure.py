"""A broker that requires TLS and a login (SCRAM-SHA-512): what works, and the message for each mistake. Also Apache Kafka 4.

librdkafka before 2.6.1 cannot log in to Kafka 4 with SCRAM: brokers check a nonce that it sends wrongly.
"""
import json
import pathlib
import socket
import ssl
import subprocess
import threading

import stream
from stream import harness

KNOWN_WITHIN = 10  # seconds from the start of the program to its end
RECORDS = 3000
USER, PASSWORD = "scorer", "hunter2-not-shown"


class Certificates:
    """An authority, a broker's certificate for the name localhost, an expired one, and another authority."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        for name in ("authority", "other"):
            self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                          "-days", "2", "-subj", f"/CN={name}")
        (self.folder / "names").write_text("subjectAltName=DNS:localhost\n")
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "broker.key", "-out", "broker.csr", "-subj", "/CN=localhost")
        for name, days in (("broker", "2"), ("expired", "-1")):
            self._openssl("x509", "-req", "-in", "broker.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial",
                          "-days", days, "-extfile", "names", "-out", f"{name}.crt")
            (self.folder / f"{name}.pem").write_text((self.folder / "broker.key").read_text() + (self.folder / f"{name}.crt").read_text())

    def _openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True, timeout=60)

    def __getattr__(self, name):
        return str(self.folder / f"{name}.pem")


class SecureBroker(harness.Broker):
    """Its listener SECURE, at localhost, requires TLS and a password; the oracle uses the plain listener."""

    def __init__(self, certificates):
        name = "listener.name.secure"
        super().__init__(
            (f"{name}.ssl.keystore.type=PEM", f"{name}.ssl.keystore.location={certificates.broker}",
             f"{name}.sasl.enabled.mechanisms=SCRAM-SHA-512",
             f"{name}.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;"),
            ("--listener", "SECURE=SASL_SSL@localhost", "--scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"))
        self.secured = self.listener("SECURE").replace("127.0.0.1", "localhost")


class TlsServer:
    """Presents a certificate to each client and then stays silent."""

    def __init__(self, pem):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self._server = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
        self.address = f"localhost:{self._server.getsockname()[1]}"
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        while True:
            try:
                self._server.accept()[0].close()
            except ssl.SSLError:
                continue  # the client refused the certificate
            except OSError:
                if self._server.fileno() < 0:
                    return

    def close(self):
        self._server.close()


class BrokerSecure(harness.PipelineCase):
    def setUp(self):
        super().setUp()
        self.certificates = Certificates(self.folder)

    def secured(self, **changes):
        return {"security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": USER,
                  "sasl.password": "${SCORER_PASSWORD}", "ssl.ca.location": self.certificates.authority, **changes}

    def topology(self, name, **connection):
        self.topics = (f"{name}.in", f"{name}.out", f"{name}.dead")
        return harness.write_json(self.folder / f"{name}.json", stream.topology(name, *self.topics, **connection))

    def run_on(self, brokers, *args, password=PASSWORD):
        return self.start("run", *args, env={"KAFKA_BROKERS": brokers, "SCORER_PASSWORD": password})

    def exactly_once(self, what, brokers, **connection):
        file = self.topology("once", **connection)
        self.broker.make_topics({self.topics[0]: stream.PARTITIONS, self.topics[1]: 2, self.topics[2]: 1})
        self.broker.produce({"topic": self.topics[0], "value": b'{"id":"%d","seq":%d}' % (n % 7, n), "key": b"%d" % (n % 7)}
                            for n in range(RECORDS))
        run = self.run_on(brokers, file, "--workers", 2)
        self.wait_until("some results", 40, lambda: len(self.broker.read(self.topics[1])) > RECORDS / 10, run, pause=0.05)
        run.kill()
        run = self.run_on(brokers, file, "--workers", 2, "--once")
        self.assertEqual(run.wait(60), harness.EXIT_OK, run)
        self.assertNotIn(PASSWORD, run.stdout + run.stderr)
        found = {}
        for message in self.broker.read(self.topics[1]):
            found.setdefault(message.key(), []).append(json.loads(message.value())["seq"])
        for key, numbers in found.items():
            self.assertEqual(numbers, list(range(int(key), RECORDS, 7)), "every record of a key once, in order")
        self.assertEqual(len(found), 7)
        print(f"    {what}, killed once: {RECORDS} records, 0 lost, 0 twice", flush=True)

    def test_tls_and_scram_work_exactly_once_and_each_mistake_says_its_cure(self):
        self.broker = SecureBroker(self.certificates)
        self.addCleanup(self.broker.stop)
        self.exactly_once("SCRAM-SHA-512 over TLS", self.broker.secured, **self.secured())
        expired = TlsServer(self.certificates.expired)
        self.addCleanup(expired.close)
        secure = self.broker.secured
        port = secure.split(":")[1]
        mistakes = {
            "nobody-listens": (f"localhost:{harness.closed_port()}", {}, PASSWORD, "nobody listens there", "bootstrap.servers"),
            "wrong-authority": (secure, {"ssl.ca.location": self.certificates.other}, PASSWORD, "an authority that is not trusted",
                                "ssl.ca.location"),
            "wrong-name": (f"127.0.0.1:{port}", {}, PASSWORD, "was made for another name", "bootstrap.servers"),
            "wrong-password": (secure, {}, "wrong-one", "log-in", "sasl.password"),
            "expired": (expired.address, {}, PASSWORD, "has expired", "renew it"),
        }
        runs = {name: self.run_on(servers, self.topology(name, **self.secured(**more)), password=password)
                for name, (servers, more, password, *_) in mistakes.items()}
        for name, run in runs.items():
            with self.subTest(name):
                code = run.wait(KNOWN_WITHIN)
                self.assertEqual(code, harness.EXIT_UNAVAILABLE, run)
                says = run.stderr.splitlines()[-1]
                for text in mistakes[name][3:]:
                    self.assertIn(text, says)
                if name in ("wrong-name", "expired", "wrong-password"):
                    self.assertNotIn("ssl.ca.location", says)
                print(f"    {name}: exit code {code}: {says}", flush=True)

    def test_kafka_4_works_exactly_once(self):
        self.broker = harness.Broker(options=("--kafka", "4.0.0"))
        self.addCleanup(self.broker.stop)
        self.exactly_once("Apache Kafka 4.0.0", self.broker.address)


if __name__ == "__main__":
    harness.main()
