"""Processes of the suite: a system under test in a group of its own, and tools that answer with one line of JSON."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

STOP_S = 15  # a system must end within 10 s of SIGTERM


class Failed(Exception):
    """A measurement could not be taken; the text says which, and what the process said."""


def talk(text: str):
    print(text, file=sys.stderr, flush=True)


def tail(path: pathlib.Path, lines=15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""


class Process:
    """One process group, from its start to its end; what it says goes to a file."""

    def __init__(self, command: list, folder: pathlib.Path, env=None, name="system", cwd=None):
        self.command, self.name = [str(part) for part in command], name
        self.log = folder / f"{name}.log"
        self.started_ms = time.time() * 1000
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(env or {})},
                cwd=cwd or folder,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def code(self):
        return self._process.poll()

    def wait(self, timeout: float) -> int:
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} did not end within {timeout:.0f} s\n{tail(self.log)}") from None

    def _signal(self, number):
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def kill(self):
        self._signal(signal.SIGKILL)
        self._process.wait(20)

    def stop(self):
        """SIGTERM, then SIGKILL. A system that fails while it stops has not done its work: it may not pass unseen."""
        if not self.running():
            raise Failed(f"{self.name} ended by itself with exit code {self.code}\n{tail(self.log)}")
        os.kill(self.pid, signal.SIGTERM)
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} did not end within {STOP_S} s of SIGTERM\n{tail(self.log)}") from None
        finally:
            self._signal(signal.SIGKILL)  # what it may have left behind in its group
        if code != 0:
            raise Failed(f"{self.name} ended with exit code {code} on SIGTERM\n{tail(self.log)}")


def _answer(tool: subprocess.Popen, deadline: float, beside: Process) -> tuple:
    """What the tool said on stdout and stderr."""
    begin = time.monotonic()
    while True:
        try:
            return tool.communicate(timeout=0.2)
        except subprocess.TimeoutExpired:
            if beside is not None and not beside.running():
                raise Failed(f"{beside.name} ended (exit code {beside.code})\n{tail(beside.log)}") from None
            if time.monotonic() > deadline:
                said = f"\n{beside.name} said: {tail(beside.log)}" if beside else ""
                raise Failed(f"no answer in {deadline - begin:.0f} s{said}") from None


def ask(command: list, timeout: float, beside: Process = None) -> dict:
    """Runs a tool that prints one JSON object. With `beside`: fails as soon as that process ends."""
    done = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = _answer(done, time.monotonic() + timeout, beside)
    except Failed as failure:
        raise Failed(f"{' '.join(map(str, command[:2]))}: {failure}") from None
    finally:
        if done.poll() is None:
            done.kill()
            done.communicate()
    answer = json.loads(out.strip().splitlines()[-1]) if out.strip().startswith("{") else {}
    if done.returncode != 0:
        raise Failed(
            f"{' '.join(map(str, command[:3]))}: exit code {done.returncode}: "
            f"{out.strip()[-500:]} {err.strip()[-1500:]}"
        )
    return answer
