# shellcheck shell=bash
# The private RabbitMQ of scripts/private-services: DIR/rmq, loopback only, with a node name, a cookie and an epmd of its own.

# Not /usr/sbin/*: those wrappers change directory, log to /var/log and refuse other users.
RMQBIN=${RMQBIN:-/usr/lib/rabbitmq/bin}

rabbitmq_installed() { [ -x "$RMQBIN/rabbitmq-server" ]; }

# The number of the running Erlang machine of this DIR; nothing when there is none.
rabbitmq_pid() {
  local group vm
  group=$(recorded "$1" rabbitmq)
  [ -n "$group" ] || return 0
  vm=$(tr -dc 0-9 <"$1/rmq/pid" 2>/dev/null || true)
  if [ -n "$vm" ] && alive "$vm"; then echo "$vm"; else echo "$group"; fi
}

rabbitmq_start() { # DIR PASSWORD AMQP DIST EPMD MANAGEMENT AMQPS
  local dir=$1 amqp=$3 epmd=$5 rmq=$1/rmq began pid
  began=$(now)
  mkdir -p "$rmq"/{home,mnesia,log,quorum}
  rabbitmq_plugins >"$rmq/enabled_plugins"
  rabbitmq_settings "$@" >"$rmq/rabbitmq.conf"
  rabbitmq_environment "$@" >"$rmq/env.sh"
  # The machine refuses a cookie that others may read.
  if [ ! -s "$rmq/home/.erlang.cookie" ]; then (umask 077; password | tr -d = >"$rmq/home/.erlang.cookie"); fi
  chmod 400 "$rmq/home/.erlang.cookie"
  rm -f "$rmq/pid"
  own rabbitmq "$rmq"
  # Our own epmd first, as a process whose number we know. A node that finds none boots a second machine to start one (slow,
  # and it can time out under load), and that one outlives everything: `epmd -kill` refuses while a node seems registered.
  if [ -z "$(recorded "$dir" epmd)" ]; then
    (cd / && start_as rabbitmq epmd "$dir" /dev/null env ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$epmd" epmd)
  fi
  # shellcheck disable=SC2016 # for the inner shell
  start_as rabbitmq rabbitmq "$dir" "$rmq/log/stdout" \
    bash -c 'cd "$1" && . ./env.sh && exec "$2/rabbitmq-server"' _ "$rmq" "$RMQBIN"
  pid=$STARTED
  if ! wait_amqp "$amqp" 90 "$pid"; then
    tail -n 30 "$rmq/log/stdout" "$rmq/log/rabbit.log" >&2
    die "RabbitMQ did not start"
  fi
  say "RabbitMQ ready in $(since "$began") on 127.0.0.1:$amqp"
}

rabbitmq_plugins() {
  local plugins='' name list
  IFS=, read -ra list <<<"$PS_PLUGINS"
  for name in "${list[@]}"; do plugins+="${plugins:+,}rabbitmq_$name"; done
  if [ "$PS_TLS" = 1 ]; then plugins+="${plugins:+,}rabbitmq_auth_mechanism_ssl"; fi
  echo "[$plugins]."
}

rabbitmq_settings() { # as rabbitmq_start
  local dir=$1 rmq=$1/rmq
  cat <<EOF
listeners.tcp.1 = 127.0.0.1:$3
default_user = app
default_pass = $2
default_vhost = app
loopback_users = none
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 512MB
total_memory_available_override_value = 1GB
log.file.level = ${PS_LOG:-warning}
log.console = false
EOF
  if [[ $PS_PLUGINS == *management* ]]; then printf 'management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %s\n' "$6"; fi
  [ "$PS_TLS" = 1 ] || return 0
  install -m 600 "$dir/tls/server.key" "$rmq/server.key"
  cat <<EOF
listeners.ssl.1 = 127.0.0.1:$7
ssl_options.cacertfile = $dir/tls/ca.crt
ssl_options.certfile = $dir/tls/server.crt
ssl_options.keyfile = $rmq/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
ssl_cert_login_from = common_name
EOF
}

# @localhost: the machine's own host name need not resolve. Of /etc/rabbitmq nothing is read.
rabbitmq_environment() { # as rabbitmq_start
  local rmq=$1/rmq
  cat <<EOF
export HOME=$rmq/home LANG=C.UTF-8 LC_ALL=C.UTF-8
export RABBITMQ_NODENAME=private@localhost RABBITMQ_USE_LONGNAME=false
export RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE=$rmq/rabbitmq.conf RABBITMQ_ADVANCED_CONFIG_FILE=$rmq/none.config
export RABBITMQ_ENABLED_PLUGINS_FILE=$rmq/enabled_plugins RABBITMQ_MNESIA_BASE=$rmq/mnesia RABBITMQ_QUORUM_DIR=$rmq/quorum
export RABBITMQ_LOG_BASE=$rmq/log RABBITMQ_LOGS=$rmq/log/rabbit.log RABBITMQ_PID_FILE=$rmq/pid
export RABBITMQ_DIST_PORT=$4 ERL_EPMD_PORT=$5 ERL_EPMD_ADDRESS=127.0.0.1 ERL_CRASH_DUMP=/dev/null
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1} +S 2:2'
EOF
}

# wait_amqp PORT SECONDS PID: a real handshake, not only an open socket; no rabbitmqctl (each call boots a machine for a second).
wait_amqp() {
  python3 - "$@" <<'PY'
import os, socket, sys, time
port, limit, pid = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
end = time.time() + limit
while time.time() < end:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        sys.exit("the broker's process died")
    except PermissionError:
        pass
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.settimeout(5)
            s.sendall(b"AMQP\x00\x00\x09\x01")
            if s.recv(1) == b"\x01":  # a method frame: Connection.Start
                sys.exit(0)
    except OSError:
        pass
    time.sleep(0.05)
sys.exit("no AMQP handshake in %s s" % limit)
PY
}

# Orderly: 1.2 s bare, 6.3 s with the management plugin, whose listener drains for 5 s. At once when the data are thrown away.
rabbitmq_stop() { # DIR DISCARD
  end_groups "$([ "$2" = 1 ] && echo KILL || echo TERM)" 20 "$1" rabbitmq
  end_groups KILL 5 "$1" epmd
}
