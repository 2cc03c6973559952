"""Measures an action on very many agents, without agents. orders.py dispatch|results AGENTS, with a house's env.sh.

dispatch: from the POST until every command is committed and every message of them is with the broker.
results:  the agents' answers, 1 kB each and 50 in a message, from agent-gateway's outbox until both readers have committed
          them all.
Beside each: what PostgreSQL alone (COPY) and the broker alone take for the same rows and messages, before and after.
"""

import os
import sys
import time

from common import NOBODY, Database, House, memory, raw_broker, raw_copy, seed, show, signed, until

ISSUED_PER_MESSAGE = 500
RETURNED_PER_MESSAGE = 50
RESULT = "x" * 900


def dispatch(house, databases, count, name):
    gateway, api, scheduler = databases
    document = signed(name, NOBODY)
    began = time.perf_counter()
    action = house.ask("POST", "/v1/actions", document)["id"]
    posted = time.perf_counter()
    made = f"select coalesce(max(targeted), 0) from run where action_id = {action}"
    committed = until("the commands are made", lambda: scheduler.number(made) == count)
    waiting = "select count(*) from messaging.outbox where kind = 'command.issued.v1'"
    handed = until("the broker has them", lambda: scheduler.number(waiting) == 0)
    mail = f"select count(*) from mailbox where action = {action}"
    mailed = until("the mailbox has them", lambda: gateway.number(mail) == count)
    shown = f"select coalesce(sum(count), 0) from command_count where action_id = {action}"
    seen = until("they are shown", lambda: api.number(shown) == count)
    times = {"posted_s": posted, "committed_s": committed, "handed_s": handed, "mailed_s": mailed, "shown_s": seen}
    return action, {key: round(at - began, 3) for key, at in times.items()}


def answer(databases, action, count):
    gateway, api, scheduler = databases
    # the commands as the scheduler made them, in agent-gateway's words
    ids = scheduler.ask(f"select min(id) || ' ' || max(id) || ' ' || min(agent_id) from command where action_id = {action}")
    first, last, agent = (int(word) for word in ids[0].split())
    if last - first + 1 != count:
        sys.exit("the commands of the action are not in a row")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    result = f'{{"foundanything": true, "success": true, "elements": {{"fill": "{RESULT}"}}, "statistics": null, "errors": null}}'
    gateway.ask(
        f"""insert into messaging.outbox (message_id, kind, body, gzip, created)
        select id, 'command.returned.v1', convert_to(json_build_object('specversion', '1.0', 'id', id, 'source', '/agent-gateway',
            'type', 'writ.command.returned.v1', 'subject', '', 'time', '{now}', 'datacontenttype', 'application/json',
            'data', json_build_object('commands', commands))::text, 'UTF8'), false, now()
        from (select gen_random_uuid() as id, json_agg(json_build_object('id', {first} + n, 'action', {action}, 'agent', {agent} + n,
                'status', 'success', 'at', '{now}', 'results', json_build_array('{result}'::json))) as commands
            from generate_series(0, {count - 1}) as n group by n / {RETURNED_PER_MESSAGE}) as message"""
    )
    began = time.perf_counter()
    ended = f"select success from run where action_id = {action}"
    counted = until("all are counted", lambda: scheduler.number(ended) == count, pause=0.02)
    shown = f"select coalesce(sum(count), 0) from command_count where action_id = {action} and status = 'success'"
    stored = until("all are stored", lambda: api.number(shown) == count, pause=0.02)
    status = scheduler.ask(f"select status from run where action_id = {action}")[0]
    if status != "completed":
        sys.exit(f"the action is {status}")
    return max(counted, stored) - began


def main():
    what, count = sys.argv[1], int(sys.argv[2])
    house = House()
    databases = [Database(name) for name in ("AGENT_GATEWAY", "INVESTIGATION_API", "SCHEDULER")]
    scheduler = databases[2]
    seed(databases, count)
    dispatch(house, databases, count, "warm-up")
    action, times = dispatch(house, databases, count, "measured")
    if what == "dispatch":
        columns = "id bigint primary key, action_id bigint, agent_id bigint, status text, found boolean[], started timestamptz"
        size = 40 * ISSUED_PER_MESSAGE
        copies = [raw_copy(scheduler, columns, lambda n: f"{n}\t1\t{n}\tsent\t{{}}\t2026-01-01Z\n", count) for _ in range(2)]
        brokers = [raw_broker(count // ISSUED_PER_MESSAGE, size) for _ in range(2)]
        show(
            {"agents": count}
            | times
            | {"copy_s": round(min(copies), 3), "broker_s": round(min(brokers), 3)}
            | {"handed_to_copy_and_broker": round(times["handed_s"] / (min(copies) + min(brokers)), 1)}
            | memory()
        )
        return
    columns = "id bigint primary key, results json"
    row = f'{{"foundanything": true, "elements": {{"fill": "{RESULT}"}}}}'
    copies, brokers = [], []
    for _ in range(2):
        copies.append(raw_copy(scheduler, columns, lambda n: f"{n}\t{row}\n", count))
        brokers.append(raw_broker(count // RETURNED_PER_MESSAGE, 1000 * RETURNED_PER_MESSAGE))
        if len(copies) == 1:
            seconds = answer(databases, action, count)
    show(
        {"results": count, "seconds": round(seconds, 3), "results_per_second": round(count / seconds)}
        | {"copy_per_second": round(count / min(copies)), "broker_per_second": round(count / min(brokers))}
        | {"to_copy": round(min(copies) / seconds, 3), "to_broker": round(min(brokers) / seconds, 3)}
        | memory()
    )


if os.environ.get("ROUND_TRIP"):
    main()
else:
    sys.exit("run it through scripts/bench")
