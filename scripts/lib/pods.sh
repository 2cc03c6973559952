# shellcheck shell=bash
# The chart's Deployments, run with podman: no cluster, but the very image, variables, secrets' files, user, file system and
# probes that the chart renders, against a private PostgreSQL and a private RabbitMQ. Both want TLS with a client's certificate, and
# the databases belong to roles that only migrations have: a service's own role changes no table.
# Needs TOP, HERE, LIB, HELM, CHART_PYTHON.

. "$LIB/house.sh"
. "$LIB/postgres.sh"
. "$LIB/rabbitmq.sh"
. "$LIB/broker.sh"
. "$LIB/nginx.sh"
. "$LIB/administrator.sh"

PODS_PASSED=0 PODS_FAILED=0 PODS_SKIPPED=0

pods_step() { # NAME COMMAND...
  local name=$1
  shift
  if "$@"; then
    PODS_PASSED=$((PODS_PASSED + 1))
    echo "test images: $name ... ok"
  else
    PODS_FAILED=$((PODS_FAILED + 1))
    echo "test images: $name ... FAILED"
  fi
}

pods_check() { # IMAGE ARCHIVE
  POD_IMAGE=$1
  temporary_house
  trap pods_end EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  house_claim "$DIR"
  mkdir -p "$DIR/log" "$DIR/run" "$DIR/demo"
  pods_servers
  pods_render
  pods_image "$2"
  pods_step "the migrations run as init containers" pods_each pod_migrates
  pods_step "a second time they do nothing" pods_each pod_migrates
  pods_step "the services start" pods_each pod_starts
  pods_step "the services are alive and ready by the chart's probes" pods_each pod_is_ready
  pods_step "they know until when their certificates hold" pods_each pod_knows_its_certificates
  pods_step "a service's role changes no table of its own" pods_each pod_changes_no_table
  pods_step "helm test's program finds them well" pods_are_well
  pods_step "the first administrator is made by the documented command" pods_administrator
  pods_origin
  pods_step "the main job of scripts/demo comes back" "$HERE/demo" --in "$DIR"
  pods_step "a pod that is told to stop lingers, ends in order, and comes back" pods_roll
  echo "$PODS_PASSED passed, $PODS_FAILED failed, $PODS_SKIPPED skipped"
  [ $PODS_FAILED = 0 ]
}

pods_end() {
  local rc=$? service
  trap '' INT TERM
  trap - EXIT
  for service in "${SERVICES[@]}"; do
    if [ $rc != 0 ]; then podman logs "writ-check-$service" 2>&1 | tail -n 5 >&2 || true; fi
    podman rm --force --time 1 "writ-check-$service" >/dev/null 2>&1 || true
  done
  end_groups TERM 20 "$DIR/demo"
  house_end "$DIR" 0
  exit $rc
}

