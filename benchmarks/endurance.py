"""Endurance of `cim serve`: mixed reads and writes while workers are killed and the database crashes; no wrong answer, no lost write.

Every writer owns some buildings and counts their heights upwards. A height that was acknowledged must be there from then on; one whose
answer never came may be there or not; nothing else may. Readers check pages, boxes and totals. At the end the store is compared with
what was acknowledged: values, history, events, totals.
"""

import argparse
import contextlib
import http.client
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

from data import FILL_BUILDINGS

from cim.clock import utc_now
from cim.db import engine, tokens
from cim.db.cluster import Cluster
from cim.db.migrate import migrate
from cim.settings import Settings

PORT = 8251
ITEMS = "/collections/buildings/items"
OWNED = 5
"""Buildings of a writer."""


class Client:
    """One keep-alive connection; None where no answer came."""

    def __init__(self, token: str) -> None:
        self._token, self._connection = token, None

    def ask(self, method: str, path: str, body: dict[str, object] | None = None) -> tuple[int, bytes] | None:
        headers = {"Authorization": f"Bearer {self._token}"}
        if body is not None:
            headers["Content-Type"] = "application/merge-patch+json"
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
            self._connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            time.sleep(0.05)
            return None


class Load:
    """Readers and writers, and what they found."""

    def __init__(self, token: str, codes: list[str], n: int) -> None:
        self.token, self.codes, self.n = token, codes, n
        self.until = 0.0
        self.found: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.acknowledged: dict[str, float] = {}
        self.possible: dict[str, set[float]] = {}
        self.n_acknowledged: Counter[str] = Counter()

    def write(self, number: int) -> None:
        """Count heights of the buildings of one writer upwards."""
        client = Client(self.token)
        mine = self.codes[number * OWNED : (number + 1) * OWNED]
        # In steps of a centimetre: no height comes twice, and none is more than the register takes.
        counted = 0
        while time.monotonic() < self.until:
            for code in mine:
                counted += 1
                height = counted / 100
                self.possible.setdefault(code, set()).add(height)
                answer = client.ask("PATCH", f"{ITEMS}/{code}", {"properties": {"height_m": height}})
                self._note("write", answer)
                if answer is not None and answer[0] in {200, 204}:
                    self.acknowledged[code], self.possible[code] = height, set()
                    self.n_acknowledged[code] += 1
                elif answer is not None and answer[0] == 429:
                    self.possible[code].discard(height)
                    time.sleep(0.05)
                elif answer is not None and answer[0] != 503:
                    self.wrong.append(f"PATCH {code}: {answer[0]} {answer[1][:200]!r}")
                self.check(client, code)

    def check(self, client: Client, code: str) -> None:
        """Read a building of the own: the height is one that may be there."""
        answer = client.ask("GET", f"{ITEMS}/{code}")
        self._note("read", answer)
        if answer is not None and answer[0] == 200:
            height = json.loads(answer[1])["properties"]["height_m"]
            if code in self.acknowledged and height not in {self.acknowledged[code], *self.possible[code]}:
                self.wrong.append(f"{code}: found {height}, acknowledged {self.acknowledged[code]}, possible {self.possible[code]}")
        elif answer is not None and answer[0] not in {503, 429}:
            self.wrong.append(f"GET {code}: {answer[0]} {answer[1][:200]!r}")

    def read(self, number: int) -> None:
        """Read pages, boxes and totals."""
        client, draw = Client(self.token), random.Random(number)
        while time.monotonic() < self.until:
            x, y = 114.4 + draw.random() * 0.004, 30.5 + draw.random() * 0.004
            path = draw.choice(
                [
                    f"{ITEMS}?limit=100",
                    f"{ITEMS}?limit=50&bbox={x:.5f},{y:.5f},{x + 0.004:.5f},{y + 0.004:.5f}",
                    f"{ITEMS}?limit=1&sortby=-height_m",
                ]
            )
            answer = client.ask("GET", path)
            self._note("read", answer)
            if answer is None or answer[0] in {503, 429}:
                continue
            page = json.loads(answer[1])
            if answer[0] != 200 or page["numberReturned"] != len({one["id"] for one in page["features"]}):
                self.wrong.append(f"{path}: {answer[0]} {answer[1][:200]!r}")
            elif "bbox" not in path and page["numberMatched"] != self.n:
                self.wrong.append(f"{path}: {page['numberMatched']} features, expected {self.n}")

    def _note(self, kind: str, answer: tuple[int, bytes] | None) -> None:
        self.found[f"{kind} {'no answer' if answer is None else answer[0]}"] += 1

    def compare(self, settings: Settings) -> None:
        """Compare the store with what was acknowledged."""
        with engine.connect(settings) as connection:
            rows = connection.execute("SELECT code, height_m, version FROM building WHERE code = ANY(%s)", [list(self.possible)]).fetchall()
            states = dict(connection.execute("SELECT code, count(*) FROM building_history GROUP BY code").fetchall())
            n = connection.execute(
                "SELECT count(*), (SELECT sum(n) FROM feature_count WHERE collection = 'buildings') FROM building"
            ).fetchone()
            changes = connection.execute("SELECT count(*) FROM change_set WHERE operation = 'edit'").fetchone()
        if n != (self.n, self.n):
            self.wrong.append(f"{n[0]} buildings and a total of {n[1]}, expected {self.n}")
        for code, height, version in rows:
            if code in self.acknowledged and height not in {self.acknowledged[code], *self.possible[code]}:
                self.wrong.append(f"lost: {code} has {height}, acknowledged {self.acknowledged[code]}")
            if version - 1 < self.n_acknowledged[code] or states.get(code, 0) != version - 1:
                self.wrong.append(f"{code}: version {version}, {states.get(code, 0)} past states, {self.n_acknowledged[code]} acknowledged")
        written = sum(version - 1 for _, _, version in rows)
        if changes is None or changes[0] != written:
            self.wrong.append(f"{changes} change sets for {written} writes")


