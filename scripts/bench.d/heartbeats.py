"""Measures heartbeats of MIG's agents. heartbeats.py AGENTS http|amqp|mixed WRIT_FLEET, with a house's env.sh in the environment.

AGENTS simulated agents beat 12,500 times a second together for half a minute. In its second half: how many heartbeats agent-gateway
took in (each is acknowledged when PostgreSQL has it), and how many agents are in PostgreSQL with a time of the last few seconds
then. Beside it: what PostgreSQL alone takes to COPY as many rows, and the broker alone to keep and give as many messages, before
and after.
"""

import os
import sys
import time

from common import Database, counted, memory, raw_broker, raw_copy, show, until
from fleet import fleet, told

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
        taken = lambda: counted("AGENT_GATEWAY", "mig_heartbeats_total", outcome="heard")
        heard_before, began = taken(), time.monotonic()
        time.sleep(SECONDS / 2)
        rate = (taken() - heard_before) / (time.monotonic() - began)
        fresh, used = gateway.number(heard.format(every + 5)), memory()
        seen = told(process)
    rows, messages = (max(both) for both in zip(before, yardsticks(scheduler)))
    show(
        {"agents": count, "way": way, "heartbeats_per_second": round(rate), "fresh_in_postgresql": fresh, "errors": seen["errors"]}
        | {"sent_per_second": round(seen["polls_per_second"]), "times": seen["times"].get("poll")}
        | {"copy_per_second": round(rows), "broker_per_second": round(messages)}
        | {"to_copy": round(rate / rows, 3), "to_broker": round(rate / messages, 3)}
        | used
    )
    sys.exit(process.returncode)


if os.environ.get("ROUND_TRIP"):
    main()
else:
    sys.exit("run it through scripts/bench")
