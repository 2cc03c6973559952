# shellcheck shell=bash
# The private PostgreSQL of scripts/private-services: DIR/pg/data, loopback only, scram passwords.

# Where the newest server is; PGBIN chooses another. Debian does not put it on the PATH.
postgres_programs() {
  echo "${PGBIN:-$({ find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null || true; } | sort -V | tail -1)}"
}

postgres_installed() { [ -x "$(postgres_programs)/initdb" ]; }

# The number of the running server of this DIR; nothing when there is none.
postgres_pid() { recorded "$1" postgres; }

postgres_start() { # DIR PORT PASSWORD
  local dir=$1 port=$2 pg=$1/pg began socket=$1/run-pg pid
  began=$(now)
  mkdir -p "$pg" "$socket"
  chmod 700 "$pg"
  own postgres "$pg" "$socket"
  if [ ! -d "$pg/data" ]; then postgres_init "$pg" "$3"; fi
  postgres_settings "$dir" "$port" "$socket" | as postgres sh -c 'cat >"$1"' _ "$pg/data/private.conf"
  postgres_forget "$pg/data/postmaster.pid" "$socket"
  : >>"$dir/postgres.log"
  own postgres "$dir/postgres.log"
  start_as postgres postgres "$dir" "$dir/postgres.log" "$(postgres_programs)/postgres" -D "$pg/data"
  pid=$STARTED
  local end=$((SECONDS + 60))
  # The eighth line says `ready` when connections are taken.
  until [ "$(sed -n '8s/ *$//p' "$pg/data/postmaster.pid" 2>/dev/null)" = ready ]; do
    if ! alive "$pid" || [ "$SECONDS" -ge "$end" ]; then
      tail -n 20 "$dir/postgres.log" >&2
      die "PostgreSQL did not start"
    fi
    sleep 0.05
  done
  say "PostgreSQL ready in $(since "$began") on 127.0.0.1:$port"
}

# Removes the lock files of a killed server: its number may meanwhile be another process's, or a zombie's, so that PostgreSQL
# would refuse to start. Its children go by themselves; until they have let go of the shared memory it must not start either.
postgres_forget() { # PID_FILE SOCKET_DIR
  local memory end=$((SECONDS + 30))
  if [ -f "$1" ]; then
    memory=$(awk 'NR == 7 { print $2 }' "$1")
    while awk -v id="$memory" '$2 == id && $7 > 0 { found = 1 } END { exit !found }' /proc/sysvipc/shm; do
      [ "$SECONDS" -lt "$end" ] || die "processes of the killed PostgreSQL still run; end them and start again"
      sleep 0.1
    done
  fi
  rm -f "$1" "$2"/.s.PGSQL.*
}

postgres_init() { # DIR/pg PASSWORD
  local pg=$1 log=$1/initdb.log
  rm -rf "$pg/data.new"
  (umask 077; printf '%s' "$2" >"$pg/password")
  own postgres "$pg/password"
  # C.UTF-8 is the only UTF-8 locale of a slim Debian; without -E and --locale a POSIX environment would give SQL_ASCII.
  (cd / && as postgres "$(postgres_programs)/initdb" -D "$pg/data.new" -U app --auth=scram-sha-256 --pwfile="$pg/password" \
    -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions) >"$log" 2>&1 || { cat "$log" >&2; die "initdb failed"; }
  rm -f "$pg/password"
  echo "include 'private.conf'" | as postgres sh -c 'cat >>"$1"' _ "$pg/data.new/postgresql.conf"
  if [ "$PS_TLS" = 1 ]; then
    printf 'hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\nlocal all all scram-sha-256\n' |
      as postgres sh -c 'cat >"$1"' _ "$pg/data.new/pg_hba.conf"
  fi
  mv "$pg/data.new" "$pg/data" # now it is whole
}

postgres_settings() { # DIR PORT SOCKET_DIR
  local durable=off
  if [ "$PS_DURABLE" = 1 ]; then durable=on; fi
  printf '%s\n' "listen_addresses='127.0.0.1'" "port=$2" "unix_socket_directories='$3'" \
    "fsync=$durable" "synchronous_commit=$durable" "full_page_writes=$durable" \
    shared_buffers=64MB max_connections=200 max_wal_size=512MB \
    "timezone='UTC'" "log_timezone='UTC'" "log_line_prefix='%m [%p] %q%u@%d '" log_lock_waits=on deadlock_timeout=200ms \
    ${PS_PG_SETTINGS:+"$PS_PG_SETTINGS"}
  if [ "$PS_TLS" = 1 ]; then
    # The key is refused when others may read it or own it.
    install -m 600 "$1/tls/server.key" "$1/pg/server.key"
    own postgres "$1/pg/server.key"
    printf '%s\n' ssl=on "ssl_cert_file='$1/tls/server.crt'" "ssl_key_file='$1/pg/server.key'" "ssl_ca_file='$1/tls/ca.crt'"
  fi
}

# Fast shutdown (SIGINT); immediate (SIGQUIT) when the data are to be thrown away.
postgres_stop() { # DIR DISCARD
  end_groups "$([ "$2" = 1 ] && echo QUIT || echo INT)" 20 "$1" postgres
}
