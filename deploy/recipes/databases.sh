#!/usr/bin/env bash
# Makes a database and a role for each service of Writ on a PostgreSQL; what is there already stays, passwords are set anew. A role
# can connect to its own database and to no other, which takes the right to connect to `postgres` and `template1` from everybody but
# superusers and owners.
#
#   PGHOST=… PGUSER=postgres PGPASSWORD=… deploy/recipes/databases.sh DIR [OWNERS]
#
# With OWNERS the databases belong to roles of their own (<role>_owner), whose names and passwords are put there: the chart's
# migrations.existingSecret. The services' roles may then read and write rows, and change no table.
#
# DIR has a file <service>-password for each service. The Secret that the chart wants (postgresql.existingSecret) is then
#   kubectl create secret generic writ-databases --from-file=DIR
# when DIR also has <service>-username; missing ones of both are made here. PostgreSQL's official image runs this script, too
# (deploy/compose): it takes SECRETS in place of DIR. scripts/up takes it for its private server; ONLY names some of the services.
set -eu

dir=${1:-${SECRETS:?the directory with the passwords is missing}}
owners=${2:-}
run() {
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${PGUSER:-postgres}" --dbname "${PGDATABASE:-postgres}" "$@"
}
run --command 'revoke connect on database postgres, template1 from public'
for service in ${ONLY:-agent-gateway investigation-api loader-manifest manual-interaction scheduler}; do
  name=writ_$(echo "$service" | tr - _)
  [ -s "$dir/$service-username" ] || printf %s "$name" >"$dir/$service-username"
  [ -s "$dir/$service-password" ] || (umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' 'ab' | tr -d '\n' >"$dir/$service-password")
  # passwords go by the environment: arguments are for everybody to see
  SECRET=$(cat "$dir/$service-password") run --set role="$(cat "$dir/$service-username")" --set database="$name" <<'SQL'
\set secret `printf %s "$SECRET"`
select format('create role %I', :'role') where not exists (select from pg_roles where rolname = :'role') \gexec
alter role :"role" login password :'secret';
select format('create database %I owner %I', :'database', :'role') where not exists (select from pg_database where datname = :'database') \gexec
revoke connect, temporary on database :"database" from public;
SQL
  [ -n "$owners" ] || continue
  [ -s "$owners/$service-username" ] || printf %s "${name}_owner" >"$owners/$service-username"
  [ -s "$owners/$service-password" ] || (umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' 'ab' | tr -d '\n' >"$owners/$service-password")
  SECRET=$(cat "$owners/$service-password") run --set role="$(cat "$dir/$service-username")" --set database="$name" \
    --set owner="$(cat "$owners/$service-username")" <<'SQL'
\set secret `printf %s "$SECRET"`
select format('create role %I', :'owner') where not exists (select from pg_roles where rolname = :'owner') \gexec
alter role :"owner" login password :'secret';
alter database :"database" owner to :"owner";
grant connect on database :"database" to :"role";
\connect :"database"
alter schema public owner to :"owner";
reassign owned by :"role" to :"owner";
-- what is there, and what migrations will make
select format('grant usage on schema %I to %I', nspname, :'role'),
       format('grant select, insert, update, delete on all tables in schema %I to %I', nspname, :'role'),
       format('grant usage, select, update on all sequences in schema %I to %I', nspname, :'role')
from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' \gexec
alter default privileges for role :"owner" grant usage on schemas to :"role";
alter default privileges for role :"owner" grant select, insert, update, delete on tables to :"role";
alter default privileges for role :"owner" grant usage, select, update on sequences to :"role";
SQL
done
