# shellcheck shell=bash
# The first administrator of a house: a throw-away OpenPGP key without passphrase, and an API key.

# administrator_given DIR: tells whether somebody else's databases have an administrator already, whose API key the environment
# tells (and its OpenPGP key, if it is to be in env.sh).
administrator_given() {
  [ -n "${WRIT_ADMIN_APIKEY:-}" ] && [ ! -s "$1/admin.apikey" ] && [[ " ${PRIVATE_DATABASES[*]:-} " != *" investigation-api "* ]]
}

# administrator_key DIR: makes the key in DIR/gnupg unless it is there; sets WRIT_ADMIN_GNUPGHOME and WRIT_ADMIN_FINGERPRINT.
# RSA, because the agents of MIG verify nothing else.
administrator_key() {
  if administrator_given "$1"; then return 0; fi
  (umask 077; socket_dir "$1" gnupg)
  WRIT_ADMIN_GNUPGHOME=$(cd "$1/gnupg" && pwd -P)
  administrator_fingerprint
  if [ -z "$WRIT_ADMIN_FINGERPRINT" ]; then
    gpg --homedir "$WRIT_ADMIN_GNUPGHOME" --batch --quiet --passphrase '' \
      --quick-generate-key 'Writ administrator <admin@writ.invalid>' rsa3072 sign never </dev/null >&2 ||
      die "gpg could not make the administrator's key"
    administrator_fingerprint
  fi
}

administrator_fingerprint() {
  WRIT_ADMIN_FINGERPRINT=$(gpg --homedir "$WRIT_ADMIN_GNUPGHOME" --batch --quiet --with-colons --list-secret-keys 2>/dev/null |
    awk -F: '$1 == "fpr" { print $10; exit }')
}

# administrator_bootstrap DIR: makes the first administrator unless DIR has its API key or one was given; sets
# WRIT_ADMIN_APIKEY.
administrator_bootstrap() {
  local dir=$1
  if administrator_given "$dir"; then return 0; fi
  if [ ! -s "$dir/admin.apikey" ]; then
    gpg --homedir "$WRIT_ADMIN_GNUPGHOME" --batch --quiet --armor --export "$WRIT_ADMIN_FINGERPRINT" >"$dir/admin.asc"
    (umask 077; "$dir/run/investigation-api.sh" bootstrap --name admin --public-key "$dir/admin.asc" --apikey \
      >"$dir/admin.apikey.new" </dev/null 2>>"$dir/log/bootstrap.log") || {
      tail -n 5 "$dir/log/bootstrap.log" >&2
      die "no first administrator. If the database has one already, give its API key in WRIT_ADMIN_APIKEY."
    }
    mv "$dir/admin.apikey.new" "$dir/admin.apikey"
  fi
  WRIT_ADMIN_APIKEY=$(cat "$dir/admin.apikey")
}
