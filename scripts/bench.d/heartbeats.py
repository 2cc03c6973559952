"""Measures heartbeats of MIG's agents. heartbeats.py AGENTS http|amqp|mixed WRIT_FLEET, with a house's env.sh in the environment.

AGENTS simulated agents beat 12,500 times a second together for half a minute: how many of them were heard, and how many are in
PostgreSQL with a time of the last few seconds. Beside it: what PostgreSQL alone takes to COPY as many rows, and the broker alone to
keep and give as many messages, before and after.
"""

import json
import os
import sys
import time

from common import Database, raw_broker, raw_copy, rss, show, until
from fleet import fleet

SECONDS = 30
OFFERED = 12_500
BYTES = 600  # of a heartbeat
SAMPLE = 50_000


def yardsticks(database):
    """Rows and messages a second."""
    columns = "agent bigint primary key, last_seen timestamptz not null"
    rows = SAMPLE / raw_copy(database, columns, lambda n: f"{n}\t2026-01-01Z\n", SAMPLE)
    return rows, SAMPLE / raw_broker(SAMPLE, BYTES)


def main():
    count, way, program = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    gateway, scheduler = Database("AGENT_GATEWAY"), Database("SCHEDULER")
    before = yardsticks(scheduler)
    every = count / OFFERED
    words = ["--heartbeats", way, "--every", str(every), "--seconds", str(SECONDS), "--connections", "256"]
    with fleet(program, "mig", count, words) as process:
        heard = "select count(*) from presence where last_seen > now() - interval '{} seconds'"
        # all beat once within `every`; the rest is for what is on its way
        until("all are heard", lambda: gateway.number(heard.format(every + 5)) == count, pause=1)
        time.sleep(SECONDS / 2)
        memory = rss()
        line, _ = process.communicate(timeout=600)
    fresh = gateway.number(heard.format(every + 5))
    told = json.loads(line)
    rows, messages = (max(both) for both in zip(before, yardsticks(scheduler)))
    rate = told["polls_per_second"]
    show(
        {"agents": count, "way": way, "heartbeats_per_second": round(rate), "fresh_in_postgresql": fresh, "errors": told["errors"]}
        | {"times": told["times"].get("poll"), "copy_per_second": round(rows), "broker_per_second": round(messages)}
        | {"to_copy": round(rate / rows, 3), "to_broker": round(rate / messages, 3), "rss_mb": memory}
    )
    sys.exit(process.returncode)


if os.environ.get("ROUND_TRIP"):
    main()
else:
    sys.exit("run it through scripts/bench")
