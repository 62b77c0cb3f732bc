"""A run that serves: where it listens, and requests to it, raw ones too."""
import http.client
import json
import os
import pathlib
import re
import socket


class Served:
    """What a run printed about where it serves."""

    def __init__(self, case, run):
        def printed():
            self.page = re.search(r"page: (https?)://(\S+):(\d+)/(?:#t=(\w+))?", run.stderr)
            self.scraped = re.search(r"metrics and probes: http://(\S+):(\d+)/metrics", run.stderr)
            return (self.page or "--http" not in run.args) and (self.scraped or "--metrics" not in run.args)

        case.wait_until("it says where it serves", 20, printed, run)
        if self.page:
            self.port, self.token = int(self.page[3]), self.page[4]
        if self.scraped:
            self.metrics_port = int(self.scraped[2])

    def ask(self, path, method="GET", body=None, token=True, headers=None, port=None, source=None, host="127.0.0.1"):
        """(code, body, headers) of one request over TCP."""
        sent = {} if body is None else {"Content-Type": "application/json"}
        if token is True:
            sent["X-Anabranch-Token"] = self.token or ""
        elif token:
            sent["X-Anabranch-Token"] = token
        sent = {name: value for name, value in {**sent, **(headers or {})}.items() if value is not None}
        connection = http.client.HTTPConnection(host, port or self.port, timeout=30, source_address=source)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()

    def json(self, path, **more):
        code, text, _ = self.ask(path, **more)
        return code, json.loads(text)

    def probe(self, path, **more):
        """A path of the metrics listener."""
        return self.ask(path, token=False, port=self.metrics_port, **more)

    def raw(self, data, port=None, timeout=20):
        """Everything that is answered to these bytes until the server closes."""
        with socket.create_connection(("127.0.0.1", port or self.port), timeout) as connection:
            answer = b""
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it answered and closed meanwhile
            try:
                while part := connection.recv(65536):
                    answer += part
            except OSError:
                pass  # it closed meanwhile
        return answer


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self.path))


def ask_socket(path, target, method="GET", body=None):
    """(code, JSON) of a request through a control socket."""
    connection = UnixConnection(path)
    try:
        connection.request(method, target, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def threads_of(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/task").iterdir()))


def sockets_of(pid):
    """How many sockets a process holds."""
    count = 0
    for each in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += os.readlink(each).startswith("socket:")
        except OSError:
            pass  # closed meanwhile
    return count


def resident_bytes(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024
