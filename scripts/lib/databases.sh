# shellcheck shell=bash
# A database and a role for each service. A role can connect to its own database and to no other.

SERVICES=(agent-gateway investigation-api loader-manifest manual-interaction scheduler)

# upper SERVICE: its name as in variables, AGENT_GATEWAY.
upper() { local name=${1^^}; echo "${name//-/_}"; }

# databases_create SERVICE...: makes what is missing on the server that the PG… variables lead to; prints
# `export WRIT_<SERVICE>_DATABASE_URL='…'` lines. The passwords are in the variables WRIT_<SERVICE>_DATABASE_PASSWORD.
databases_create() {
  local service name secret place=$PGHOST:$PGPORT
  {
    echo "revoke connect on database postgres, template1 from public;"
    for service in "$@"; do
      name=writ_${service//-/_}
      secret=WRIT_$(upper "$service")_DATABASE_PASSWORD
      cat <<EOF
select 'create role $name' where not exists (select from pg_roles where rolname = '$name') \gexec
alter role $name login password '${!secret}';
select 'create database $name owner $name' where not exists (select from pg_database where datname = '$name') \gexec
revoke connect, temporary on database $name from public;
EOF
    done
  } | psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 >&2 || die "could not make the services' databases at $place"
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
