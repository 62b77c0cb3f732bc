"""Records that cannot be scored, with the expected outcome of each (docs/records.md has the same table)."""
import json

GOOD = {"id": "g", "n": 1, "x": 0.5}


def good(i):
    return json.dumps({**GOOD, "id": f"good-{i:03d}", "n": i, "x": i / 64}).encode()


# name -> (payload, node that refuses it, code)
BAD = {
    "missing field": (b'{"id":"b","x":0.5}', "check", "schema"),
    "null in a required field": (b'{"id":"b","n":null,"x":0.5}', "check", "schema"),
    "wrong type": (b'{"id":"b","n":"one","x":0.5}', "check", "schema"),
    "a fraction where an integer belongs": (b'{"id":"b","n":1.5,"x":0.5}', "check", "schema"),
    "invalid UTF-8": (b'{"id":"b\xff\xfe","n":1,"x":0.5}', "in", "utf8"),
    "invalid UTF-8 in a field that nobody reads": (b'{"id":"b","n":1,"x":0.5,"z":"\xc3\x28"}', "in", "utf8"),
    "truncated JSON": (b'{"id":"b","n":1,"x":0.', "in", "json"),
    "truncated within a string": (b'{"id":"b', "in", "json"),
    "two values": (b'{"id":"b","n":1,"x":0.5} {}', "in", "json"),
    "not an object": (b'[1,2,3]', "in", "json"),
    "not JSON": (b'hello', "in", "json"),
    "NaN": (b'{"id":"b","n":1,"x":NaN}', "in", "json"),
    "depth 1,000,000": (b'{"id":"b","n":1,"x":0.5,"z":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", "in", "depth"),
    "depth 1,000,000, never closed": (b'{"id":"b","n":1,"x":' + b'{"a":' * 200_000, "in", None),
    "a key twice": (b'{"id":"b","n":1,"x":0.5,"n":2}', "in", "duplicate_key"),
    "integer out of range": (b'{"id":"b","n":99999999999999999999,"x":0.5}', "check", "schema"),
    "number out of range": (b'{"id":"b","n":1,"x":1e999}', "check", "schema"),
    "beyond a maximum": (b'{"id":"b","n":1,"x":1000}', "check", "schema"),
    "a rule that is not true": (b'{"id":"b","n":-1,"x":0.5}', "check", "rule"),
    "over limits.record_bytes": (b'{"id":"b","n":1,"x":0.5,"z":"' + b"z" * 3_000_000 + b'"}', "in", "too_large"),
}

# Odd but valid: these are scored.
SOUND = {
    "a key that nobody reads, twice": b'{"id":"sound-1","n":1,"x":0.5,"z":1,"z":2}',
    "escapes": b'{"\\u0069d":"sound-\\u0032","n":1,"x":0.5}',
    "blanks and another order": b' {\t"x" : 5e-1 , "n" : 1 , "id" : "sound-3" } ',
    "integers as numbers": b'{"id":"sound-4","n":1,"x":1}',
    "depth 60": b'{"id":"sound-5","n":1,"x":0.5,"z":' + b"[" * 60 + b"]" * 60 + b"}",
}


def topology(source, target, dead, key):
    return {
        "anabranch": 1, "name": "bad-input",
        "schemas": {"record": {"type": "object", "required": ["id", "n", "x"], "properties": {
            "id": {"type": "string"}, "n": {"type": "integer"}, "x": {"type": "number", "minimum": -100, "maximum": 100}}}},
        "models": {"line": {"path": "free_width.onnx"}},
        "sources": {"in": {**source, "format": "json", "schema": "record", "key": key}},
        "nodes": {
            "check": {"kind": "validate", "inputs": ["in"], "rules": {"not_negative": "n >= 0"}},
            "double": {"kind": "transform", "inputs": ["check"], "set": {"twice": "x * 2.0"}},
            "sum": {"kind": "infer", "inputs": ["double"], "model": "line", "features": ["x", "twice"], "outputs": {"y": "Y"}},
            "out": {"kind": "persist", "inputs": ["sum"], "to": target, "fields": ["id", "n", "y"]},
        },
        "dead_letters": dead, "limits": {"record_bytes": 2_500_000},
    }


def mixed():
    """[(name, payload)]: every bad and every valid record with good ones around it."""
    records = [("good", good(0))]
    for name, payload in [*((n, b[0]) for n, b in BAD.items()), *SOUND.items()]:
        records += [(name, payload), ("good", good(len(records)))]
    return records


def is_scored(name):
    return name == "good" or name in SOUND
