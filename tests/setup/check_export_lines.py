#!/usr/bin/env python3
"""Runs the Python blocks of docs/models.md, and has the program read the model that each of them writes.

    "$(tests/setup/python)" tests/setup/check_export_lines.py [PROGRAM]

Blocks with "not run by our tests" are omitted. Not part of CI: it needs the libraries of requirements.txt.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "bin" / "anabranch").resolve()


def main():
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "not run by our tests" not in block]
    for block in blocks:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-W", "ignore", "-c", block], cwd=folder, check=True)
            shown = subprocess.run([PROGRAM, "model", "inspect", "model.onnx"], cwd=folder, check=True, capture_output=True, text=True)
            print(shown.stdout)
    print(f"{len(blocks)} blocks: each wrote a model that loads")


if __name__ == "__main__":
    main()
