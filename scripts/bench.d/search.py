"""Measures each shape of MIG's search. search.py ROUNDS AGENTS COMMANDS, with a house's env.sh in the environment."""

import http.client
import json
import os
import subprocess
import sys
import time
import urllib.parse

GOAL_MS = 50
PATIENCE = 120
# shapes that answer with the whole fleet or a large part of it are measured, but no goal is set for them
SHAPES = {
    "action": "type=action",
    "action, late page": "type=action&offset=2000",
    "action by id": "type=action&actionid={action}",
    "action by name": "type=action&actionname=%25{middle}%25",
    "action by name, nothing": "type=action&actionname=%25nothing%25",
    "action by threat": "type=action&threatfamily=compliance",
    "action by status": "type=action&status=completed",
    "action by status, nothing": "type=action&status=inflight",
    "action by time": "type=action&after={after}&before={before}",
    "action by command": "type=action&commandid={command}",
    "action by agent": "type=action&agentid={agent}",
    "action by agent name": "type=action&agentname=%25777%25",
    "action by agent name, many": "type=action&agentname=%25dc3%25",
    "action by agent version": "type=action&agentversion=20260003%25",
    "action by investigator": "type=action&investigatorname=%25gator%207",
    "command": "type=command",
    "command, late page": "type=command&offset=10000",
    "command by id": "type=command&commandid={command}",
    "command by action": "type=command&actionid={action}&limit=37",
    "command by large action": "type=command&actionid={large}&limit=37",
    "command by large action, late page": "type=command&actionid={large}&limit=37&offset=40000",
    "command by large action, found": "type=command&actionid={large}&limit=37&foundanything=true",
    "command by large action, not found": "type=command&actionid={large}&limit=37&foundanything=false",
    "command by large action, status": "type=command&actionid={large}&limit=37&status=timeout",
    "command by agent": "type=command&agentid={agent}",
    "command by status": "type=command&status=expired",
    "command by several states": "type=command&status=%25e%25",
    "command by open status": "type=command&status=sent",
    "command found": "type=command&foundanything=true",
    "command not found": "type=command&foundanything=false",
    "command by action name": "type=command&actionname=%25{middle}%25",
    "command by action name, nothing": "type=command&actionname=%25nothing%25",
    "command by threat": "type=command&threatfamily=compliance",
    "command by threat, found": "type=command&threatfamily=compliance&foundanything=true",
    "command by investigator": "type=command&investigatorname=%25gator%207",
    "command by agent name": "type=command&agentname=%25777%25",
    "command by agent name, many": "type=command&agentname=%25dc3%25",
    "command by agent version": "type=command&agentversion=20260003%25",
    "command by time": "type=command&after={after}&before={before}",
    "agent": "type=agent",
    "agent, late page": "type=agent&offset=20000",
    "agent by id": "type=agent&agentid={agent}",
    "agent by name": "type=agent&agentname=%25777%25",
    "agent by version": "type=agent&agentversion=20260003%25",
    "agent by status": "type=agent&status=online",
    "agent by status, few": "type=agent&status=offline",
    "agent by time": "type=agent&before={before}",
    "agent by action": "type=agent&actionid={action}",
    "agent by large action": "type=agent&actionid={large}",
    "agent by action name": "type=agent&actionname=%25{middle}%25",
    "agent by threat": "type=agent&threatfamily=compliance",
    "agent by investigator": "type=agent&investigatorid=7",
    "target by name": "type=agent&target=name+like+'%25777%25'",
    "target by status": "type=agent&target=status%3D'online'",
    "target by fact": "type=agent&target=environment-%3E%3E'os'%3D'darwin'",
    "target by label": "type=agent&target=tags-%3E%3E'operator'%3D'team+7'",
    "target, all of a label": "type=agent&limit=1000000&target=tags-%3E%3E'operator'%3D'team+7'",
    "target, the whole fleet": "type=agent&limit=1000000&target=status%3D'online'",
    "investigator": "type=investigator",
    "investigator by name": "type=investigator&investigatorname=%25gator%207",
    "investigator by action name": "type=investigator&actionname=%25{middle}%25",
    "investigator by agent": "type=investigator&agentid={agent}",
    "loader": "type=loader",
    "loader by name": "type=loader&loadername=%25777%25",
    "manifest": "type=manifest",
}
WITHOUT_GOAL = {"target, all of a label", "target, the whole fleet"}


class House:
    def __init__(self):
        url = urllib.parse.urlsplit(os.environ["WRIT_INVESTIGATION_API_URL"])
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=PATIENCE)
        self.headers = {"x-migapikey": os.environ["WRIT_ADMIN_APIKEY"]}

    def ask(self, path):
        began = time.perf_counter()
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        return (time.perf_counter() - began) * 1000, answer.status, text


def number(query):
    url = os.environ["WRIT_INVESTIGATION_API_DATABASE_URL"]
    psql = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname", url, "--command", query]
    return subprocess.run(psql, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


def quantiles(values):
    values = sorted(values)
    at = lambda part: round(values[min(int(part * len(values)), len(values) - 1)], 1)
    return {"p50_ms": at(0.5), "p95_ms": at(0.95)}


def main():
    rounds, agents, commands = (int(word) for word in sys.argv[1:4])
    house = House()
    large = number("select max(id) from action where targeted = (select max(targeted) from action)")
    chosen = {
        "action": number(f"select max(id) from action where id < {large} and targeted = 200"),
        "large": large,
        "middle": number("select substr(name, 15, 4) from action order by id offset (select count(*) / 2 from action) limit 1"),
        "command": commands // 2,
        "agent": agents // 3,
        "after": number("select to_char(min(started) + (max(started) - min(started)) / 3, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from action"),
        "before": number("select to_char(max(started) - (max(started) - min(started)) / 3, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from action"),
    }
    # what any request costs: a row by its key, through the same door
    by_key = quantiles([house.ask(f"/api/v1/agent?agentid={1 + step * 37 % agents}")[0] for step in range(200)])
    result, slow = {}, []
    for name, shape in SHAPES.items():
        times = []
        for _ in range(rounds if name not in WITHOUT_GOAL else max(rounds // 10, 3)):
            spent, status, text = house.ask("/api/v1/search?" + shape.format(**chosen))
            items = len(json.loads(text)["collection"]["items"]) - 1
            if status != (200 if items else 404):
                sys.exit(f"{name}: {status} {text[:500]!r}")
            times.append(spent)
        result[name] = quantiles(times) | {"items": items, "bytes": len(text)}
        result[name]["times_by_key"] = round(result[name]["p50_ms"] / max(by_key["p50_ms"], 0.1), 1)
        if name not in WITHOUT_GOAL and result[name]["p95_ms"] > GOAL_MS:
            slow.append(name)
    house_of = {"agents": agents, "commands": commands, "rounds": rounds, "cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    house_of |= {"profile": os.environ.get("WRIT_PROFILE", "release"), "goal_p95_ms": GOAL_MS, "slower_than_goal": slow}
    print(json.dumps(house_of | {"agent_by_key": by_key, "shapes": result}, indent=1))


main()
