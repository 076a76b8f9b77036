"""What the benchmarks say about where and when they ran."""

import os
import platform
from datetime import date
from pathlib import Path


def machine() -> str:
    """Processor and number of cores."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def circumstances() -> dict[str, str | float]:
    """Machine, day, and how many processes wanted a core during the last minute, these included."""
    return {"machine": machine(), "day": date.today().isoformat(), "load": round(os.getloadavg()[0], 1)}
