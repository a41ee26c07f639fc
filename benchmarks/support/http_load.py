"""A small HTTP load: keep-alive connections of one process, each asking for the next path as soon as the last answer is complete."""

import asyncio
import itertools
import json
import sys
import time


class _Client(asyncio.Protocol):
    def __init__(self, paths: list[bytes], host: bytes, more: bytes, until: float, done: asyncio.Future[None]) -> None:
        self.requests = [b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\nAccept: */*\r\n" + more + b"\r\n" for path in paths]
        self.turn = itertools.cycle(self.requests)
        self.until, self.done = until, done
        self.answers = self.n_bytes = 0
        self.failed = ""
        self.left = -1
        self.head = b""
        self.chunked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.transport.write(next(self.turn))

    def data_received(self, data: bytes) -> None:
        self.n_bytes += len(data)
        if self.left < 0:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, body = self.head[:end].lower(), self.head[end + 4 :]
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                self.failed = self.head[:300].decode(errors="replace")
                self.transport.abort()
                return
            self.head = b""
            place = head.find(b"content-length:")
            if place < 0:
                self.chunked, self.left = True, 1 << 60
            else:
                self.chunked, self.left = False, int(head[place + 15 :].split(b"\r\n", 1)[0])
            data = body
        self.left -= len(data)
        if self.left <= 0 or (self.chunked and data.endswith(b"0\r\n\r\n")):
            self.left = -1
            self.answers += 1
            if time.perf_counter() < self.until:
                self.transport.write(next(self.turn))
            else:
                self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def run(host: str, port: int, paths: list[str], connections: int, seconds: float, token: str = "") -> dict[str, object]:
    """Return answers per second, bytes per answer and what failed."""
    loop = asyncio.get_running_loop()
    more = f"Authorization: Bearer {token}\r\n".encode() if token else b""
    started = time.perf_counter()
    clients = []
    for number in range(connections):
        done = loop.create_future()
        turned = [path.encode() for path in paths[number % len(paths) :] + paths[: number % len(paths)]]
        client = _Client(turned, f"{host}:{port}".encode(), more, started + seconds, done)
        await loop.create_connection(lambda client=client: client, host, port)
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    took = time.perf_counter() - started
    answers = sum(client.answers for client in clients)
    failed = next((client.failed for client in clients if client.failed), "")
    return {"per_s": answers / took, "bytes": sum(c.n_bytes for c in clients) / max(answers, 1), "failed": failed}


if __name__ == "__main__":
    asked = json.loads(sys.stdin.read())
    json.dump(asyncio.run(run(**asked)), sys.stdout)
