# shellcheck shell=bash
# The services of one house: their settings, their start and the wait until they are ready.
#
# DIR/run/<name>.sh starts one of them, with the same program, settings and working directory each time. `up` does nothing
# else, so that a service can be killed and started again by hand.

# services_settings DIR PROGRAMS: chooses the ports, sets the variables of env.sh that follow from them, and writes DIR/run.
services_settings() {
  local dir=$1 programs=$2 service name account ports i=0
  read -ra ports <<<"$(kept_ports "$dir/ports" 11)"
  WRIT_URL=http://127.0.0.1:${ports[10]}
  WRIT_UP_DIR=$dir
  WRIT_LISTEN=127.0.0.1:${ports[10]}
  WRIT_PUBLIC_URL=${WRIT_PUBLIC_URL:-$WRIT_URL}
  mkdir -p "$dir/run" "$dir/log"
  # shellcheck disable=SC2046 # names of variables
  exports WRIT_UP_DIR WRIT_PUBLIC_URL $(passed_through) >"$dir/run/shared.env"
  if [ -f "$dir/apart" ]; then
    echo "export WRIT_TRUSTED_PROXIES='${WRIT_TRUSTED_PROXIES:+$WRIT_TRUSTED_PROXIES,}127.0.0.1'" >>"$dir/run/shared.env"
  fi
  if [ -n "${WRIT_DEVICE_CODE_TTL:-}" ]; then
    echo "export WRIT_AGENT_GATEWAY_DEVICE_CODE_TTL='$WRIT_DEVICE_CODE_TTL'" >>"$dir/run/shared.env"
  fi
  # steps of playbooks reach this machine and nothing else
  echo "export WRIT_SCHEDULER_HTTP_ALLOW='${WRIT_SCHEDULER_HTTP_ALLOW:-127.0.0.0/8,::1}'" >>"$dir/run/shared.env"
  exports WRIT_LISTEN >"$dir/run/all-in-one.env"
  run_script "$dir" "$programs/all-in-one" all-in-one "${SERVICES[@]}"
  for service in "${SERVICES[@]}"; do
    name=WRIT_$(upper "$service")
    printf -v "${name}_LISTEN" '127.0.0.1:%s' "${ports[i]}"
    printf -v "${name}_URL" 'http://127.0.0.1:%s' "${ports[i]}"
    printf -v "${name}_ADMIN_LISTEN" '127.0.0.1:%s' "${ports[i + 5]}"
    printf -v "${name}_ADMIN_URL" 'http://127.0.0.1:%s' "${ports[i + 5]}"
    exports "${name}_DATABASE_URL" "${name}_LISTEN" "${name}_ADMIN_LISTEN" >"$dir/run/$service.env"
    # an account of its own on a private broker; on another's, the one that was given
    account=${name}_BROKER_URL
    if [ -n "${!account:-}" ]; then exports "$account" >>"$dir/run/$service.env"; else exports AMQP_URL >>"$dir/run/$service.env"; fi
    if [ "$service" = agent-gateway ]; then exports WRIT_AGENT_GATEWAY_MIG_AMQP_URL >>"$dir/run/$service.env"; fi
    run_script "$dir" "$programs/$service" "$service"
    i=$((i + 1))
  done
}

# The caller's own settings for services: every WRIT_…, OTEL_… and AMQP_… variable but those that `up` itself decides or that
# are its own.
passed_through() {
  local service name decided=(AMQP_URL WRIT_{URL,UP_DIR,LISTEN,PUBLIC_URL,PROFILE,MIG_AMQP_URL,POSTGRES_PID,RABBITMQ_PID}
    WRIT_ADMIN_{APIKEY,GNUPGHOME,FINGERPRINT} WRIT_AGENT_GATEWAY_MIG_AMQP_URL)
  for service in "${SERVICES[@]}"; do
    name=WRIT_$(upper "$service")
    decided+=("$name"_{URL,PID,LISTEN,ADMIN_URL,ADMIN_LISTEN,DATABASE_URL,BROKER_URL})
  done
  compgen -e | grep -E '^(WRIT|OTEL|AMQP)_' | grep -vxF "$(printf '%s\n' "${decided[@]}")" || true
}

# run_script DIR PROGRAM NAME [SERVICE...]: writes DIR/run/NAME.sh; settings are the shared ones, NAME's and the SERVICEs'.
run_script() {
  local dir=$1 program=$2 name=$3
  shift 3
  {
    printf '#!/usr/bin/env bash\n# Starts %s as scripts/up does.\nset -eu\ncd %q\n' "$name" "$dir"
    printf '. run/%s.env\n' shared "$name" "$@"
    printf 'exec %q "$@"\n' "$program"
  } >"$dir/run/$name.sh"
  chmod 755 "$dir/run/$name.sh"
}

# services_start DIR NAME...: starts these, each with a log of its own.
services_start() {
  local dir=$1 name
  shift
  for name in "$@"; do
    start_as self "$name" "$dir" "$dir/log/$name.log" "$dir/run/$name.sh"
  done
}

# knows_investigators ANSWER: tells whether what /readyz said shows that the service knows who may ask.
knows_investigators() {
  python3 -c 'import json, sys; sys.exit(not json.loads(sys.argv[1])["checks"]["investigators"]["ok"])' "$1" 2>/dev/null
}

# services_ready DIR SECONDS: waits until every service says so and knows who may ask; otherwise tells which does not, and why.
services_ready() {
  local dir=$1 end=$((SECONDS + $2)) service url answer process
  for service in "${SERVICES[@]}"; do
    url=WRIT_$(upper "$service")_ADMIN_URL
    process=$([ -f "$dir/apart" ] && echo "$service" || echo all-in-one)
    until answer=$(curl --silent --max-time 5 --write-out '\n%{http_code}' "${!url}/readyz") && [ "${answer##*$'\n'}" = 200 ] &&
      knows_investigators "${answer%$'\n'*}"; do
      if [ -z "$(recorded "$dir" "$process")" ]; then
        say "$process ended before it was ready; the end of $dir/log/$process.log:"
      elif [ "$SECONDS" -ge "$end" ]; then
        say "$service is not ready after $2 s (${!url}/readyz answers: ${answer//$'\n'/ }); the end of $dir/log/$process.log:"
      else
        sleep 0.1
        continue
      fi
      tail -n 20 "$dir/log/$process.log" >&2
      return 1
    done
  done
}
