"""Measures from the POST of an action to its visible result, and from the word to cancel one until it shows that it is: one that
waits for its time, and one on 10,000 agents that have their commands to fetch.

latency.py COUNT, with a house's env.sh in the environment.
"""

import sys
import time

from common import NOBODY, Database, House, quantile, seed, show, signed, until

TARGET = "tags->>'role'='bench' AND status='online'"
POLL = 0.002
PATIENCE = 30
WARM_UP = 3
INFLIGHT = 10_000
ROUNDS = 5


def measure(house, document):
    began = time.perf_counter()
    action = house.ask("POST", "/v1/actions", document)["id"]
    posted = time.perf_counter()
    while True:
        asked = time.perf_counter()
        commands = house.ask("GET", f"/v1/actions/{action}/commands")["items"]
        seen = time.perf_counter()
        if commands and commands[0]["results"]:
            break
        if seen - began > PATIENCE:
            sys.exit(f"action {action}: no result after {PATIENCE} s; its commands: {commands}")
        time.sleep(max(0, POLL - (seen - asked)))
    result = commands[0]["results"][0]
    if commands[0]["status"] != "success" or not result["foundanything"]:
        sys.exit(f"action {action}: wrong result {commands[0]}")
    return (seen - began) * 1000, (posted - began) * 1000


def cancel_pending(house, document):
    action = house.ask("POST", "/v1/actions", document)["id"]
    began = time.perf_counter()
    house.ask("POST", f"/v1/actions/{action}/cancel")
    status = lambda: house.ask("GET", f"/v1/actions/{action}")["status"]
    return (until("it is cancelled", lambda: status() == "cancelled", PATIENCE) - began) * 1000


def cancel_inflight(house, databases, document):
    """Seconds until it shows that all its commands are cancelled, and until no agent can fetch one any more."""
    gateway = databases[0]
    action = house.ask("POST", "/v1/actions", document)["id"]
    mail = f"select count(*) from mailbox where action = {action} and state = 'waiting'"
    until("the agents can fetch it", lambda: gateway.number(mail) == INFLIGHT)
    began = time.perf_counter()
    house.ask("POST", f"/v1/actions/{action}/cancel")
    given = until("nobody can fetch it", lambda: gateway.number(mail) == 0)
    shown = lambda: house.ask("GET", f"/v1/actions/{action}")
    until("it is cancelled", lambda: shown()["status"] == "cancelled")
    told = until("its commands are", lambda: shown()["counters"]["cancelled"] == INFLIGHT)
    return (told - began) * 1000, (given - began) * 1000


def main():
    count = int(sys.argv[1])
    documents = [signed(f"latency {number}", TARGET) for number in range(count + WARM_UP)]
    house = House()
    times = [measure(house, document) for document in documents][WARM_UP:]
    whole, post = (sorted(column) for column in zip(*times))
    result = {"count": count, "median_ms": quantile(whole, 0.5), "p95_ms": quantile(whole, 0.95)}
    result |= {"min_ms": quantile(whole, 0), "max_ms": quantile(whole, 1), "post_median_ms": quantile(post, 0.5)}
    waiting = [signed(f"withdrawn {number}", TARGET, begins=600) for number in range(count)]
    ends = sorted(cancel_pending(house, document) for document in waiting)
    result |= {"cancel_median_ms": quantile(ends, 0.5), "cancel_max_ms": quantile(ends, 1)}
    databases = [Database(name) for name in ("AGENT_GATEWAY", "INVESTIGATION_API", "SCHEDULER")]
    seed(databases, INFLIGHT)
    inflight = [signed(f"inflight {number}", NOBODY) for number in range(ROUNDS)]
    told, given = (sorted(column) for column in zip(*(cancel_inflight(house, databases, document) for document in inflight)))
    result |= {"cancel_inflight_max_ms": quantile(told, 1), "cancel_inflight_mail_max_ms": quantile(given, 1)}
    show(result)


main()
