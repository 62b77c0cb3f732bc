"""Rules about the shape of the source tree. A tree is a dictionary from path to text; each check returns violations."""

import ast
import dataclasses
import os
import re

CODE = ("engine", "nodes", "connectors", "topologies")
LONGEST_FILE = 600
LONGEST_FUNCTION = 60


@dataclasses.dataclass(frozen=True)
class Violation:
    path: str
    line: int
    rule: str
    cure: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}; {self.cure}"


def is_code(path):
    return path.split("/")[0] in CODE and path.endswith((".h", ".cpp"))


def numbered(text):
    return enumerate(text.split("\n"), 1)


# ------------------------------------------------------------------ the core names no component

# The ledger of a run is an SQLite database, whatever connectors there are, and so is the control log of one instance.
STORES = {"sqlite": re.compile(r"^engine/(run/ledger[a-z_]*|models/local_control_log|sqlite/[a-z_]+)\.(h|cpp)$")}
COMMON_WORDS = {"file"}  # connectors whose name is an everyday word: only a quoted name counts


def component_names(tree):
    """The folders of nodes/ and connectors/: (kinds, connectors)."""
    found = {"nodes": set(), "connectors": set()}
    for path in tree:
        parts = path.split("/")
        if len(parts) > 2 and parts[0] in found:
            found[parts[0]].add(parts[1])
    return sorted(found["nodes"]), sorted(found["connectors"])


def component_pattern(kinds, connectors):
    quoted = "|".join(kinds + connectors)
    parts = [rf'\\?"(?:{quoted})\\?"', rf"`(?:{quoted})`"]
    if kinds:
        parts.append(rf"\b(?:{'|'.join(kinds)}) (?:nodes?|kinds?)\b")
        parts.append(rf"\b(?:kinds?|nodes?) (?:{'|'.join(kinds)})\b")
    rare = [name for name in connectors if name not in COMMON_WORDS]
    if rare:
        parts.append(rf"(?i:rd)?(?i:{'|'.join(rare)})")
    return re.compile("|".join(parts))


# (file, word): keys of the format that are written like a component. A test case names a text file with its records.
KEYS_OF_THE_FORMAT = {("topologies/language/test_spec.cpp", '"file"')}


def check_core_names_no_component(tree):
    kinds, connectors = component_names(tree)
    if not kinds and not connectors:
        return []
    pattern = component_pattern(kinds, connectors)
    found = []
    for path, text in tree.items():
        if not is_code(path) or path.startswith("engine/testing/"):
            continue
        if not path.startswith(("engine/", "topologies/language/")):
            continue
        for number, line in numbered(text):
            for match in pattern.finditer(line):
                word = match.group(0)
                store = next((name for name in STORES if name in word.lower()), None)
                # The ledger's classes may be named where it is used: sqlite.h, SqliteDatabase.
                if store and (STORES[store].match(path) or re.match(r"#include", line)):
                    continue
                if (path, word) in KEYS_OF_THE_FORMAT:
                    continue
                found.append(Violation(path, number, f"the core names a component: {word}",
                                       "ask the component through its spec or its interface, or word it in general"))
                break
    return found


# ------------------------------------------------------------------ one home per rule

# (rule, home, pattern). The pattern may match in the home only; a home is a file name without its ending, or a folder.
HOMES = [
    ("a folder is synced", ("engine/disk", "engine/files", "engine/sync_folder", "engine/folder_sync", "engine/keep/files"),
     re.compile(r"O_RDONLY \| O_DIRECTORY|\bStatus Sync(?:Folder|Directory|Parent)\w*\(.*\{")),
    ("UTF-8 is cut", ("engine/utf8", "engine/text"),
     re.compile(r"&\s*0x[cC]0\)?u?\s*==\s*0x80")),
    ("a record id is formatted", ("engine/record_id",),
     re.compile(r"partition\w*(?:\.\w+\(\))?\)?\s*\+\s*(?:\"[:/@#]\"|'[:/@#]')\s*\+\s*std::to_string\(\w*offset")),
    ("a duration is formatted", ("engine/durations", "engine/duration", "engine/text"),
     re.compile(r'"%[.0-9]*[gf] ?(?:ms|s|µs)"')),
]
CLASS_LITERAL = re.compile(r'\berror_class\w*(?:\(\))?\s*[!=]=\s*"|"[a-z_]+"\s*[!=]=\s*[\w.>-]*error_class')