pods_servers() {
  local private place
  private=$(private_dir "$DIR")
  PS_TLS=1 "$HERE/private-services" start "$private" >/dev/null || die "the private servers did not start"
  mkdir -p "$DIR"/demo/secrets/{writ-databases,writ-database-owners,writ-broker,writ-client,writ-ca}
  cp "$private/tls/ca.crt" "$DIR/demo/secrets/writ-ca/ca.crt"
  cp "$private/tls/client.crt" "$DIR/demo/secrets/writ-client/tls.crt"
  cp "$private/tls/client.key" "$DIR/demo/secrets/writ-client/tls.key"
  AMQP_PASSWORD=$(password)
  . "$private/env.sh"
  POD_PGPORT=$PGPORT
  PGSSLMODE=verify-full PGSSLROOTCERT=$private/tls/ca.crt PGSSLCERT=$private/tls/client.crt PGSSLKEY=$private/tls/client.key \
    "$TOP/deploy/recipes/databases.sh" "$DIR/demo/secrets/writ-databases" "$DIR/demo/secrets/writ-database-owners" ||
    die "deploy/recipes/databases.sh failed"
  place=${AMQPS_URL##*@}
  POD_AMQPPORT=${place##*:} POD_AMQPPORT=${POD_AMQPPORT%%/*}
  place=${AMQP_URL##*@}
  broker_put "$RABBITMQ_API" vhosts/writ '{}'
  broker_put "$RABBITMQ_API" users/writ "{\"password\":\"$AMQP_PASSWORD\",\"tags\":\"\"}"
  broker_put "$RABBITMQ_API" permissions/writ/writ '{"configure":".*","write":".*","read":".*"}'
  AMQP_URL=amqp://writ:$AMQP_PASSWORD@${place%%/*}/writ
  printf %s writ >"$DIR/demo/secrets/writ-broker/username"
  printf %s "$AMQP_PASSWORD" >"$DIR/demo/secrets/writ-broker/password"
}

# The Deployments, each with ports of its own, as all are on this host's network; names lead to loopback by /etc/hosts.
pods_render() {
  local ports i=0 service key name settings=()
  read -ra ports <<<"$(free_ports 11)"
  for service in "${SERVICES[@]}"; do
    key=$(sed -E 's/-(.)/\U\1/g' <<<"$service") name=WRIT_$(upper "$service")
    settings+=(--set "$key.ports.http=${ports[i]},$key.ports.admin=${ports[i + 5]}")
    printf -v "${name}_LISTEN" '127.0.0.1:%s' "${ports[i]}"
    printf -v "${name}_URL" 'http://127.0.0.1:%s' "${ports[i]}"
    printf -v "${name}_ADMIN_URL" 'http://127.0.0.1:%s' "${ports[i + 5]}"
    i=$((i + 1))
  done
  WRIT_LISTEN=127.0.0.1:${ports[10]} WRIT_URL=http://127.0.0.1:${ports[10]}
  "$HELM" template writ "$TOP/deploy/helm/writ" --kube-version 1.34 --set image.registry=localhost,image.repository=writ \
    --set "image.tag=${POD_IMAGE##*:},publicUrl=$WRIT_URL,trustedProxies={127.0.0.1}" \
    --set "postgresql.host=database.writ.test,postgresql.port=$POD_PGPORT,postgresql.caSecret.name=writ-ca" \
    --set postgresql.clientCertSecret=writ-client,rabbitmq.tls.clientCertSecret=writ-client \
    --set postgresql.existingSecret=writ-databases,migrations.existingSecret=writ-database-owners \
    --set "rabbitmq.host=broker.writ.test,rabbitmq.port=$POD_AMQPPORT,rabbitmq.tls.caSecret.name=writ-ca" \
    --set rabbitmq.existingSecret=writ-broker \
    --set scheduler.podSecurityContext.runAsUser=1000650000 --set scheduler.podSecurityContext.fsGroup=1000650000 \
    "${settings[@]}" >"$DIR/demo/rendered.yaml"
  "$CHART_PYTHON" "$LIB/pods.py" "$DIR/demo/rendered.yaml" "$DIR/demo/secrets" "$DIR/demo/pods" || die "the chart's pods cannot be run"
}

pods_each() { # COMMAND: with each service
  local service
  for service in "${SERVICES[@]}"; do "$1" "$service" || { say "$service: $1"; return 1; }; done
}

# What is in the image, before it runs; the checks and their counts are image.py's.
pods_image() {
  local said last
  said=$(python3 "$LIB/image.py" "$1") || true
  last=${said##*$'\n'}
  echo "${said%$'\n'*}"
  if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
    PODS_PASSED=$((PODS_PASSED + BASH_REMATCH[1])) PODS_FAILED=$((PODS_FAILED + BASH_REMATCH[2])) PODS_SKIPPED=$((PODS_SKIPPED + BASH_REMATCH[3]))
  else
    PODS_FAILED=$((PODS_FAILED + 1))
  fi
}

# What pods.py wrote: a shell array of podman's words.
pod_words() { mapfile -t WORDS <"$DIR/demo/pods/$1"; }

pod_migrates() {
  pod_words "$1.migrate"
  podman run --rm "${WORDS[@]}" >>"$DIR/log/$1.migrate.log" 2>&1
}

pod_starts() {
  pod_words "$1.run"
  podman run --detach --name "writ-check-$1" "${WORDS[@]}" >/dev/null
}

# pod_is_ready SERVICE: asks as the kubelet would, by the paths and ports of the rendered probes.
pod_is_ready() {
  local paths end=$((SECONDS + 60)) url
  mapfile -t paths <"$DIR/demo/pods/$1.probes"
  for url in "${paths[@]}"; do
    until curl --silent --fail --output /dev/null --max-time 5 "$url"; do
      if [ "$SECONDS" -ge "$end" ]; then podman logs "writ-check-$1" 2>&1 | tail -n 5 >&2; return 1; fi
      sleep 0.2
    done
  done
}

pod_knows_its_certificates() {
  local peer usage admin text
  admin=WRIT_$(upper "$1")_ADMIN_URL
  text=$(curl --silent --fail --max-time 5 "${!admin}/metrics")
  for peer in database broker; do
    for usage in client authority; do
      grep -E '^writ_certificate_expiration_timestamp_seconds\{.*peer="'$peer'".*usage="'$usage'"' <<<"$text" >/dev/null ||
        { say "no expiration of $peer's $usage certificate"; return 1; }
    done
  done
}

pod_changes_no_table() {
  local said secrets=$DIR/demo/secrets/writ-databases tls
  tls=$(private_dir "$DIR")/tls
  said=$(PGSSLMODE=verify-full PGSSLROOTCERT=$tls/ca.crt PGSSLCERT=$tls/client.crt PGSSLKEY=$tls/client.key PGHOST=127.0.0.1 \
    PGPORT=$POD_PGPORT PGUSER=$(cat "$secrets/$1-username") PGPASSWORD=$(cat "$secrets/$1-password") PGDATABASE=writ_${1//-/_} \
    psql --no-psqlrc --quiet --command 'select count(*) from messaging.outbox' --command 'alter table messaging.outbox add evil text' 2>&1) || true
  [[ $said == *"must be owner of table outbox"* ]] || { say "$said"; return 1; }
}

pods_are_well() {
  local service urls=() url
  for service in "${SERVICES[@]}"; do
    url=WRIT_$(upper "$service")_ADMIN_URL
    urls+=("--url=${!url/127.0.0.1/probe.writ.test}/readyz")
    url=WRIT_$(upper "$service")_URL
    urls+=("--url=${!url/127.0.0.1/probe.writ.test}/openapi.json")
  done
  podman run --rm --network host --add-host probe.writ.test:127.0.0.1 --read-only --cap-drop ALL "$POD_IMAGE" \
    scheduler healthcheck "${urls[@]}" >&2
}

pods_administrator() {
  administrator_key "$DIR"
  gpg --homedir "$WRIT_ADMIN_GNUPGHOME" --batch --quiet --armor --export "$WRIT_ADMIN_FINGERPRINT" >"$DIR/admin.asc"
  WRIT_ADMIN_APIKEY=$(podman exec --interactive writ-check-investigation-api /writ-server investigation-api bootstrap --name admin \
    --public-key /dev/stdin --apikey <"$DIR/admin.asc" 2>"$DIR/log/bootstrap.log") || { cat "$DIR/log/bootstrap.log" >&2; return 1; }
}

# One origin before the five, by the chart's own table of paths; and env.sh.
pods_origin() {
  local service name names=(WRIT_URL AMQP_URL WRIT_ADMIN_APIKEY WRIT_ADMIN_GNUPGHOME WRIT_ADMIN_FINGERPRINT)
  mkdir -p "$DIR/nginx"
  nginx_conf "$DIR" "$WRIT_LISTEN" "$(cat "$TOP/deploy/helm/writ/files/paths")" >"$DIR/nginx/nginx.conf"
  (cd "$DIR" && start_as self nginx "$DIR" "$DIR/log/nginx.log" nginx -p "$DIR/nginx" -c nginx.conf -e error.log)
  for service in "${SERVICES[@]}"; do
    name=WRIT_$(upper "$service")
    names+=("${name}_URL" "${name}_ADMIN_URL")
  done
  exports "${names[@]}" >"$DIR/env.sh"
}

pods_roll() {
  local service=agent-gateway url
  url=WRIT_AGENT_GATEWAY_URL
  podman kill --signal TERM "writ-check-$service" >/dev/null
  curl --silent --fail --output /dev/null --max-time 5 "${!url}/openapi.json" || { say "it served no more at once"; return 1; }
  [ "$(timeout 45 podman wait "writ-check-$service")" = 0 ] || return 1
  podman rm "writ-check-$service" >/dev/null
  pod_starts $service && pod_is_ready $service
}