def workers_of(pid: int) -> list[int]:
    """Return the server processes of `cim serve`, without multiprocessing's own helper."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in children if b"resource_tracker" not in Path(f"/proc/{one}/cmdline").read_bytes()]


def crash(cluster: Cluster) -> None:
    """Kill the database without warning and start it again."""
    pid = int((cluster.folder / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.5)
        # Its children notice a moment later; until then the folder is in use.
        with contextlib.suppress(Exception):
            cluster.start()
            return
    raise SystemExit("the database did not come back")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600, help="length of the load [s]")
    parser.add_argument("--size", type=int, default=20_000, help="buildings")
    parser.add_argument("--clients", type=int, default=8, help="half of them write")
    parser.add_argument("--rate", type=float, default=0, help="rate limit of the server [1/s], 0 = none")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON at the end")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cim-endurance-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        settings = Settings(data_dir=folder)
        cluster = Cluster(folder)
        cluster.start()
        try:
            load = run(settings, cluster, given)
        finally:
            cluster.stop()
    answers = sum(load.found.values())
    n_acknowledged = sum(load.n_acknowledged.values())
    for line in load.wrong[:20]:
        print(f"WRONG {line}")
    print(f"{answers} requests, {n_acknowledged} acknowledged writes: {dict(sorted(load.found.items()))}")
    empty = {"unit": "1", "peer": "gate", "peer_value": 0, "ratio": None, "gate": 0, "target": 0, "n": given.size}
    rows = [
        {"name": "endurance: wrong answers and lost writes", "value": len(load.wrong), **empty},
        {"name": "endurance: acknowledged writes", "value": n_acknowledged, **empty, "gate": None, "target": None},
    ]
    if given.json:
        print(json.dumps(rows))
    return 1 if load.wrong or not n_acknowledged else 0


def told(log: str) -> str:
    """Return what the log of the server says of its own faults, else its end."""
    lines = log.splitlines()
    at = [i for i, line in enumerate(lines) if line.startswith("Traceback") or "status=500" in line]
    near = sorted({j for i in at for j in range(max(0, i - 2), min(len(lines), i + 60)) if "audit" not in lines[j]})
    return "\n".join(lines[j] for j in near[:300]) if near else log[-4000:]


def run(settings: Settings, cluster: Cluster, given: argparse.Namespace) -> Load:
    """Fill a store, serve it, load it, break it."""
    migrate(settings)
    with engine.connect(settings) as connection:
        connection.execute(FILL_BUILDINGS.encode(), {"n": given.size, "side": math.ceil(math.sqrt(given.size))})
        codes = [row[0] for row in connection.execute("SELECT code FROM building ORDER BY code LIMIT %s", [given.clients * OWNED])]
        new = tokens.NewToken("load", "load", "editor", utc_now() + timedelta(days=1))
        secret = tokens.create(connection, new, created_by="endurance")[1]
    load = Load(secret, codes, given.size)
    env = {**os.environ, "CIM_DATA_DIR": str(settings.data_dir), "CIM_SERVER__RATE_LIMIT_PER_S": str(given.rate)}
    with (settings.data_dir / "server.log").open("wb") as log:
        argv = [sys.executable, "-m", "cim", "serve", "--port", str(PORT), "--workers", "2"]
        server = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
        try:
            client, deadline = Client(secret), time.monotonic() + 120
            while (answer := client.ask("GET", "/readyz")) is None or answer[0] != 200:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise SystemExit((settings.data_dir / "server.log").read_text()[-2000:])
            load.until = time.monotonic() + given.seconds
            threads = [threading.Thread(target=load.write if i % 2 else load.read, args=[i // 2]) for i in range(given.clients)]
            for one in threads:
                one.start()
            time.sleep(given.seconds / 3)
            os.kill(random.choice(workers_of(server.pid)), signal.SIGKILL)
            time.sleep(given.seconds / 4)
            crash(cluster)
            for one in threads:
                one.join()
        finally:
            server.terminate()
            # The parent may be waiting for the answer of a process that is just starting.
            server.wait(120)
    load.compare(settings)
    if load.wrong:
        print(told((settings.data_dir / "server.log").read_text(errors="replace")))
    return load


if __name__ == "__main__":
    sys.exit(main())
