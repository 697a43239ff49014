"""What the machine tells of a process and of itself, from /proc and the control groups of Linux.

Elsewhere psutil stands in for what it knows, and the rest is None. The files are opened once and read again each time:
a reading has to work when no descriptor is left, which is when it is wanted most. It costs about 0.1 ms.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil

_MOST = 65536  # bytes of a file; what is looked for stands at the beginning of the longer ones
_UNLIMITED = 2**60  # version 1 of the control groups says so with a huge number


@dataclass(frozen=True)
class Reading:
    """Counters and levels at one moment; None: not known here. Counters only grow."""

    cpu_ns: int
    cpu_wait_ns: int | None = None
    steal_ticks: int | None = None
    all_ticks: int | None = None
    throttled_ns: int | None = None
    descriptors: int = 0
    descriptor_limit: int = 0
    time_wait: int = 0
    ports: int = 0
    memory_bytes: int = 0
    memory_free: float | None = None


class Machine:
    """Reads this process and this machine; `root` is where the file system of the machine begins. To be made in the
    process that it is to read, and not before a fork. Nothing that cannot be read raises."""

    def __init__(self, root: str | os.PathLike[str] = "/", cpu_ns: Callable[[], int] = time.process_time_ns) -> None:
        self._root = Path(root)
        self._cpu_ns = cpu_ns
        self._process = psutil.Process()
        self._files: dict[str | Path, int | None] = {}

    def read(self) -> Reading:
        """How it is now."""
        ticks = self._ticks()
        return Reading(
            cpu_ns=self._cpu_ns(),
            cpu_wait_ns=self._cpu_wait_ns(),
            steal_ticks=ticks[7] if len(ticks) > 7 else None,
            all_ticks=sum(ticks[:8]) if ticks else None,  # the rest (guests) is counted in user time already
            throttled_ns=self._throttled_ns(),
            descriptors=self._descriptors(),
            descriptor_limit=self._descriptor_limit,
            time_wait=self._time_wait(),
            ports=self._ports,
            memory_bytes=self._memory_bytes(),
            memory_free=self._memory_free(),
        )

    def _ticks(self) -> list[int]:
        """user, nice, system, idle, iowait, irq, softirq, steal of all cores together."""
        words = self._text("proc/stat").partition("\n")[0].split()
        return [int(word) for word in words[1:]] if words[:1] == ["cpu"] else []

    def _cpu_wait_ns(self) -> int | None:
        words = self._text("proc/self/schedstat").split()  # of the main thread: running, waiting, how often
        return int(words[1]) if len(words) == 3 else None

    def _throttled_ns(self) -> int | None:
        for file in self._group_files("cpu", "cpu.stat"):
            found = dict(line.split() for line in self._text(file).splitlines() if len(line.split()) == 2)
            if "throttled_usec" in found:
                return int(found["throttled_usec"]) * 1000
            if "throttled_time" in found:
                return int(found["throttled_time"])
        return None

    def _descriptors(self) -> int:
        path = self._root / "proc/self/fd"
        try:
            # Since Linux 6.2 the size is the number of open descriptors; listing thousands would take milliseconds.
            return path.stat().st_size or len(os.listdir(path))
        except OSError:
            return int(self._asked("num_fds", 0))

    @cached_property
    def _descriptor_limit(self) -> int:
        for line in self._text("proc/self/limits").splitlines():
            if line.startswith("Max open files"):
                soft = line.split()[3]
                return int(soft) if soft.isdigit() else 0
        return 0

    def _time_wait(self) -> int:
        for line in self._text("proc/net/sockstat").splitlines():
            words = line.split()
            if words[:1] == ["TCP:"] and "tw" in words:
                return int(words[words.index("tw") + 1])
        return 0

    @cached_property
    def _ports(self) -> int:
        words = self._text("proc/sys/net/ipv4/ip_local_port_range").split()
        return int(words[1]) - int(words[0]) + 1 if len(words) == 2 else 0

    def _memory_bytes(self) -> int:
        words = self._text("proc/self/statm").split()
        if len(words) > 1 and hasattr(os, "sysconf"):
            return int(words[1]) * os.sysconf("SC_PAGE_SIZE")
        memory = self._asked("memory_info", None)
        return memory.rss if memory else 0

    def _asked(self, name: str, otherwise: Any) -> Any:
        """What psutil says of this process; it opens files to find out, and there may be no descriptor for them."""
        try:
            return getattr(self._process, name)()
        except (AttributeError, OSError, psutil.Error):
            return otherwise

    def _memory_free(self) -> float | None:
        """The smaller share of the machine's memory and of what the control group may take."""
        shares = [share for share in (self._machine_free(), self._group_free()) if share is not None]
        return min(shares, default=None)

    def _machine_free(self) -> float | None:
        sizes = {}
        for line in self._text("proc/meminfo").splitlines()[:5]:
            name, _, value = line.partition(":")
            sizes[name] = int(value.split()[0])
        if "MemAvailable" in sizes and sizes.get("MemTotal"):
            return sizes["MemAvailable"] / sizes["MemTotal"]
        try:
            memory = psutil.virtual_memory()
        except OSError:
            return None
        return float(memory.available / memory.total)

    def _group_free(self) -> float | None:
        for limit_name, used_name, idle in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            for file in self._group_files("memory", limit_name):
                limit = self._text(file).strip()
                if not limit.isdigit() or int(limit) > _UNLIMITED or not int(limit):
                    return None
                used = int(self._text(file.parent / used_name) or 0)
                for line in self._text(file.parent / "memory.stat").splitlines():
                    if line.startswith(f"{idle} "):  # read files that the kernel would give up at once
                        used -= int(line.split()[1])
                return max(0.0, 1 - used / int(limit))
        return None

    def _group_files(self, controller: str, name: str) -> Iterator[Path]:
        """Files of this name in the control group of this process, version 2 or 1. Within a container the group's own
        path is not seen, and its files are at the top."""
        if name not in self._found_files:
            self._found_files[name] = self._find_group_file(controller, name)
        if (file := self._found_files[name]) is not None:
            yield file

    @cached_property
    def _found_files(self) -> dict[str, Path | None]:
        return {}

    def _find_group_file(self, controller: str, name: str) -> Path | None:
        top = self._root / "sys/fs/cgroup"
        for line in self._text("proc/self/cgroup").splitlines():
            number, _, rest = line.partition(":")
            controllers, _, group = rest.partition(":")
            if number == "0":
                bases = [top, top / "unified"]
            elif controller in controllers.split(","):
                bases = [top / controllers, top / controller]
            else:
                continue
            for base in bases:
                for place in (base / group.lstrip("/"), base):
                    if (place / name).is_file():
                        return place / name
        return None

    def _text(self, path: str | Path) -> str:
        """The beginning of a file, as it is now; empty when there is none."""
        try:
            if path not in self._files:
                self._files[path] = os.open(self._root / path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
            descriptor = self._files[path]
            return os.pread(descriptor, _MOST, 0).decode("ascii", "replace") if descriptor is not None else ""
        except FileNotFoundError:
            self._files[path] = None
            return ""
        except (OSError, AttributeError):
            return ""

    def close(self) -> None:
        """Close the files."""
        files, self._files = self._files, {}
        for descriptor in files.values():
            if descriptor is not None:
                os.close(descriptor)
