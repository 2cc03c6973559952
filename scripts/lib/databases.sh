# shellcheck shell=bash
# A database and a role for each service. A role can connect to its own database and to no other.

SERVICES=(agent-gateway investigation-api loader-manifest manual-interaction scheduler)

# upper SERVICE: its name as in variables, AGENT_GATEWAY.
upper() { local name=${1^^}; echo "${name//-/_}"; }

# databases_create SERVICE...: makes what is missing on the server that the PG… variables lead to; prints
# `export WRIT_<SERVICE>_DATABASE_URL='…'` lines. The passwords are in the variables WRIT_<SERVICE>_DATABASE_PASSWORD.
databases_create() {
  local service name secret folder place=$PGHOST:$PGPORT
  folder=$(mktemp -d)
  for service in "$@"; do
    secret=WRIT_$(upper "$service")_DATABASE_PASSWORD
    printf %s "${!secret}" >"$folder/$service-password"
  done
  ONLY="$*" "$LIB/../../deploy/recipes/databases.sh" "$folder" >&2 || {
    rm -rf "$folder"
    die "could not make the services' databases at $place"
  }
  rm -rf "$folder"
  for service in "$@"; do
    name=writ_${service//-/_}
    secret=WRIT_$(upper "$service")_DATABASE_PASSWORD
    echo "export WRIT_$(upper "$service")_DATABASE_URL='postgres://$name:${!secret}@$place/$name'"
  done
}

# database_url SERVICE: where its database is, as WRIT_<SERVICE>_DATABASE_URL says.
database_url() {
  local name
  name=WRIT_$(upper "$1")_DATABASE_URL
  [ -n "${!name:-}" ] || die "$name is not set"
  echo "${!name}"
}