def check_one_home_per_rule(tree):
    found = []
    for path, text in tree.items():
        if not is_code(path):
            continue
        for number, line in numbered(text):
            for rule, homes, pattern in HOMES:
                if pattern.search(line) and not path.startswith(homes):
                    found.append(Violation(path, number, f"{rule} outside of its home", f"call {homes[0]}.h"))
            if CLASS_LITERAL.search(line):
                found.append(Violation(path, number, "an error class is compared with a literal", "compare with its enum"))
    return found


# ------------------------------------------------------------------ no circle between folders

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def arrows(tree):
    """{(folder, folder): "path:line" of one include that makes it}."""
    found = {}
    for path, text in tree.items():
        if not is_code(path):
            continue
        for number, line in numbered(text):
            match = INCLUDE.match(line)
            if not match:
                continue
            here, there = os.path.dirname(path), os.path.dirname(match.group(1))
            if here != there and there.split("/")[0] in CODE:
                found.setdefault((here, there), f"{path}:{number}")
    return found


def reachable(start, edges):
    seen, todo = set(), [start]
    while todo:
        for there in edges.get(todo.pop(), ()):
            if there not in seen:
                seen.add(there)
                todo.append(there)
    return seen


def check_no_circle(tree):
    found = []
    all_arrows = arrows(tree)
    edges = {}
    for here, there in all_arrows:
        edges.setdefault(here, set()).add(there)
    for (here, there), place in sorted(all_arrows.items()):
        if here in reachable(there, edges):
            path, line = place.rsplit(":", 1)
            found.append(Violation(path, int(line), f"{here} → {there} closes a circle of includes",
                                   "move what both need into the lower folder"))
    return found


# ------------------------------------------------------------------ components use contracts only

BEHIND_CONTRACTS = ("engine/run/", "engine/keep/", "engine/restart/")


def check_components_use_contracts(tree):
    found = []
    for path, text in tree.items():
        if not is_code(path) or not path.startswith(("nodes/", "connectors/")):
            continue
        for number, line in numbered(text):
            match = INCLUDE.match(line)
            if match and match.group(1).startswith(BEHIND_CONTRACTS):
                found.append(Violation(path, number, f"a component includes {match.group(1)}",
                                       "use a contract of engine/, such as state_store.h"))
    return found


# ------------------------------------------------------------------ sizes

GENERATED = re.compile(r"^docs/reference/|^bench/results/|\.(json|jsonl|csv|svg|sha256|onnx|lock)$|^LICENSE$")


def check_file_length(tree):
    found = []
    for path, text in tree.items():
        if GENERATED.search(path):
            continue
        lines = text.count("\n")
        if lines > LONGEST_FILE:
            found.append(Violation(path, LONGEST_FILE, f"{lines} lines in one file, at most {LONGEST_FILE}", "split it along its seams"))
    return found


RAW_STRING = re.compile(r'R"([^()\s\\]*)\((.*?)\)\1"', re.S)
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])\'', re.S)


def blank(match):
    return re.sub(r"[^\n]", "~" if match.group(0).startswith(("R", '"')) else " ", match.group(0))


