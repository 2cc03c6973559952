# shellcheck shell=bash
# The accounts on a private broker: one for the services, one for the agents of MIG, and one for who speaks with those.

# broker_accounts API PLACE: needs AMQP_PASSWORD, MIG_AMQP_PASSWORD and MIG_GATEWAY_AMQP_PASSWORD; prints `export …='…'` lines. PLACE is host:port.
broker_accounts() {
  local api=$1 place=$2
  broker_put "$api" vhosts/writ '{}'
  broker_put "$api" vhosts/mig '{}'
  broker_put "$api" users/writ "{\"password\":\"$AMQP_PASSWORD\",\"tags\":\"\"}"
  broker_put "$api" users/mig-agent "{\"password\":\"$MIG_AMQP_PASSWORD\",\"tags\":\"\"}"
  broker_put "$api" users/mig-gateway "{\"password\":\"$MIG_GATEWAY_AMQP_PASSWORD\",\"tags\":\"\"}"
  broker_put "$api" permissions/writ/writ '{"configure":".*","write":".*","read":".*"}'
  # The rights that MIG documents for its scheduler and for its agents, without what no agent needs any more.
  broker_put "$api" permissions/mig/mig-gateway '{
    "configure": "^(toagents|toschedulers|mig\\.agt\\..*)$",
    "write": "^(toagents|mig\\.agt\\.(heartbeats|results))$",
    "read": "^(toschedulers|mig\\.agt\\.(heartbeats|results))$"}'
  broker_put "$api" permissions/mig/mig-agent '{
    "configure": "^mig\\.agt\\..*$",
    "write": "^(toschedulers|mig\\.agt\\..*)$",
    "read": "^(toagents|mig\\.agt\\..*)$"}'
  echo "export AMQP_URL='amqp://writ:$AMQP_PASSWORD@$place/writ'"
  echo "export WRIT_AGENT_GATEWAY_MIG_AMQP_URL='amqp://mig-gateway:$MIG_GATEWAY_AMQP_PASSWORD@$place/mig'"
  echo "export WRIT_MIG_AMQP_URL='amqp://mig-agent:$MIG_AMQP_PASSWORD@$place/mig'"
}

# The management plugin may listen a moment later than the broker itself.
broker_put() { # API PATH JSON
  curl --silent --show-error --fail --retry 20 --retry-delay 1 --retry-connrefused --max-time 30 \
    --request PUT --header 'content-type: application/json' --data @- --config <(echo "url = \"$1/$2\"") <<<"$3" >&2 ||
    die "the broker refused $2"
}
