# shellcheck shell=bash
# What the scripts need on the machine. On Debian, as root, it is installed; anywhere else what is missing is named.

# ensure NAME...: names are programs, or `postgres`, `rabbitmq` and `sshd` for the servers, which are not on the PATH, or `venv`
# for what Python makes its environments with.
ensure() {
  local name packages=() missing=()
  for name in "$@"; do
    if present "$name"; then continue; fi
    missing+=("$name")
    packages+=("$(package "$name")")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [[ " ${packages[*]} " == *" - "* ]] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die "missing here: ${missing[*]}. Install these and start again (on Debian as root it is done for you)."
  fi
  install_packages "${packages[@]}"
  for name in "${missing[@]}"; do
    present "$name" || die "installed ${packages[*]}, and still there is no $name"
  done
}

present() {
  case $1 in
    postgres) [ -n "$(find /usr/lib/postgresql -mindepth 3 -maxdepth 3 -name initdb 2>/dev/null || true)" ] ;;
    rabbitmq) [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] ;;
    sshd) [ -x /usr/sbin/sshd ] ;;
    venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# The Debian package of a program; `-` where Debian's would not do.
package() {
  case $1 in
    postgres | psql) echo postgresql ;;
    rabbitmq) echo rabbitmq-server ;;
    nginx) echo nginx-light ;;
    ssh) echo openssh-client ;;
    sshd) echo openssh-server ;;
    gpg) echo "gpg gpg-agent" ;;
    cc) echo "gcc libc6-dev" ;;
    venv) echo python3-venv ;;
    c++) echo g++ ;;
    promtool) echo prometheus ;;
    cargo) echo - ;;
    *) echo "$1" ;;
  esac
}

# Debian starts a server when it installs it. Ours run privately, so the system's stay stopped: a policy-rc.d that says no,
# for as long as the installation lasts, unless the machine has one of its own.
install_packages() {
  local policy=/usr/sbin/policy-rc.d mark='# written by the scripts of writ while they install packages' rc=0
  say "installing $*"
  if [ ! -e $policy ] || grep -qF "$mark" $policy; then
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >$policy
    chmod 755 $policy
  fi
  # shellcheck disable=SC2068,SC2086 # one name may stand for two packages
  { apt_get install $@ || { apt_get update && apt_get install $@; }; } || rc=$?
  if grep -qF "$mark" $policy; then rm -f $policy; fi
  [ $rc = 0 ] || die "apt-get could not install $*"
}

apt_get() {
  local log
  log=$(mktemp)
  if DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends "$@" </dev/null >"$log" 2>&1; then
    rm -f "$log"
  else
    tail -n 5 "$log" >&2
    rm -f "$log"
    return 1
  fi
}
