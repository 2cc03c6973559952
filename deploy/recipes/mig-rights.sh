# shellcheck shell=bash
# The rights of two accounts in the virtual host of MIG's agents, as members of JSON: that of who speaks with the agents, and the one
# that all agents share. They are those that MIG documents for its scheduler and its agents, without what no agent needs any more:
# agents cannot read what other agents say, as the two queues of the gateway are not theirs. proto-docs/mig-agents.md has the table.
#
# Read by scripts/lib/broker.sh and deploy/compose/prepare.

# shellcheck disable=SC2034 # for who reads this
MIG_GATEWAY_RIGHTS='
  "configure": "^(toagents|toschedulers|mig\\.agt\\..*)$",
  "write": "^(toagents|mig\\.agt\\.(heartbeats|results))$",
  "read": "^(toschedulers|mig\\.agt\\.(heartbeats|results))$"'
# shellcheck disable=SC2034
MIG_AGENT_RIGHTS='
  "configure": "^mig\\.agt\\.(?!(heartbeats|results)$).*$",
  "write": "^(toschedulers|mig\\.agt\\.(?!(heartbeats|results)$).*)$",
  "read": "^(toagents|mig\\.agt\\.(?!(heartbeats|results)$).*)$"'
