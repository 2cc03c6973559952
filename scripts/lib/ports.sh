# shellcheck shell=bash
# Ports on loopback.

# free_ports N: so many distinct free ports, held open together while they are chosen so that none is given twice. They lie
# below net.ipv4.ip_local_port_range (32768…): no outgoing connection can take one before, or between two runs of, its server.
free_ports() {
  python3 - "$1" <<'PY'
import random, socket, sys
wanted, ports, held = int(sys.argv[1]), [], []
while len(ports) < wanted:
    port = random.randint(15000, 32000)
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", port))
    except OSError:
        s.close()
        continue
    held.append(s)
    ports.append(port)
print(*ports)
PY
}

# ports_free PORT...: can all of them be listened on now?
ports_free() {
  python3 - "$@" <<'PY'
import socket, sys
for port in sys.argv[1:]:
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind(("127.0.0.1", int(port)))
    except OSError:
        sys.exit(1)
    s.close()
PY
}

# kept_ports FILE N: the N ports in FILE while all are free, else new ones, which FILE then has.
kept_ports() {
  # shellcheck disable=SC2046 # each port is a word
  if [ ! -s "$1" ] || [ "$(wc -w <"$1")" != "$2" ] || ! ports_free $(cat "$1"); then free_ports "$2" >"$1"; fi
  cat "$1"
}
