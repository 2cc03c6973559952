#!/usr/bin/env bash
# Makes a database and a role for each service of Writ on a PostgreSQL; what is there already stays, passwords are set anew.
#
#   PGHOST=… PGUSER=postgres PGPASSWORD=… deploy/recipes/databases.sh DIR
#
# DIR has a file <service>-password for each service. The Secret that the chart wants (postgresql.existingSecret) is then
#   kubectl create secret generic writ-databases --from-file=DIR
# when DIR also has <service>-username; missing ones of both are made here. PostgreSQL's official image runs this script, too
# (deploy/compose): it takes SECRETS in place of DIR.
set -eu

dir=${1:-${SECRETS:?the directory with the passwords is missing}}
for service in agent-gateway investigation-api loader-manifest manual-interaction scheduler; do
  name=writ_$(echo "$service" | tr - _)
  [ -s "$dir/$service-username" ] || printf %s "$name" >"$dir/$service-username"
  [ -s "$dir/$service-password" ] || (umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' 'ab' | tr -d '\n' >"$dir/$service-password")
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${PGUSER:-postgres}" --dbname "${PGDATABASE:-postgres}" \
    --set role="$(cat "$dir/$service-username")" --set secret="$(cat "$dir/$service-password")" --set database="$name" <<'SQL'
select format('create role %I', :'role') where not exists (select from pg_roles where rolname = :'role') \gexec
alter role :"role" login password :'secret';
select format('create database %I owner %I', :'database', :'role') where not exists (select from pg_database where datname = :'database') \gexec
revoke connect, temporary on database :"database" from public;
SQL
done
