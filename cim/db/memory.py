"""Server parameters from the machine's size."""

import os

_GIB = 1024**3


def machine_memory_bytes() -> int:
    """Return the memory of this machine or of its container limit, whichever is smaller [byte]."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as handle:  # noqa: PTH123 - a kernel file, not a path of ours
            limit = handle.read().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def server_parameters(*, durable: bool) -> str:
    """Return the text of ``cim.conf``.

    Parameters
    ----------
    durable
        False only for tests: no fsync, no full-page writes.

    Notes
    -----
    A quarter of the memory as shared buffers up to 4 GiB, half as planner's cache size. ``jit=off``: compiling a tile query costs
    more than running it (measured 1.3 s of compiling for a query of 0.5 s).
    """
    memory = machine_memory_bytes()
    megabyte = 1024**2
    shared = max(64, min(memory // 4, 4 * _GIB) // megabyte)
    lines = [
        f"shared_buffers = {shared}MB",
        f"effective_cache_size = {max(128, memory // 2 // megabyte)}MB",
        f"maintenance_work_mem = {max(64, min(memory // 16, _GIB) // megabyte)}MB",
        f"work_mem = {max(8, min(memory // 256, 64 * megabyte) // megabyte)}MB",
        "max_connections = 100",
        "jit = off",
        "timezone = 'UTC'",
        "log_timezone = 'UTC'",
        "random_page_cost = 1.1",
        "max_wal_size = 4GB",
        "wal_compression = lz4",
        "password_encryption = 'scram-sha-256'",
        "log_line_prefix = '%m [%p] '",
    ]
    if not durable:
        lines += ["fsync = off", "synchronous_commit = off", "full_page_writes = off"]
    return "\n".join(lines) + "\n"
