"""A TCP proxy that understands Kafka's frames, between the program under test and a real broker.

The broker's listener PROXIED names the proxy as its address, so a client that connects through the proxy stays behind it. The
broker itself and the oracle's own readers and writers use the broker's other listener and see no fault.

    with FaultyBroker() as broker:                  # broker.address: direct; broker.proxied: through the proxy
        rule = broker.proxy.add(Rule(END_TXN, "swallow", nth=2, client=".0.1"))
        rule.wait(20)                               # fails if it never fired

What a rule does with the request that it matches:
    drop           does not forward it, closes the connection
    swallow        forwards it, drops the response, closes the connection: the client cannot know the outcome
    delay          forwards it, holds the response back for `seconds`
    late           closes the connection at once, forwards the request `seconds` later
    refuse         does not forward it, responds with error `code`
    belie          forwards it, responds with error `code` although the broker carried it out
"""
import asyncio
import contextlib
import pathlib
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "pipelines"))
import harness  # noqa: E402

PRODUCE, OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT, SYNC_GROUP = 0, 8, 9, 10, 11, 12, 14
INIT_PRODUCER_ID, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSET_COMMIT = 22, 24, 25, 26, 28
NAMES = {PRODUCE: "Produce", OFFSET_COMMIT: "OffsetCommit", OFFSET_FETCH: "OffsetFetch", FIND_COORDINATOR: "FindCoordinator",
         JOIN_GROUP: "JoinGroup", HEARTBEAT: "Heartbeat", SYNC_GROUP: "SyncGroup", INIT_PRODUCER_ID: "InitProducerId",
         ADD_PARTITIONS: "AddPartitionsToTxn", ADD_OFFSETS: "AddOffsetsToTxn", END_TXN: "EndTxn",
         TXN_OFFSET_COMMIT: "TxnOffsetCommit"}
# The first version whose frames are "flexible": compact strings and tag buffers.
FLEXIBLE = {PRODUCE: 9, OFFSET_FETCH: 6, FIND_COORDINATOR: 3, JOIN_GROUP: 6, HEARTBEAT: 4, SYNC_GROUP: 4, INIT_PRODUCER_ID: 2,
            ADD_PARTITIONS: 3, ADD_OFFSETS: 3, END_TXN: 3, TXN_OFFSET_COMMIT: 3}


class Frame:
    """Reads the fields of one request."""

    def __init__(self, data):
        self._data, self._at = data, 0
        self.api, self.version, self.correlation = self.take(">hhi")
        self.client = self.text() or ""
        self.flexible = self.version >= FLEXIBLE.get(self.api, 1 << 15)
        if self.flexible:
            self._tags()
        self._body = self._at

    def take(self, form):
        values = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return values if len(values) > 1 else values[0]

    def _varint(self):
        value, shift = 0, 0
        while True:
            byte = self.take(">B")
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def _tags(self):
        for _ in range(self._varint()):
            self._varint()
            self._at += self._varint()

    def bytes(self, size):
        if size < 0:
            return None
        self._at += size
        return self._data[self._at - size:self._at]

    def text(self):
        size = self._varint() - 1 if getattr(self, "flexible", False) else self.take(">h")
        return None if size < 0 else self.bytes(size).decode()

    def array(self, element):
        count = self._varint() - 1 if self.flexible else self.take(">i")
        return [self._element(element) for _ in range(max(0, count))]

    def _element(self, element):
        value = element()
        if self.flexible:
            self._tags()
        return value

    def fields(self):
        """The subject of the request: topics as [(name, [partition])], and whether it commits a transaction."""
        self._at = self._body
        if self.api == END_TXN:
            self.text()
            self.take(">qh")
            return {"commit": self.take(">?")}
        if self.api == ADD_PARTITIONS:
            self.text()
            self.take(">qh")
            return {"topics": self.array(lambda: (self.text(), self.array(lambda: self.take(">i"))))}
        if self.api == TXN_OFFSET_COMMIT:
            self.text(), self.text(), self.take(">qh")
            if self.version >= 3:
                self.take(">i"), self.text(), self.text()
            return {"topics": self.array(lambda: (self.text(), self.array(self._position)))}
        if self.api == PRODUCE:
            self.text(), self.take(">hi")
            return {"topics": self.array(lambda: (self.text(), self.array(self._records)))}
        return {}

    def _position(self):
        partition, _ = self.take(">iq")
        if self.version >= 2:
            self.take(">i")
        self.text()
        return partition

    def _records(self):
        partition = self.take(">i")
        self.bytes(self._varint() - 1 if self.flexible else self.take(">i"))
        return partition

    def __str__(self):
        return f"{NAMES.get(self.api, self.api)} v{self.version} #{self.correlation} of {self.client}"


