# shellcheck shell=bash
# A whole house in a directory: started by `up`, ended by `down`, whatever state it is in.

. "$LIB/processes.sh"
. "$LIB/ports.sh"
. "$LIB/databases.sh"
. "$LIB/services.sh"

# What a house puts into its directory.
HOUSE_FILES=(.house env.sh run log gnupg nginx private pids ports owner up apart secrets.sh admin.asc admin.apikey admin.apikey.new demo)

# house_claim DIR: makes DIR a house's directory. One that holds other things under our names is refused: `down` would remove them.
house_claim() {
  local file
  mkdir -p "$1"
  if [ ! -e "$1/.house" ]; then
    for file in "${HOUSE_FILES[@]}"; do
      [ ! -e "$1/$file" ] || [ "$file" = owner ] || die "$1/$file is not a house's; choose another directory"
    done
    touch "$1/.house"
  fi
}

# private_dir DIR: where the private servers have their data. Their users must be able to enter it.
private_dir() {
  if [ ! -e "$1/private" ]; then
    chmod a+x "$1"
    if as postgres test -x "$1"; then socket_dir "$1" private; else elsewhere "$1" private; fi
  fi
  (cd "$1/private" && pwd -P)
}

# socket_dir DIR NAME: makes DIR/NAME for who has sockets there, whose paths have 107 bytes at most; where DIR's own name is long,
# it leads to a directory under /tmp.
socket_dir() {
  if [ -e "$1/$2" ]; then return 0; fi
  if [ ${#1} -le 70 ]; then mkdir "$1/$2"; else elsewhere "$1" "$2"; fi
}

elsewhere() { # DIR NAME
  rm -f "$1/$2"
  ln -s "$(mktemp -d "/tmp/writ-$2.XXXXXX")" "$1/$2"
}

# own_servers: forgets the databases, brokers and administrators that the environment names, as `env.sh` of another house does,
# so that a house that is made now has its own.
own_servers() {
  local name
  for name in $(compgen -e | grep -E '^(AMQP_URL|WRIT_[A-Z_]*_(DATABASE|BROKER|AMQP)_URL|WRIT_ADMIN_[A-Z]+)$'); do unset "$name"; done
}

# house_end DIR KEEP: ends every process of the house, and removes its files unless KEEP is 1.
house_end() {
  local dir=$1 keep=$2 file real
  end_up "$dir"
  # First what may still start something, without the shell's word about it; then the rest.
  { end_groups KILL 5 "$dir" build private-start; wait "${ATTENDED:-}"; } 2>/dev/null || true
  end_groups TERM 20 "$dir"
  end_restarted "$dir"
  if [ -e "$dir/private" ]; then
    real=$(cd "$dir/private" && pwd -P)
    "$LIB/../private-services" "$([ "$keep" = 1 ] && echo stop || echo discard)" "$real" 2>/dev/null || true
  fi
  if [ -d "$dir/gnupg" ]; then gpgconf --homedir "$(cd "$dir/gnupg" && pwd -P)" --kill all 2>/dev/null || true; fi
  rm -f "$dir/pids"
  if [ "$keep" = 1 ]; then return 0; fi
  for file in "${HOUSE_FILES[@]}"; do
    real=$(readlink -f "$dir/$file") || continue
    if [[ $real == "/tmp/writ-$file".?????? ]]; then rm -rf "$real"; fi
    rm -rf "${dir:?}/$file"
  done
  rmdir "$dir" 2>/dev/null || true
}

# Ends the `up` that answers for DIR, unless it is this very shell.
end_up() {
  local pid start end=$((SECONDS + 60))
  read -r pid start 2>/dev/null <"$1/up" || return 0
  if [ "$pid" = $$ ] || [ "$(start_time "$pid")" != "$start" ]; then return 0; fi
  kill -TERM "$pid" 2>/dev/null || true
  while alive "$pid"; do
    if [ "$SECONDS" -ge "$end" ]; then kill -KILL "$pid" 2>/dev/null || true; fi
    sleep 0.1
  done
}

# Ends services that were started again by hand: their environment names the house.
end_restarted() {
  local file pid pids=() end=$((SECONDS + 20))
  for file in $(grep -lzsxF "WRIT_UP_DIR=$1" /proc/[0-9]*/environ); do
    pid=${file#/proc/}
    pid=${pid%/environ}
    if [ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ]; then pids+=("$pid"); fi
  done
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do
    while alive "$pid"; do
      if [ "$SECONDS" -ge "$end" ]; then kill -KILL "$pid" 2>/dev/null || true; fi
      sleep 0.1
    done
  done
}

# temporary_house: makes a directory for a house that lives as long as this shell, in $DIR, and clears away what shells that
# were killed have left. DIR/owner tells the shell.
temporary_house() {
  local old pid start
  for old in "${TMPDIR:-/tmp}"/writ-up.*; do
    if [ ! -O "$old/owner" ]; then continue; fi
    read -r pid start <"$old/owner" || continue
    if [ "$(start_time "$pid")" = "$start" ]; then continue; fi
    say "clearing away what was left in $old"
    house_end "$old" 0
  done
  DIR=$(mktemp -d "${TMPDIR:-/tmp}/writ-up.XXXXXX")
  echo "$$ $(start_time $$)" >"$DIR/owner"
}
