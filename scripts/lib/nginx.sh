# shellcheck shell=bash
# The one origin in front of five processes: routed by the same table as the chart's Ingress (`all-in-one paths`).

# nginx_settings DIR LISTEN PROGRAMS: writes DIR/nginx/nginx.conf and DIR/run/nginx.sh.
nginx_settings() {
  local dir=$1 listen=$2 programs=$3 table
  mkdir -p "$dir/nginx"
  table=$("$programs/all-in-one" paths) || die "all-in-one does not tell its paths"
  nginx_conf "$dir" "$listen" "$table" >"$dir/nginx/nginx.conf"
  printf '#!/usr/bin/env bash\nset -eu\ncd %q\nexport WRIT_UP_DIR=%q\nexec nginx -p nginx -c nginx.conf -e error.log\n' \
    "$dir" "$dir" >"$dir/run/nginx.sh"
  chmod 755 "$dir/run/nginx.sh"
}

# The address is handed on in the form in which it came (no URI in proxy_pass); nginx merges slashes only to find the place.
# Nothing is buffered or tried twice: long polls, event streams and large uploads pass as they come.
nginx_conf() { # DIR LISTEN TABLE
  local service prefix listen
  if [ "$(id -u)" = 0 ]; then echo "user root;"; fi
  cat <<EOF
daemon off;
worker_processes 1;
pid nginx.pid;
worker_rlimit_nofile 65536;
events { worker_connections 32768; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  client_max_body_size 0;
  proxy_http_version 1.1;
  proxy_set_header Host \$http_host;
  proxy_set_header Connection "";
  proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto \$scheme;
  proxy_buffering off;
  proxy_request_buffering off;
  proxy_next_upstream off;
  proxy_read_timeout 120s;
EOF
  for service in "${SERVICES[@]}"; do
    listen=WRIT_$(upper "$service")_LISTEN
    echo "  upstream $service { server ${!listen} max_fails=0; keepalive 32; }"
  done
  echo "  server {"
  echo "    listen $2;"
  echo "    location / { default_type text/plain; return 404 \"404 page not found\\n\"; }"
  while read -r prefix service; do
    echo "    location = $prefix { proxy_pass http://$service; }"
    echo "    location $prefix/ { proxy_pass http://$service; }"
  done <<<"$3"
  printf '  }\n}\n'
}