class _Answer:
    """Writes the fields of one response."""

    def __init__(self, frame):
        self.flexible = frame.flexible
        self.data = struct.pack(">i", frame.correlation) + (b"\0" if self.flexible else b"")

    def put(self, form, *values):
        self.data += struct.pack(form, *values)

    def size(self, count):
        if not self.flexible:
            self.put(">i", count)
        elif count + 1 < 0x80:
            self.put(">B", count + 1)
        else:
            raise AssertionError("a compact size of more than one byte is not needed here")

    def text(self, value):
        if self.flexible:
            self.size(len(value.encode()))
        else:
            self.put(">h", len(value.encode()))
        self.data += value.encode()

    def end(self):
        if self.flexible:
            self.data += b"\0"

    def topics(self, topics, *after):
        """[(name, [partition])] with `after` (pairs of form and value) after each partition."""
        self.size(len(topics))
        for name, partitions in topics:
            self.text(name)
            self.size(len(partitions))
            for partition in partitions:
                self.put(">i", partition)
                for form, value in after:
                    self.put(form, value)
                self.end()
            self.end()


def answer(frame, code):
    """The response to `frame` with error `code`, in the version of the request."""
    out = _Answer(frame)
    api, version = frame.api, frame.version
    if api == PRODUCE:
        after = [(">h", code), (">q", -1), (">q", -1)] + ([(">q", -1)] if version >= 5 else [])
        if version >= 8:
            raise AssertionError(f"Produce v{version} is not known here")
        out.topics(frame.fields()["topics"], *after)
        out.put(">i", 0)
    elif api in (ADD_PARTITIONS, TXN_OFFSET_COMMIT):
        out.put(">i", 0)
        out.topics(frame.fields()["topics"], (">h", code))
    elif api in (ADD_OFFSETS, END_TXN):
        out.put(">ih", 0, code)
    elif api == INIT_PRODUCER_ID:
        out.put(">ihqh", 0, code, -1, -1)
    elif api == FIND_COORDINATOR and version <= 2:
        if version >= 1:
            out.put(">i", 0)
        out.put(">h", code)
        if version >= 1:
            out.put(">h", -1)
        out.put(">ihi", -1, 0, -1)
    elif api == HEARTBEAT:
        if version >= 1:
            out.put(">i", 0)
        out.put(">h", code)
    elif api == SYNC_GROUP and version <= 3:
        if version >= 1:
            out.put(">i", 0)
        out.put(">hi", code, 0)
    elif api == JOIN_GROUP and version <= 5:
        if version >= 2:
            out.put(">i", 0)
        out.put(">hihhhi", code, -1, 0, 0, 0, 0)
    elif api == OFFSET_FETCH and version in (6, 7):
        out.put(">i", 0)
        out.size(0)
        out.put(">h", code)
    else:
        raise AssertionError(f"no answer is known to {frame}")
    out.end()
    return out.data


class Rule:
    """Fires at the `nth` matching request and at the `times` - 1 after it."""

    def __init__(self, api, action, code=0, seconds=0.0, nth=1, times=1, client="", where=None):
        self.api, self.action, self.code, self.seconds = api, action, code, seconds
        self.nth, self.times, self.client, self.where = nth, times, client, where
        self.seen = self.fired = 0
        self.over_at = None  # when the last of its faults was over, time.monotonic()
        self._over = threading.Event()

    def matches(self, frame):
        if frame.api != self.api or self.client not in frame.client or self.fired >= self.times:
            return False
        if self.where is not None and not self.where(frame.fields()):
            return False
        self.seen += 1
        if self.seen < self.nth:
            return False
        self.fired += 1
        return True

    def note_over(self):
        if self.fired >= self.times:
            self.over_at = time.monotonic()
            self._over.set()

    def is_over(self):
        return self._over.is_set()

    def wait(self, timeout):
        if not self._over.wait(timeout):
            raise AssertionError(f"{self} fired {self.fired} of {self.times} times ({self.seen} requests seen) within {timeout} s")
        return self.over_at

    def __str__(self):
        more = f" {self.code}" if self.action in ("refuse", "belie") else f" {self.seconds:g} s" if self.seconds else ""
        return f"{self.action}{more} {NAMES[self.api]} #{self.nth}x{self.times}{self.client and ' of ' + self.client}"


