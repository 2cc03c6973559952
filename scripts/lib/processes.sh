# shellcheck shell=bash
# Processes that outlive the shell which started them, and how to end exactly these.
#
# Each is the leader of a session of its own, so its number names a process group. DIR/pids has a line `NAME PID START` for
# each, START being its start time in clock ticks. As long as a group has members the kernel gives its number to no new
# process, so: a process with this number but another start time means that the group is gone.

# Gives a process's start time; fails when there is no such process.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  stat=${stat##*) }
  awk '{ print $20 }' <<<"$stat"
}

# A zombie counts as gone: a process 1 that is no init may reap it late or never.
alive() {
  local state
  state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) && [ -n "$state" ] && [ "$state" != Z ]
}

# group_members PID: the living processes of the group, whoever owns them.
group_members() {
  local stat rest
  for stat in /proc/[0-9]*/stat; do
    rest=$(cat "$stat" 2>/dev/null) || continue
    rest=${rest##*) }
    # shellcheck disable=SC2086 # the fields are wanted: state, parent, group
    set -- "$1" $rest
    if [ "$4" = "$1" ] && [ "$2" != Z ]; then stat=${stat%/stat}; echo "${stat#/proc/}"; fi
  done
}

# record DIR NAME: notes the (sub)shell that calls it, which goes on to become the process of this name.
record() {
  local pid=$BASHPID # not within $(…), which is a shell of its own
  printf '%s %s %s\n' "$2" "$pid" "$(start_time "$pid")" >>"$1/pids"
}

# recorded DIR NAME: the number of the running process of this name, the latest one; nothing when there is none.
recorded() {
  local name pid start found=''
  [ -f "$1/pids" ] || return 0
  while read -r name pid start; do
    if [ "$name" = "$2" ] && [ "$(start_time "$pid")" = "$start" ] && alive "$pid"; then found=$pid; fi
  done <"$1/pids"
  echo "$found"
}

# end_groups SIGNAL SECONDS DIR [NAME...]: ends the groups in DIR/pids, or those of these names; by force after SECONDS.
end_groups() {
  local signal=$1 limit=$2 dir=$3 name pid start now names groups=() left group
  shift 3
  names=" $* "
  [ -f "$dir/pids" ] || return 0
  while read -r name pid start; do
    if [ "$names" != "  " ] && [[ $names != *" $name "* ]]; then continue; fi
    now=$(start_time "$pid") || now=$start # its first process is gone, the others may live
    if [ "$now" = "$start" ]; then groups+=("$pid"); fi
  done <"$dir/pids"
  for group in "${groups[@]}"; do kill "-$signal" -- "-$group" 2>/dev/null || true; done
  local end=$((SECONDS + limit))
  while :; do
    left=()
    for group in "${groups[@]}"; do
      if kill -0 -- "-$group" 2>/dev/null && [ -n "$(group_members "$group")" ]; then left+=("$group"); fi
    done
    [ ${#left[@]} -gt 0 ] || break
    if [ "$SECONDS" -ge "$end" ]; then
      for group in "${left[@]}"; do kill -KILL -- "-$group" 2>/dev/null || true; done
      end=$((SECONDS + 5))
      [ "$limit" -ge 0 ] || break
      limit=-1
    fi
    sleep 0.05
  done
}

# start_as USER NAME DIR LOG COMMAND...: starts it in a session of its own, writes its number to DIR/pids and to $STARTED.
# USER counts only when we are root (PostgreSQL refuses to run as root); `self` changes nothing. setpriv needs no PAM and no terminal, and keeps the
# environment. A shell function in the background would keep the caller's stdout open on a saved descriptor, so that
# `$(… start)` never ends: hence `exec`.
start_as() {
  local user=$1 name=$2 dir=$3 log=$4
  shift 4
  as_prefix "$user"
  (exec </dev/null >>"$log" 2>&1; record "$dir" "$name"; exec setsid "${AS[@]}" "$@") &
  STARTED=$!
  until grep -qs " $STARTED " "$dir/pids"; do sleep 0.01; done
}

# attend DIR NAME COMMAND...: runs it to its end in a session of its own. A signal to this shell is acted on at once, and what
# then ends the house also ends the command.
attend() {
  local dir=$1 name=$2
  shift 2
  (exec </dev/null; record "$dir" "$name"; exec setsid "$@") &
  ATTENDED=$!
  wait "$ATTENDED"
}

# as USER COMMAND...: runs it as the service's own user when we are root, else as ourselves.
as() { as_prefix "$1"; shift; "${AS[@]}" "$@"; }
as_prefix() {
  AS=()
  if [ "$(id -u)" = 0 ] && [ "$1" != self ]; then
    AS=(setpriv --reuid "$1" --regid "$(id -g "$1")" --clear-groups --inh-caps=-all --)
  fi
}

# own USER PATH...: gives the paths to the service's own user when we are root.
own() {
  local user=$1
  shift
  if [ "$(id -u)" = 0 ]; then chown -R "$user:$(id -gn "$user")" "$@"; fi
}
