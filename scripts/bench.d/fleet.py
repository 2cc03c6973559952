"""Measures an action on a simulated fleet. fleet.py AGENTS KIND WRIT_FLEET, with a house's env.sh in the environment.

From the POST to the first visible result, and until 99 % of them are stored and counted; then what writ-fleet found. Beside it: what
PostgreSQL alone (COPY) and the broker alone take for the same results, before and after.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from common import FILE, PATIENCE, Database, House, memory, raw_broker, raw_copy, show, signed, until

RESULT = f'{{"foundanything": true, "elements": {{"fill": "{"x" * 900}"}}}}'
SCRIPT = "class Plugin:\n    def work(self):\n        return None\n"


def yardsticks(database, count):
    """Seconds of a COPY of `count` results, and of the broker with messages of fifty of them."""
    columns = "id bigint primary key, results json"
    return raw_copy(database, columns, lambda n: f"{n}\t{RESULT}\n", count), raw_broker(max(1, count // 50), 50_000)


# how agents are heard while nothing happens: writ-agent waits half a minute for work, on a connection of its own, mig-agent beats
# every few minutes, agents of RunbookSolutions ask every few seconds
USUAL = {"writ": ["--wait", "30"], "mig": ["--every", "60"], "runbook": ["--every", "3"]}
# with more agents than a machine has connections each asks and goes
MANY = 15_000


@contextlib.contextmanager
def fleet(program, kind, count, words):
    """Lets a fleet of honest agents work; waits until all are enrolled and online."""
    with tempfile.NamedTemporaryFile("w") as key:
        key.write(os.environ["WRIT_ADMIN_APIKEY"])
        key.flush()
        honest = [word for part in ("offline", "slow", "duplicate", "lying", "crashing") for word in (f"--{part}", "0")]
        command = [program, "--kind", kind, "--apikey-file", key.name, "--agents", str(count), *words, *honest]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            print(line, end="", file=sys.stderr)
            if line == f"{count} agents are enrolled\n":
                break
        # whatever it says later: a pipe that nobody reads holds it up
        threading.Thread(target=shutil.copyfileobj, args=(process.stderr, sys.stderr), daemon=True).start()
        yield process


def told(process):
    """Waits until the fleet has ended; gives what it says of itself."""
    patience = threading.Timer(600, process.kill)
    patience.start()
    line = process.stdout.read()
    process.wait()
    patience.cancel()
    if not line:
        sys.exit(f"the fleet ended with {process.returncode}")
    return json.loads(line)


def main():
    count, kind, program = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    house, scheduler = House(), Database("SCHEDULER")
    usual = USUAL[kind] if count <= MANY else ["--every", "60"]
    words, operations = [*usual, "--actions", "1"], FILE
    # many ask once a minute, and take their time on a machine that does other things too
    patience = max(PATIENCE, count // 50)
    if kind == "runbook":
        new = {"name": "bench", "version": "1", "script": SCRIPT, "commands": {"work": {"function": "work"}}}
        plugin = house.ask("POST", "/v1/plugins", json.dumps(new))["id"]
        words, operations = words + ["--plugin", plugin], [{"module": f"{plugin}.work", "parameters": {}}]
    before = yardsticks(scheduler, count)
    with fleet(program, kind, count, words) as process:
        preview = json.dumps({"target": "tags->>'fleet'='fleet' AND status='online'"})
        until("all are online", lambda: house.ask("POST", "/v1/actions/preview", preview)["count"] == count, patience, pause=0.5)
        time.sleep(5)  # a fleet at its usual work
        idle = memory()["rss_mb"]
        document = signed("fleet", "tags->>'fleet'='fleet'", operations=operations)
        began = time.perf_counter()
        action = house.ask("POST", "/v1/actions", document)["id"]
        counters = lambda: house.ask("GET", f"/v1/actions/{action}")["counters"]
        answered = lambda: sum(counters()[end] for end in ("success", "failed", "timeout"))
        first = until("the first result", lambda: answered() > 0, patience, pause=0.01)
        given = until("all have their commands", lambda: counters()["waiting"] == 0, patience, pause=0.01)
        most = until("99 % of the results", lambda: answered() >= count * 0.99, patience, pause=0.02)
        used = {"rss_idle_mb": idle} | memory()
        seen = told(process)
    copy, broker = (min(both) for both in zip(before, yardsticks(scheduler, count)))
    times = {"first_s": round(first - began, 3), "given_s": round(given - began, 3), "p99_s": round(most - began, 3)}
    raw = {"copy_s": round(copy, 3), "broker_s": round(broker, 3), "p99_to_copy_and_broker": round((most - began) / (copy + broker), 1)}
    reached = [action["counters"]["targeted"] for action in seen["actions"]]
    show(times | raw | used | {"fleet": seen})
    if reached != [count]:
        sys.exit(f"the action reached {reached} of {count} agents")
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