class Proxy:
    """Listens on a free local port. Its loop runs on its own thread; any thread may call its methods."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]
        self.upstream = None  # host:port; before the first connection
        self._rules, self._links, self._lock = [], set(), threading.Lock()
        self._delay = 0.0
        self.log = []
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        if not started.wait(10):
            raise AssertionError("the proxy did not start")

    def _run(self, started):
        asyncio.set_event_loop(self._loop)
        self._open = asyncio.Event()
        self._open.set()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._socket))
        started.set()
        self._loop.run_forever()
        self._server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    def stop(self):
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    # ------------------------------------------------------------------------------------------------ faults

    def add(self, rule):
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self):
        with self._lock:
            self._rules.clear()

    def cut_all(self):
        """Closes every connection; new ones are accepted."""
        self._note("cuts every connection")
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self):
        for writers in list(self._links):
            for writer in writers:
                writer.transport.abort()

    def hold(self, silent):
        """While silent, it forwards nothing in either direction; connections stay open."""
        self._note("falls silent" if silent else "speaks again")
        self._loop.call_soon_threadsafe(self._open.clear if silent else self._open.set)

    def slow(self, seconds):
        """Every response is delayed by this much."""
        self._note(f"delays every answer by {seconds:g} s")
        self._delay = seconds

    # ------------------------------------------------------------------------------------------------ frames

    def _note(self, text):
        self.log.append(f"{time.monotonic():.3f} {text}")

    def evidence(self):
        return "\n".join([f"--- proxy {self.address}", *self.log[-30:]])

    def _rule_for(self, frame):
        with self._lock:
            for rule in self._rules:
                if rule.matches(frame):
                    self._note(f"{rule}: {frame}")
                    return rule
        return None

    async def _serve(self, client_in, client_out):
        try:
            broker_in, broker_out = await asyncio.open_connection(*self.upstream.split(":"))
        except OSError:
            client_out.transport.abort()
            return
        link = (client_out, broker_out)
        self._links.add(link)
        pending = {}  # correlation id -> (rule, frame); "deaf": the client is gone, the rest of its requests is on its way
        tasks = [asyncio.ensure_future(self._requests(client_in, client_out, broker_out, pending)),
                 asyncio.ensure_future(self._answers(broker_in, client_out, pending))]
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._links.discard(link)
        for request, waiting in pending.items():
            if request != "deaf":
                waiting[0].note_over()  # its answer never comes
        for writer in link:
            writer.transport.abort()

    async def _frame(self, reader):
        head = await reader.readexactly(4)
        data = await reader.readexactly(struct.unpack(">i", head)[0])
        await self._open.wait()
        return data

    @staticmethod
    async def _send(writer, data):
        writer.write(struct.pack(">i", len(data)) + data)
        await writer.drain()

    async def _requests(self, reader, client_out, broker_out, pending):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                data = await self._frame(reader)
                frame = Frame(data)
                rule = self._rule_for(frame)
                if rule is None:
                    await self._send(broker_out, data)
                elif rule.action == "drop":
                    rule.note_over()
                    return
                elif rule.action == "late":
                    pending["deaf"] = True
                    client_out.transport.abort()
                    await asyncio.sleep(rule.seconds)
                    self._note(f"hands on, late: {frame}")
                    await self._send(broker_out, data)
                    await asyncio.sleep(0.5)
                    rule.note_over()
                    return
                elif rule.action == "refuse":
                    await self._send(client_out, answer(frame, rule.code))
                    rule.note_over()
                else:
                    pending[frame.correlation] = (rule, frame)
                    await self._send(broker_out, data)

    async def _answers(self, reader, client_out, pending):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                data = await self._frame(reader)
                if "deaf" in pending:
                    continue
                rule, frame = pending.pop(struct.unpack_from(">i", data)[0], (None, None))
                try:
                    if rule is None:
                        if self._delay:
                            await asyncio.sleep(self._delay)
                    elif rule.action == "swallow":
                        return
                    elif rule.action == "delay":
                        await asyncio.sleep(rule.seconds)
                    elif rule.action == "belie":
                        data = answer(frame, rule.code)
                    await self._send(client_out, data)
                finally:  # also when the client hangs up meanwhile
                    if rule is not None:
                        rule.note_over()


class FaultyBroker(harness.Broker):
    """A real broker with a proxy in front of its second listener."""

    def __init__(self, properties=()):
        self.proxy = Proxy()
        self.proxied = self.proxy.address
        try:
            super().__init__(properties, ("--listener", f"PROXIED=PLAINTEXT@{self.proxied}"))
            self.proxy.upstream = self.listener("PROXIED")
        except BaseException:
            self.proxy.stop()
            raise

    @property
    def pid(self):
        return int((self.folder / "pid").read_text())

    def evidence(self):
        return super().evidence() + "\n" + self.proxy.evidence()

    def stop(self):
        self.proxy.stop()
        super().stop()
