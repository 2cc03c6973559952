"""Measures loaders that ask for their manifest, and one large file. manifests.py COUNT, with a house's env.sh in the environment
and WRIT the program."""

import base64
import concurrent.futures
import gzip
import hashlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from common import House, quantile, show

SPREAD = 10.0
THREADS = 64
LARGE = 50_000_000
AT_ONCE = 8


def parameters(number, object=""):
    agent = {
        "name": f"host{number}",
        "queueloc": f"linux.bench{number}",
        "environment": {"os": "linux", "arch": "amd64", "isproxied": False, "aws": {}},
        "tags": {"role": "bench"},
    }
    return urllib.parse.urlencode({"parameters": json.dumps({"agent": agent, "object": object})})


def ask(connection, key, path, body):
    headers = {"x-loaderkey": key, "content-type": "application/x-www-form-urlencoded"}
    connection.request("POST", path, body, headers)
    return connection.getresponse()


def writ(*words):
    config = os.path.join(os.environ["WORK"], "writ")
    run = subprocess.run([os.environ["WRIT"], "--config-dir", config, *words], stdout=subprocess.PIPE, check=True)
    return run.stdout.decode()


def publish():
    """Builds and signs a manifest with a file of 50 MB that hardly gets smaller."""
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "mig-agent"), "wb") as file:
            file.write(os.urandom(LARGE))
        with open(os.path.join(directory, "configuration"), "wb") as file:
            file.write(b"[agent]\n")
        built = json.loads(writ("manifest", "build", directory, "--name", "bench", "--target", "TRUE", "-o", "json"))
    built = built[0] if isinstance(built, list) else built
    writ("manifest", "sign", str(built["id"]))
    return {file["name"]: file["sha256"] for file in built["files"]}


def loaders(count):
    local, run = threading.local(), time.time_ns()

    def make(number):
        if not hasattr(local, "house"):
            local.house = House()
        made = local.house.ask("POST", "/v1/loaders", {"name": f"bench-{run}-{number}"})
        local.house.ask("PATCH", f"/v1/loaders/{made['loader']['id']}", {"enabled": True})
        return made["key"]

    with concurrent.futures.ThreadPoolExecutor(16) as makers:
        return list(makers.map(make, range(count))), lambda number: f"bench-{run}-{number}"


def wrong(status, text, loader, hashes):
    """What is wrong with a loader's list: it must be its own, with the files as they were published and a signature."""
    if status != 200:
        return f"{status} {text[:200]!r}"
    try:
        item = json.loads(text)["collection"]["items"][0]["data"][0]
        manifest = item["value"]
        listed = {entry["name"]: entry["sha256"] for entry in manifest["entries"]}
        right = item["name"] == "manifest" and manifest["loader_name"] == loader
        right = right and listed == hashes and len(manifest["signatures"]) >= 1
    except (ValueError, LookupError, TypeError) as error:
        return f"{error!r} in {text[:200]!r}"
    return None if right else f"not the manifest that was published: {text[:300]!r}"


def storm(keys, name, hashes):
    """Every loader asks once, evenly over ten seconds; a time is counted from when it should have asked."""
    times, failures, due = [], [], queue.SimpleQueue()
    began = time.perf_counter() + 0.5
    for number, key in enumerate(keys):
        due.put((began + SPREAD * number / len(keys), number, key))

    def work():
        connection = House().connection
        while True:
            try:
                at, number, key = due.get_nowait()
            except queue.Empty:
                return
            time.sleep(max(0, at - time.perf_counter()))
            answer = ask(connection, key, "/api/v1/manifest/agent/", parameters(number))
            text = answer.read()
            times.append((time.perf_counter() - at) * 1000)
            if (fault := wrong(answer.status, text, name(number), hashes)) is not None:
                failures.append(fault)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(f"{len(failures)} loaders were answered wrongly: {failures[:5]}")
    if len(times) != len(keys):
        sys.exit(f"{len(times)} of {len(keys)} loaders were answered")
    return sorted(times), time.perf_counter() - began


def resident():
    with open(f"/proc/{os.environ['WRIT_LOADER_MANIFEST_PID']}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def fetch(key, number, wanted, seen, right):
    """Notes in `right` that the whole file came as it was published; an exception in a thread ends that thread only."""
    answer = ask(House().connection, key, "/api/v1/manifest/fetch/", parameters(number, "mig-agent"))
    text = bytearray()
    while piece := answer.read(1 << 20):
        text += piece
        seen.append(resident())
    if answer.status != 200:
        return
    data = json.loads(text)["collection"]["items"][0]["data"][0]["value"]["data"]
    if hashlib.sha256(gzip.decompress(base64.b64decode(data))).hexdigest() == wanted:
        right.append(number)


def large(keys, wanted):
    before, seen, right, began = resident(), [], [], time.perf_counter()
    threads = [threading.Thread(target=fetch, args=(key, number, wanted, seen, right)) for number, key in enumerate(keys[:AT_ONCE])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(right) != len(threads):
        sys.exit(f"{len(threads) - len(right)} of {len(threads)} large files came out wrong")
    return {
        "large_file_mb": LARGE // 1_000_000,
        "large_at_once": len(threads),
        "large_s": round(time.perf_counter() - began, 1),
        "large_memory_mb": round((max(seen) - before) / 1024, 1),
    }


def main():
    count = int(sys.argv[1])
    hashes = publish()
    keys, name = loaders(count)
    first, spent = storm(keys, name, hashes)
    again, _ = storm(keys, name, hashes)
    result = {"loaders": count, "within_s": round(spent, 1)}
    result |= {"first_median_ms": quantile(first, 0.5), "first_p99_ms": quantile(first, 0.99)}
    result |= {"again_median_ms": quantile(again, 0.5), "again_p99_ms": quantile(again, 0.99)}
    result |= large(keys, hashes["mig-agent"])
    show(result)


main()