def functions(text):
    """(name, first line, last line) of each function body of a C++ text; a lambda is a part of its function."""
    plain = NOISE.sub(blank, RAW_STRING.sub(blank, text))
    plain = re.sub(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), plain)
    found, stack, start = [], [], 0  # stack: (name, line) of a function, None of a scope, False of a value
    inside = False
    for position, char in enumerate(plain):
        if char == "{" and re.match(r"[\w>]", plain[position - 1]):
            stack.append(False)  # a value: clang-format sets a space before a body
        elif char == "{":
            head = plain[start:position]
            name = re.search(r"(~?[\w:]+|operator[^\w\s(]+)\s*\(", head)
            scope = re.search(r"\b(?:namespace|class|struct|enum|union|extern)\b[^()]*$", head)
            if not inside and name and not scope and not re.search(r"(?<![=!<>])=\s*$|\bconcept\b", head):
                offset = start + len(head) - len(head.lstrip())
                stack.append((name.group(1), plain.count("\n", 0, offset) + 1))
                inside = True
            else:
                stack.append(None)
            start = position + 1
        elif char == "}" and stack:
            top = stack.pop()
            if top:
                found.append((*top, plain.count("\n", 0, position) + 1))
                inside = False
            if top is not False:
                start = position + 1
        elif char == ";":
            start = position + 1
        elif char == ":" and plain[position - 1] != ":" and plain[position + 1:position + 2] != ":":
            if re.search(r"\b(public|private|protected)\s*$", plain[start:position]):
                start = position + 1
    return found


# A line of a table: a list of literals, not logic.
TABLE_LINE = re.compile(r'^\s*(?:\{|\}|"|R"|u8"|/\*|//)|^\s*$|^\s*(?:\w+\.)*\w+ (?:=|\+=) *(?:R?"|\{)|^\s*\w+\.\w+\(\{')


def logic_lines(lines):
    raw = False
    count = 0
    for line in lines:
        if raw:
            raw = ')"' not in line and not re.search(r'\)\w+"', line)
            continue
        if re.search(r'R"\w*\(', line) and not re.search(r'\)\w*"', line):
            raw = True
        if not TABLE_LINE.match(line):
            count += 1
    return count


def is_table(lines):
    """Most of its lines are rows of literals: the few others do not make it longer than a screen."""
    return logic_lines(lines) * 2 <= len(lines)


def python_functions(path, text):
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno


def check_function_length(tree):
    found = []
    for path, text in tree.items():
        if path.endswith((".h", ".cpp")):
            spans = functions(text)
        elif path.endswith(".py"):
            spans = python_functions(path, text)
        else:
            continue
        lines = text.split("\n")
        for name, first, last in spans:
            length = last - first + 1
            if length > LONGEST_FUNCTION and not is_table(lines[first - 1:last]):
                found.append(Violation(path, first, f"{name} has {length} lines, at most {LONGEST_FUNCTION}",
                                       "give its parts names"))
    return found


# ------------------------------------------------------------------ plain words

WORDS = {
    "told": "reported, said",  # but not "told to do", "told apart"
    "at hand": "available",
    "by the way": "(say it or leave it)",
    "mend": "fix", "mends": "fixes", "mended": "fixed", "mending": "fixing",
    "left out": "omitted",
    "held to": "validated against",
    "hold to": "validate against",
    "holds to": "validates against",
    "gives up": "abandons, stops",
    "taken in": "read",
    "hears of": "is notified of",
    "said again": "repeated",
}
WORD = re.compile(r"(?<![\w`-])(?:" + "|".join(w.replace(" ", r"\s") for w in WORDS) + r")(?![\w`-])(?<!told(?= to\b))(?<!told(?= apart\b))", re.I)
PROSE = (".md", ".h", ".cpp", ".py", ".txt", ".cmake")


SAID = re.compile(r"""//.*|"(?:\\.|[^"\\])*"|(?<!\w)'(?:\\.|[^'\\])*'|\#.*""")


def said(path, line):
    """What a person reads in a line: of code its comments and texts."""
    if path.endswith((".h", ".cpp", ".py")):
        return " ".join(SAID.findall(line)) or (line if not re.search(r"[;(){}=<>\[\]]", line) else "")
    return line


def check_plain_words(tree):
    found = []
    for path, text in tree.items():
        if not path.endswith(PROSE) or path.startswith("tests/structure/"):
            continue
        for number, line in numbered(text):
            for match in WORD.finditer(said(path, line)):
                word = match.group(0)
                found.append(Violation(path, number, f'"{word}"', "write: " + WORDS[word.lower()]))
    return found


CHECKS = [check_core_names_no_component, check_one_home_per_rule, check_no_circle, check_components_use_contracts,
          check_file_length, check_function_length, check_plain_words]
