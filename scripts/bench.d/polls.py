"""Measures how long RunbookSolutions agents wait for the answer to a poll. polls.py AGENTS, with a house's env.sh in the environment.

Each agent asks for its tasks once a second, on a connection of its own each time, as the unmodified agents do; when it asks does
not depend on when it was answered, so that a slow answer counts in full. Agents are spread over the second.
"""

import concurrent.futures
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import time
import urllib.parse

SECONDS = 30
WARM_UP = 3
PATIENCE = 10
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
URL = urllib.parse.urlsplit(os.environ["WRIT_AGENT_GATEWAY_URL"])


class House:
    def __init__(self):
        self.connection = http.client.HTTPConnection(URL.hostname, URL.port, timeout=PATIENCE)

    def ask(self, method, path, body=None, key=None):
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            sys.exit(f"{method} {path}: {answer.status} {text[:500]!r}")
        return json.loads(text)


def enrol(numbers):
    """Enrols agents through the whole device flow; gives their tokens."""
    house, tokens = House(), []
    for number in numbers:
        code = house.ask("POST", "/oauth/device/code", {"client_id": "bench", "grant_type": GRANT, "scope": ""})
        approval = {"name": f"bench-{number}"}
        house.ask("POST", f"/v1/device-codes/{code['user_code']}/approve", approval, os.environ["WRIT_ADMIN_APIKEY"])
        poll = {"client_id": "bench", "grant_type": GRANT, "device_code": code["device_code"]}
        tokens.append(house.ask("POST", "/oauth/token", poll)["access_token"])
        # the first word makes it one of RunbookSolutions' agents
        house.ask("GET", "/api/agent", key=tokens[-1])
    return tokens


def written():
    """Gives how many transactions of the gateway's database have written something."""
    query = "select pg_snapshot_xmax(pg_current_snapshot())"
    return int(subprocess.run(["psql", "-XAtqc", query, os.environ["WRIT_AGENT_GATEWAY_DATABASE_URL"]], stdout=subprocess.PIPE, check=True).stdout)


def poll(tokens, seconds):
    """Polls; gives how long each answer took, and how late each question was asked."""
    requests = [
        f"GET /api/agent/tasks HTTP/1.1\r\nHost: {URL.netloc}\r\nUser-Agent: python-requests/2.34.2\r\nAccept: */*\r\n"
        f"Connection: keep-alive\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\r\n".encode()
        for token in tokens
    ]
    total, gap = len(tokens) * seconds, 1 / len(tokens)
    times, lates, open_, events = [], [], {}, select.epoll()
    began, asked = time.perf_counter(), 0
    address = (URL.hostname, URL.port)
    while asked < total or open_:
        now = time.perf_counter()
        while asked < total and began + asked * gap <= now:
            line = socket.socket()
            line.setblocking(False)
            line.connect_ex(address)
            due = began + asked * gap
            lates.append(now - due)
            open_[line.fileno()] = [line, requests[asked % len(tokens)], due]
            events.register(line.fileno(), select.EPOLLOUT)
            asked += 1
        wait = max(0, began + asked * gap - time.perf_counter()) if asked < total else 0.1
        for number, _ in events.poll(wait):
            line, request, due = open_[number]
            if request:
                line.send(request)
                open_[number][1] = None
                events.modify(number, select.EPOLLIN)
                continue
            answer = line.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200 "):
                sys.exit(f"a poll was answered {answer[:300]!r}")
            times.append(time.perf_counter() - due)
            events.unregister(number)
            line.close()
            del open_[number]
        if open_ and time.perf_counter() > began + seconds + PATIENCE:
            sys.exit(f"{len(open_)} polls were not answered within {PATIENCE} s")
    return times, lates


def main():
    count = int(sys.argv[1])
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        parts = pool.map(enrol, [range(first, count, 8) for first in range(8)])
        tokens = [token for part in parts for token in part]
    poll(tokens, WARM_UP)
    before = written()
    times, lates = poll(tokens, SECONDS)
    writes = written() - before
    times.sort()
    lates.sort()
    result = {"agents": count, "polls": len(times), "seconds": SECONDS}
    result |= {f"p{name}_ms": quantile(times, part) for name, part in (("50", 0.5), ("95", 0.95), ("99", 0.99))}
    result |= {"max_ms": quantile(times, 1), "asked_late_p99_ms": quantile(lates, 0.99), "writing_transactions": writes}
    load = os.getloadavg()[0]
    print(json.dumps(result | {"cpus": os.cpu_count(), "load": round(load, 1), "profile": os.environ.get("WRIT_PROFILE", "release")}))


def quantile(values, part):
    return round(values[min(int(part * len(values)), len(values) - 1)] * 1000, 1)


main()
