"""Measures from the POST of an action to its visible result. latency.py COUNT, with a house's env.sh in the environment."""

import http.client
import json
import os
import subprocess
import sys
import time
import urllib.parse

TARGET = "tags->>'role'='bench' AND status='online'"
POLL = 0.002
PATIENCE = 30
WARM_UP = 3


def signed(name):
    now = int(time.time())
    action = {
        "name": name,
        "target": TARGET,
        "validfrom": stamp(now - 60),
        "expireafter": stamp(now + 900),
        "operations": [{"module": "file", "parameters": {"searches": {"s1": {"names": ["^hosts$"], "paths": ["/etc/hosts"]}}}}],
        "syntaxversion": 2,
    }
    # the string that MIG signs, its slip of formatting included
    operations = json.dumps(action["operations"], separators=(",", ":"))
    text = f"name={name};target={TARGET};validfrom={now - 60};expireafter=%!s(int64={now + 900});operations={operations};"
    action["pgpsignatures"] = [sign(text)]
    return json.dumps(action)


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def sign(text):
    gpg = ["gpg", "--homedir", os.environ["WRIT_ADMIN_GNUPGHOME"], "--batch", "--quiet", "--armor", "--detach-sign"]
    armored = subprocess.run(gpg, input=text.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()
    # one line: the base64 of the body, then the checksum
    return "".join(armored.partition("\n\n")[2].partition("-----END")[0].split())


class House:
    def __init__(self):
        url = urllib.parse.urlsplit(os.environ["WRIT_URL"])
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=PATIENCE)
        self.headers = {"authorization": f"Bearer {os.environ['WRIT_ADMIN_APIKEY']}", "content-type": "application/json"}

    def ask(self, method, path, body=None):
        self.connection.request(method, path, body, self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 202):
            sys.exit(f"{method} {path}: {answer.status} {text[:500]!r}")
        return json.loads(text)

    def measure(self, document):
        began = time.perf_counter()
        action = self.ask("POST", "/v1/actions", document)["id"]
        posted = time.perf_counter()
        while True:
            asked = time.perf_counter()
            commands = self.ask("GET", f"/v1/actions/{action}/commands")["items"]
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


def main():
    count = int(sys.argv[1])
    documents = [signed(f"latency {number}") for number in range(count + WARM_UP)]
    house = House()
    times = [house.measure(document) for document in documents][WARM_UP:]
    whole, post = (sorted(column) for column in zip(*times))
    result = {"count": count, "median_ms": quantile(whole, 0.5), "p95_ms": quantile(whole, 0.95)}
    result |= {"min_ms": quantile(whole, 0), "max_ms": quantile(whole, 1), "post_median_ms": quantile(post, 0.5)}
    load = os.getloadavg()[0]
    print(json.dumps(result | {"cpus": os.cpu_count(), "load": round(load, 1), "profile": os.environ.get("WRIT_PROFILE", "release")}))


def quantile(values, part):
    return round(values[min(int(part * len(values)), len(values) - 1)], 1)


main()
