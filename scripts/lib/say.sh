# shellcheck shell=bash
# Words to the person at the terminal: progress and errors on stderr, data on stdout.

SCRIPT=${0##*/}

say() { printf '%s: %s\n' "$SCRIPT" "$*" >&2; }
die() { say "$*"; exit 1; }

# Prints the comment at the top of the calling script, which is its help.
help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'; }

# Writes `export NAME='value'` lines, one for each NAME, with the values of the variables of these names.
exports() {
  local name
  for name in "$@"; do printf "export %s='%s'\n" "$name" "${!name//\'/\'\\\'\'}"; done
}

# Gives a random password of 192 bit that needs no escaping in a URL.
password() { head -c 24 /dev/urandom | base64 | tr '+/' 'ab'; }
