# shellcheck shell=bash
# The accounts on a private broker: one for each service with its own rights, one that may do everything (tools, tests), one
# for the agents of MIG, and one for who speaks with those.

. "$LIB/../../deploy/recipes/mig-rights.sh"

# broker_accounts API PLACE PROGRAMS: needs the passwords in AMQP_PASSWORD, MIG_AMQP_PASSWORD, MIG_GATEWAY_AMQP_PASSWORD and
# WRIT_<SERVICE>_AMQP_PASSWORD; prints `export …='…'` lines. PLACE is host:port; PROGRAMS has all-in-one, which tells the rights.
broker_accounts() {
  local api=$1 place=$2 programs=$3 rights path json service secret
  broker_put "$api" vhosts/writ '{}'
  broker_put "$api" vhosts/mig '{}'
  broker_put "$api" users/writ "{\"password\":\"$AMQP_PASSWORD\",\"tags\":\"\"}"
  broker_put "$api" users/mig-agent "{\"password\":\"$MIG_AMQP_PASSWORD\",\"tags\":\"\"}"
  broker_put "$api" users/mig-gateway "{\"password\":\"$MIG_GATEWAY_AMQP_PASSWORD\",\"tags\":\"\"}"
  broker_put "$api" permissions/writ/writ '{"configure":".*","write":".*","read":".*"}'
  broker_put "$api" permissions/mig/mig-gateway "{$MIG_GATEWAY_RIGHTS}"
  broker_put "$api" permissions/mig/mig-agent "{$MIG_AGENT_RIGHTS}"
  rights=$("$programs/all-in-one" rights) || die "all-in-one does not tell the rights of accounts"
  while IFS=$'\t' read -r path json; do broker_put "$api" "$path" "$json"; done < <(python3 "$LIB/broker_rights.py" writ <<<"$rights")
  curl --silent --show-error --fail --max-time 30 --header 'content-type: application/json' --data '{}' \
    --config <(echo "url = \"$api/bindings/writ/e/writ.dead/q/writ.dead\"") >&2 || die "the broker refused to bind the dead letters"
  for service in "${SERVICES[@]}"; do
    secret=WRIT_$(upper "$service")_AMQP_PASSWORD
    echo "export WRIT_$(upper "$service")_BROKER_URL='amqp://writ-$service:${!secret}@$place/writ'"
  done
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
