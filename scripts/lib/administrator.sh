# shellcheck shell=bash
# The first administrator of a house: a throw-away OpenPGP key without passphrase, and an API key.

# administrator_key DIR: makes the key in DIR/gnupg unless it is there; sets WRIT_ADMIN_GNUPGHOME and WRIT_ADMIN_FINGERPRINT.
# RSA, because the agents of MIG verify nothing else.
administrator_key() {
  WRIT_ADMIN_GNUPGHOME=$1/gnupg
  (umask 077; mkdir -p "$WRIT_ADMIN_GNUPGHOME")
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

# administrator_bootstrap DIR: makes the first administrator unless DIR has its API key; sets WRIT_ADMIN_APIKEY. A house on
# databases of its own, which has an administrator already, is told the API key in WRIT_ADMIN_APIKEY.
administrator_bootstrap() {
  local dir=$1
  if [ -n "${WRIT_ADMIN_APIKEY:-}" ] && [ ! -s "$dir/admin.apikey" ]; then return 0; fi
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
