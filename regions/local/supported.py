"""Says, before anything else, whether this machine can run the platform, and what to do if not.

Run by the system's own Python from the Makefile: standard library only, and no syntax newer than Python 3.6,
so that an old Python reaches the sentence that tells about it.
"""

# ruff: noqa: UP032, PTH100, PTH112, PTH118, PTH120, PTH123  (an old Python must be able to read this file)

import ctypes
import importlib
import os
import platform
import pwd
import shutil
import sys

OLDEST_PYTHON = (3, 11)
OLDEST_GLIBC = (2, 31)
"""Envoy's wheel is built for glibc 2.31 and later (manylinux_2_31), the newest demand of all engines."""
FREE_DISK_BYTES = 3 * 10**9
"""Python environment 0.9 GB, engines 0.7 GB, downloads 0.15 GB, state of a small platform."""
ONE_REGION_BYTES = 2 * 10**9
FURTHER_REGION_BYTES = 9 * 10**8
"""Of free memory: one region takes 0.9 GB, three take 2.6 GB, and all want some for the page cache."""
ALL_REGIONS = 3


def problems():
    # type: () -> list[str]
    """List everything that stands in the way, each with what to do; empty when the platform can run."""
    checks = (_system, _python, _glibc, _zlib, _account, _venv, _disk, _memory)
    return [problem for problem in (check() for check in checks) if problem]


def _system():
    # type: () -> str
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        return (
            "Frontrow runs on 64-bit Linux (x86_64), this is {} on {}. "
            "Use a Linux machine or virtual machine (on Windows: WSL 2)."
        ).format(platform.system(), platform.machine())
    return ""


def _python():
    # type: () -> str
    if sys.version_info < OLDEST_PYTHON:
        return (
            "Python {}.{} or later is needed, {} is {}. Install it, then `make PYTHON=python3.12 up`."
        ).format(OLDEST_PYTHON[0], OLDEST_PYTHON[1], sys.executable, platform.python_version())
    return ""


def _glibc():
    # type: () -> str
    name, version = platform.libc_ver()
    if sys.platform != "linux":
        return ""
    if name != "glibc":
        return "The engines need glibc (Debian, Ubuntu, Fedora...); this system has another C library."
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_GLIBC:
        return "glibc {}.{} or later is needed, this is {}. Use Debian 11, Ubuntu 20.04 or later.".format(
            OLDEST_GLIBC[0], OLDEST_GLIBC[1], version
        )
    return ""


def _zlib():
    # type: () -> str
    try:
        ctypes.CDLL("libz.so.1")
    except OSError:
        return (
            ""
            if sys.platform != "linux"
            else "PostgreSQL needs libz.so.1: install zlib1g (Debian) or zlib (Fedora)."
        )
    return ""


def _account():
    # type: () -> str
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return "PostgreSQL refuses a user without a name: add user id {} to /etc/passwd.".format(os.geteuid())
    return ""


def _venv():
    # type: () -> str
    for module in ("venv", "ensurepip"):
        try:
            importlib.import_module(module)
        except ImportError:
            return "Python's {} module is missing: install python3-venv (Debian, Ubuntu).".format(module)
    return ""


def _disk():
    # type: () -> str
    checkout = _checkout()
    if os.path.isdir(os.path.join(checkout, ".venv")):
        return ""  # the largest part is already there
    free = shutil.disk_usage(checkout).free
    if free < FREE_DISK_BYTES:
        return "{:.1f} GB of free disk are needed, {} has {:.1f} GB.".format(
            FREE_DISK_BYTES / 1e9, checkout, free / 1e9
        )
    return ""


def _checkout():
    # type: () -> str
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _memory():
    # type: () -> str
    named = [region for region in os.environ.get("REGIONS", "").split(",") if region.strip()]
    # Whoever has been here before may have fewer regions than all: `frontrow up` knows, and asks again.
    is_new = not os.path.isdir(os.path.join(_checkout(), ".venv"))
    return memory_problem(len(named) or (ALL_REGIONS if is_new else 1))


def memory_problem(regions):
    # type: (int) -> str
    """Say what to do when the free memory is too little for so many regions; empty when it is enough."""
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":", 1) for line in file)
        available = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return ""
    needed = ONE_REGION_BYTES + (regions - 1) * FURTHER_REGION_BYTES
    if available >= needed or os.environ.get("FRONTROW_LOW_MEMORY") == "accept":
        return ""
    fewer = "start one region (REGIONS=eu make up), " if regions > 1 else ""
    what = "{} regions need".format(regions) if regions > 1 else "One region needs"
    return (
        "{} {:.1f} GB of free memory, {:.1f} GB are available. End other programs, {}"
        "or set FRONTROW_LOW_MEMORY=accept to try all the same."
    ).format(what, needed / 1e9, available / 1e9, fewer)


def main():
    # type: () -> int
    """Print what stands in the way; returns the exit code."""
    found = problems()
    for problem in found:
        sys.stderr.write(problem + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
