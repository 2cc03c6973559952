"""Measures an action on a simulated fleet. fleet.py AGENTS WRIT_FLEET, with a house's env.sh in the environment.

From the POST to the first visible result, and until 99 % of them are stored and counted; then what writ-fleet found.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from common import House, rss, show, signed, until


def main():
    count, program = int(sys.argv[1]), sys.argv[2]
    with tempfile.NamedTemporaryFile("w") as key:
        key.write(os.environ["WRIT_ADMIN_APIKEY"])
        key.flush()
        honest = [word for part in ("offline", "slow", "duplicate", "lying", "crashing") for word in (f"--{part}", "0")]
        command = [program, "--apikey-file", key.name, "--agents", str(count), "--every", "3", "--actions", "1", *honest]
        fleet = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in fleet.stderr:
            print(line, end="", file=sys.stderr)
            if line == f"{count} agents are enrolled\n":
                break
        house = House()
        preview = json.dumps({"target": "tags->>'fleet'='fleet' AND status='online'"})
        until("all are online", lambda: house.ask("POST", "/v1/actions/preview", preview)["count"] == count, pause=0.5)
        time.sleep(5)  # a fleet at its usual work
        document = signed("fleet", "tags->>'fleet'='fleet'")
        began = time.perf_counter()
        action = house.ask("POST", "/v1/actions", document)["id"]

        def answered():
            counters = house.ask("GET", f"/v1/actions/{action}")["counters"]
            return counters["success"] + counters["failed"] + counters["timeout"]

        first = until("the first result", lambda: answered() > 0, pause=0.01)
        most = until("99 % of the results", lambda: answered() >= count * 0.99, pause=0.02)
        memory = rss()
        line, _ = fleet.communicate(timeout=600)
    show({"first_s": round(first - began, 3), "p99_s": round(most - began, 3), "rss_mb": memory, "fleet": json.loads(line)})
    sys.exit(fleet.returncode)


main()
