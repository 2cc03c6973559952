"""Turns what `all-in-one rights` says (standard input) into requests to RabbitMQ's management API: lines of `PATH<tab>JSON`, each
to be PUT. The argument is the virtual host. The password of writ-<service> is in WRIT_<SERVICE>_AMQP_PASSWORD.
"""

import json
import os
import sys


def main():
    vhost, rights = sys.argv[1], json.load(sys.stdin)
    for shared in rights["shared"]:
        name = shared["name"]
        if shared["what"] == "exchange":
            put(f"exchanges/{vhost}/{name}", {"type": shared["type"], "durable": True})
        else:
            arguments = {"x-queue-type": shared["type"]}
            put(f"queues/{vhost}/{name}", {"durable": True, "arguments": arguments})
    for service, account in rights["accounts"].items():
        user = f"writ-{service}"
        password = os.environ[f"WRIT_{service.upper().replace('-', '_')}_AMQP_PASSWORD"]
        put(f"users/{user}", {"password": password, "tags": ""})
        put(f"permissions/{vhost}/{user}", account["permissions"])
        for topic in account["topics"]:
            put(f"topic-permissions/{vhost}/{user}", topic)


def put(path, body):
    print(f"{path}\t{json.dumps(body)}")


main()
