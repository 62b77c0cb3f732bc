"""A collector of traces: takes OTLP/HTTP requests, and reads them with the official messages of OpenTelemetry."""
import base64
import http.server
import json
import threading

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

IDS = {"traceId", "spanId", "parentSpanId"}


def _ids_to_base64(value):
    """OTLP has ids as hexadecimal digits where the JSON of Protobuf has base64."""
    if isinstance(value, dict):
        return {key: base64.b64encode(bytes.fromhex(each)).decode() if key in IDS else _ids_to_base64(each)
                for key, each in value.items()}
    return [_ids_to_base64(each) for each in value] if isinstance(value, list) else value


class Collector:
    def __init__(self, code=200):
        self.bodies, self.faults, self.code = [], [], code
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # the name that http.server wants
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path != "/v1/traces" or self.headers["content-type"] != "application/json":
                    collector.faults.append((self.path, str(self.headers)))
                collector.bodies.append(body)
                self.send_response(collector.code)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}"}

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def requests(self):
        """Each request as the official message; a field that it does not know is an error."""
        return [json_format.ParseDict(_ids_to_base64(json.loads(body)), ExportTraceServiceRequest())
                for body in self.bodies]

    def spans(self):
        return [span for request in self.requests() for resource in request.resource_spans
                for scope in resource.scope_spans for span in scope.spans]


def attributes(holder):
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in holder.attributes}
