"""What the benchmarks share: signed actions, the house's HTTP and databases, and yardsticks."""

import http.client
import json
import os
import subprocess
import sys
import time
import urllib.parse

PATIENCE = 120
# a connection that was idle for longer is made again: servers close them after 75 seconds
KEPT = 30
ADMINISTRATOR = os.environ.get("WRIT_ADMIN_APIKEY")

FILE = [{"module": "file", "parameters": {"searches": {"s1": {"names": ["^hosts$"], "paths": ["/etc/hosts"]}}}}]


def signed(name, target, minutes=15, operations=FILE, begins=-60, **more):
    now = int(time.time())
    start = now + begins
    action = {
        "name": name,
        "target": target,
        "validfrom": stamp(start),
        "expireafter": stamp(now + 60 * minutes),
        "operations": operations,
        "syntaxversion": 2,
    }
    # the string that MIG signs, its slip of formatting included
    operations = json.dumps(action["operations"], separators=(",", ":"))
    text = f"name={name};target={target};validfrom={start};expireafter=%!s(int64={now + 60 * minutes});operations={operations};"
    action["pgpsignatures"] = [sign(text)]
    return json.dumps(action | more)


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def sign(text):
    gpg = ["gpg", "--homedir", os.environ["WRIT_ADMIN_GNUPGHOME"], "--batch", "--quiet", "--armor", "--detach-sign"]
    armored = subprocess.run(gpg, input=text.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()
    # one line: the base64 of the body, then the checksum
    return "".join(armored.partition("\n\n")[2].partition("-----END")[0].split())


class House:
    """A connection to the house, or to the one service whose origin a variable has."""

    def __init__(self, origin="WRIT_URL"):
        url = urllib.parse.urlsplit(os.environ[origin])
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=PATIENCE)
        self.asked = time.monotonic()

    def ask(self, method, path, body=None, key=ADMINISTRATOR):
        """Asks with the administrator's key, another one, or none; a body is text, or what becomes JSON."""
        headers = ({"authorization": f"Bearer {key}"} if key else {}) | {"content-type": "application/json"}
        body = body if body is None or isinstance(body, str) else json.dumps(body)
        if time.monotonic() - self.asked > KEPT:
            self.connection.close()
        self.connection.request(method, path, body, headers)
        self.asked = time.monotonic()
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 201, 202):
            sys.exit(f"{method} {path}: {answer.status} {text[:500]!r}")
        return json.loads(text)


class Database:
    """A database of the house, over one psql that stays: a question costs no new process."""

    def __init__(self, service):
        url = os.environ[f"WRIT_{service}_DATABASE_URL"]
        command = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", url]
        self.psql = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, statement):
        """Runs a statement and gives its lines."""
        self.psql.stdin.write(f"{statement};\n\\echo ===\n")
        self.psql.stdin.flush()
        lines = []
        for line in self.psql.stdout:
            if line == "===\n":
                return lines
            lines.append(line.rstrip("\n"))
        sys.exit(f"psql ended at: {statement[:200]}")

    def number(self, statement):
        return int(self.ask(statement)[0])


# the agents that `seed` makes
NOBODY = "tags->>'role'='nobody'"


def seed(databases, count):
    """Puts agents that nobody plays into the gateway, and into the copies as if it had told of them."""
    environment = """'{"os": "linux", "arch": "amd64", "modules": ["file"]}'::jsonb"""
    gateway, api, scheduler = databases
    gateway.ask(
        f"""insert into agent (number, id, name, queueloc, transport, version, status, environment, tags, started, refreshed)
        overriding system value
        select n, gen_random_uuid(), 'nobody-' || n, 'nobody.' || n, 'writ', 'bench', 'online', {environment}, '{{"role": "nobody"}}',
            now(), now() from generate_series(1000001, 1000000 + {count}) as n"""
    )
    gateway.ask(f"insert into presence select n, now() + interval '1 day' from generate_series(1000001, 1000000 + {count}) as n")
    for copy in (api, scheduler):
        copy.ask(
            f"""insert into agent (id, uid, name, queueloc, transport, mode, version, pid, status, environment, tags, loader_name,
            started, last_seen, refreshed, revision)
            select n, gen_random_uuid(), 'nobody-' || n, 'nobody.' || n, 'writ', 'daemon', 'bench', 0, 'online', {environment},
                '{{"role": "nobody"}}', '', now(), now(), now(), 1 from generate_series(1000001, 1000000 + {count}) as n"""
        )
        copy.ask("analyze agent")
    gateway.ask("analyze agent")


def until(what, condition, patience=PATIENCE, pause=0.005):
    """Waits until a condition holds; gives when that was."""
    end = time.perf_counter() + patience
    while not condition():
        if time.perf_counter() > end:
            sys.exit(f"waited {patience} s in vain: {what}")
        time.sleep(pause)
    return time.perf_counter()


def raw_copy(database, columns, row, count):
    """Seconds that COPY takes to put `count` rows into a table with a primary key: what PostgreSQL alone needs."""
    database.ask(f"drop table if exists bench_copy; create table bench_copy ({columns})")
    url = os.environ["WRIT_SCHEDULER_DATABASE_URL"]
    text = "".join(row(number) for number in range(1, count + 1))
    began = time.perf_counter()
    copy = ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", "\\copy bench_copy from stdin", url]
    subprocess.run(copy, input=text.encode(), check=True)
    seconds = time.perf_counter() - began
    database.ask("drop table bench_copy")
    return seconds


def raw_broker(count, size):
    """Seconds that the broker takes to keep and give `count` messages of `size` bytes."""
    program = os.environ["ROUND_TRIP"]
    line = subprocess.run([program, os.environ["AMQP_URL"], str(count), str(size)], stdout=subprocess.PIPE, check=True).stdout
    return json.loads(line)["seconds"]


def quantile(values, part):
    return round(values[min(int(part * len(values)), len(values) - 1)], 1)


def memory():
    """Megabytes of memory of the services' processes (five with WRIT_BENCH_APART, otherwise one): now, and at the most."""
    names = ["AGENT_GATEWAY", "INVESTIGATION_API", "MANUAL_INTERACTION", "LOADER_MANIFEST", "SCHEDULER"]
    pids = {os.environ[f"WRIT_{name}_PID"] for name in names}
    kilobytes = {"VmRSS": 0, "VmHWM": 0}
    for pid in pids:
        for line in open(f"/proc/{pid}/status"):
            name, _, value = line.partition(":")
            if name in kilobytes:
                kilobytes[name] += int(value.split()[0])
    return {"rss_mb": round(kilobytes["VmRSS"] / 1e3, 1), "rss_peak_mb": round(kilobytes["VmHWM"] / 1e3, 1)}


def counted(service, metric, **labels):
    """What a counter of a service stands at, over all its other labels."""
    url = urllib.parse.urlsplit(os.environ[f"WRIT_{service}_ADMIN_URL"])
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=PATIENCE)
    connection.request("GET", "/metrics")
    total = 0
    for line in connection.getresponse().read().decode().splitlines():
        if line.startswith(metric + "{") and all(f'{name}="{value}"' in line for name, value in labels.items()):
            total += float(line.rsplit(" ", 1)[1])
    return total


def show(result):
    machine = {"cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 1), "profile": os.environ.get("WRIT_PROFILE", "release")}
    print(json.dumps(result | machine))
