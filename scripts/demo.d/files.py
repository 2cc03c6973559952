"""Known files for the demo, and the proof that the search found exactly the planted ones.

files.py prepare DIR            writes the files, prints the parameters of the search
files.py prove DIR RESULTS      compares the results (JSON of `writ results`) with what was planted
"""

import hashlib
import json
import pathlib
import socket
import sys

PAYLOAD = bytes(range(256)) * 64
FILES = {
    "bin/implant-7f3a.sh": b"#!/bin/sh\nexit 0\n",
    "bin/backup.sh": b"#!/bin/sh\ntar cf /dev/null .\n",
    "etc/app.conf": b"user=app\naccess_key=AKIA0123456789ABCDEF\n",
    "etc/other.conf": b"user=other\naccess_key=${FROM_VAULT}\n",
    "var/cache/a/thumbs.db": PAYLOAD,
    "var/cache/b/thumbs.db": PAYLOAD[:-1] + b"\0",
}
PLANTED = {
    "by_name": {"bin/implant-7f3a.sh"},
    "by_content": {"etc/app.conf"},
    "by_sha2": {"var/cache/a/thumbs.db"},
}
GREETING = "hello from the demo"


def prepare(directory):
    for name, content in FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    paths = [str(directory)]
    searches = {
        "by_name": {"paths": paths, "names": [r"^implant-[0-9a-f]{4}\.sh$"]},
        "by_content": {"paths": paths, "contents": [r"^access_key=AKIA[0-9A-Z]{16}$"]},
        "by_sha2": {"paths": paths, "sha2": [hashlib.sha256(PAYLOAD).hexdigest()]},
    }
    json.dump({"searches": searches}, sys.stdout)


def prove(directory, results):
    document = json.loads(pathlib.Path(results).read_text())
    commands = document["items"] if isinstance(document, dict) else document
    expect("one agent answered", len(commands), 1)
    command = commands[0]
    expect("the agent", command["agent_name"], "demo-agent")
    expect("its command's status", command["status"], "success")
    facts, search = command["results"]
    expect("the plugin succeeded", facts["success"], True)
    expect("the plugin's greeting", facts["elements"]["greeting"], GREETING)
    expect("the plugin's host name", facts["elements"]["hostname"], socket.gethostname())
    expect("the search found something", search["foundanything"], True)
    expect("the searches", sorted(search["elements"]), sorted(PLANTED))
    for label, names in PLANTED.items():
        found = {hit["file"] for hit in search["elements"][label] if hit["file"]}
        expect(f"the files found {label}", found, {str(directory / name) for name in names})


def expect(what, is_, should):
    if is_ != should:
        sys.exit(f"wrong result: {what}: {is_!r}, expected {should!r}")
    print(f"  right: {what}", file=sys.stderr)


def main():
    what, directory, *rest = sys.argv[1:]
    {"prepare": prepare, "prove": prove}[what](pathlib.Path(directory), *rest)


main()
