"""What was measured, and on what: a figure without its machine and commit says little."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

from .systems import PEERS, ROOT


def _said(*command) -> str:
    try:
        done = subprocess.run(
            [str(c) for c in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            timeout=30,
        )
        return done.stdout.strip() if done.returncode == 0 else ""
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _value_in(path, name: str, sign: str) -> str:
    """What stands behind `sign` in the first line that begins with `name`; empty when there is none."""
    file = pathlib.Path(path)
    for line in file.read_text().splitlines() if file.exists() else []:
        if line.startswith(name):
            return line.partition(sign)[2].strip()
    return ""


def commit() -> str:
    found = _said("git", "rev-parse", "--short=12", "HEAD") or "none"
    return found + (" with changes" if _said("git", "status", "--porcelain", "--untracked-files=no") else "")


def _cached(name: str) -> str:
    """A value of the build's settings."""
    return _value_in(ROOT / "build" / "CMakeCache.txt", name + ":", "=")


def has_mimalloc() -> bool:
    return _cached("ANABRANCH_MIMALLOC") == "ON" and "NOTFOUND" not in _cached("MIMALLOC_LIBRARY")


def java_peers() -> str:
    pom = (PEERS / "java" / "pom.xml").read_text()
    found = re.findall(r"<(kafka|flink|jackson)\.version>([^<]+)<", pom)
    found += re.findall(r"<artifactId>(onnxruntime)</artifactId>\s*<version>([^<]+)<", pom)
    return " ".join(f"{name} {version}" for name, version in found)


def versions() -> dict:
    found = {
        "librdkafka": _said("pkg-config", "--modversion", "rdkafka"),
        "broker": "Apache Kafka " + _value_in(ROOT / "tests/setup/broker", "kafka_version", "="),
        "java": (_said("java", "-version").splitlines() or ["none"])[0],
        "java peers": java_peers(),
        "compiler": (_said("c++", "--version").splitlines() or ["?"])[0],
        "build": f"{_cached('CMAKE_BUILD_TYPE')} {_cached('CMAKE_CXX_FLAGS')}".strip(),
        "malloc of program and relay": "mimalloc" if has_mimalloc() else "the C library's",
    }
    requirements = PEERS / "requirements.txt"
    if requirements.exists():
        found["python peers"] = " ".join(
            line.partition("#")[0].strip()
            for line in requirements.read_text().splitlines()
            if line.partition("#")[0].strip()
        )
    return found


def describe() -> dict:
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "processor": _value_in("/proc/cpuinfo", "model name", ":") or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
        "versions": versions(),
    }
