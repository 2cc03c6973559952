"""Measures how long RunbookSolutions agents wait for the answer to a poll. polls.py AGENTS, with a house's env.sh in the environment.

Each agent asks for its tasks once a second, on a connection of its own each time, as the unmodified agents do; when it asks does
not depend on when it was answered, so that a slow answer counts in full. Agents are spread over the second.

Each agent has a task of its own by the clock, and every answer has to be exactly that one: ends with 1 when one was not.
"""

import concurrent.futures
import json
import os
import select
import socket
import subprocess
import sys
import time
import urllib.parse

from common import House, quantile, show

SECONDS = 30
WARM_UP = 3
PATIENCE = 10
SCRIPT = "class Plugin:\n    def echo(self, value):\n        return value\n"
GOALS = {"p99_ms": 50, "writing_transactions": 0.05}
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
URL = urllib.parse.urlsplit(os.environ["WRIT_AGENT_GATEWAY_URL"])


def publish():
    """Publishes the plugin that all agents have; gives its id."""
    plugin = {"name": "bench", "version": "1", "script": SCRIPT, "commands": {"echo": {"function": "echo"}}}
    return House("WRIT_AGENT_GATEWAY_URL").ask("POST", "/v1/plugins", plugin)["id"]


def enrol(numbers, plugin):
    """Enrols agents through the whole device flow; gives of each its token and what it has to be answered."""
    house, agents = House("WRIT_AGENT_GATEWAY_URL"), []
    for number in numbers:
        code = house.ask("POST", "/oauth/device/code", {"client_id": "bench", "grant_type": GRANT, "scope": ""}, key=None)
        approval = {"name": f"bench-{number}", "plugins": [plugin]}
        agent = house.ask("POST", f"/v1/device-codes/{code['user_code']}/approve", approval)
        poll = {"client_id": "bench", "grant_type": GRANT, "device_code": code["device_code"]}
        token = house.ask("POST", "/oauth/token", poll, key=None)["access_token"]
        # the first word makes it one of RunbookSolutions' agents
        house.ask("GET", "/api/agent", key=token)
        task = {"agent_id": agent["id"], "command": f"{plugin}.echo", "cron": "@yearly", "arguments": {"value": number}}
        made = house.ask("POST", "/v1/tasks", task)
        due = {"id": made["id"], "command": task["command"], "cron": "@yearly", "arguments": json.dumps(task["arguments"], separators=(",", ":"))}
        agents.append((token, {"data": [due]}))
    return agents


def written():
    """Gives how many transactions of the gateway's database have written something."""
    query = "select pg_snapshot_xmax(pg_current_snapshot())"
    return int(subprocess.run(["psql", "-XAtqc", query, os.environ["WRIT_AGENT_GATEWAY_DATABASE_URL"]], stdout=subprocess.PIPE, check=True).stdout)


def whole(answer):
    """Tells whether an answer has come whole."""
    head, found, body = answer.partition(b"\r\n\r\n")
    length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(found) and bool(length) and len(body) >= int(length[0].partition(b":")[2])


def is_right(answer, due):
    """Tells whether an answer is the one that the agent has to get."""
    head, _, body = answer.partition(b"\r\n\r\n")
    try:
        return head.startswith(b"HTTP/1.1 200 ") and json.loads(body) == due
    except ValueError:
        return False


def poll(agents, seconds):
    """Polls; gives how long each answer took, how late each question was asked, and the answers that were wrong."""
    tokens = [token for token, _ in agents]
    requests = [
        f"GET /api/agent/tasks HTTP/1.1\r\nHost: {URL.netloc}\r\nUser-Agent: python-requests/2.34.2\r\nAccept: */*\r\n"
        f"Connection: keep-alive\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\r\n".encode()
        for token in tokens
    ]
    total, gap = len(tokens) * seconds, 1 / len(tokens)
    times, lates, wrong, open_, events = [], [], [], {}, select.epoll()
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
            open_[line.fileno()] = [line, requests[asked % len(tokens)], due, asked % len(tokens), b""]
            events.register(line.fileno(), select.EPOLLOUT)
            asked += 1
        wait = max(0, began + asked * gap - time.perf_counter()) if asked < total else 0.1
        for number, _ in events.poll(wait):
            line, request, due, agent, so_far = open_[number]
            if request:
                line.send(request)
                open_[number][1] = None
                events.modify(number, select.EPOLLIN)
                continue
            try:
                part = line.recv(65536)
            except OSError as error:
                part, so_far = b"", repr(error).encode()
            open_[number][4] = answer = so_far + part
            if part and not whole(answer):
                continue
            times.append(time.perf_counter() - due)
            if not is_right(answer, agents[agent][1]):
                wrong.append(answer)
            events.unregister(number)
            line.close()
            del open_[number]
        if open_ and time.perf_counter() > began + seconds + PATIENCE:
            sys.exit(f"{len(open_)} polls were not answered within {PATIENCE} s")
    return times, lates, wrong


def main():
    count = int(sys.argv[1])
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        plugin = publish()
        parts = pool.map(lambda numbers: enrol(numbers, plugin), [range(first, count, 8) for first in range(8)])
        agents = [agent for part in parts for agent in part]
    # the first listing gives each task out
    poll(agents, WARM_UP)
    before = written()
    times, lates, wrong = poll(agents, SECONDS)
    writes = written() - before
    times, lates = (sorted(seconds * 1000 for seconds in part) for part in (times, lates))
    result = {"agents": count, "polls": len(times), "wrong": len(wrong), "seconds": SECONDS}
    result |= {f"p{name}_ms": quantile(times, part) for name, part in (("50", 0.5), ("95", 0.95), ("99", 0.99))}
    result |= {"max_ms": quantile(times, 1), "asked_late_p99_ms": quantile(lates, 0.99), "writing_transactions": writes}
    result["goals"] = {"p99_ms": GOALS["p99_ms"], "writing_transactions": round(GOALS["writing_transactions"] * len(times))}
    show(result)
    if wrong or len(times) != count * SECONDS:
        sys.exit(f"{len(wrong)} of {len(times)} answers were wrong, the first: {wrong[:1]}; {count * SECONDS} polls were due")


main()
