# shellcheck shell=bash
# A certificate authority for tests, with a server's and a client's certificate (ECDSA P-256, 2 days).

# make_tls DIR: writes DIR/tls/{ca,server,client}.{key,crt} and PKCS#8 forms of the keys.
make_tls() {
  local dir=$1/tls who name names usage
  mkdir -p "$dir"
  (
    cd "$dir" || exit
    openssl ecparam -name prime256v1 -genkey -noout -out ca.key
    openssl req -x509 -new -key ca.key -days 2 -subj "/CN=private-services CA" -out ca.crt \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
    for who in server client; do
      name=localhost names="DNS:localhost,DNS:database.writ.test,DNS:broker.writ.test,IP:127.0.0.1" usage=serverAuth
      if [ $who = client ]; then name=app names="DNS:app" usage=clientAuth; fi
      openssl ecparam -name prime256v1 -genkey -noout -out $who.key
      openssl req -new -key $who.key -subj "/CN=$name" -out $who.csr
      openssl x509 -req -in $who.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out $who.crt \
        -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=%s\nbasicConstraints=CA:FALSE\n' "$names" "$usage")
      openssl pkcs8 -topk8 -nocrypt -in $who.key -out $who.p8
    done
  ) >/dev/null 2>"$dir/openssl.log"
  chmod 600 "$dir"/*.key "$dir"/*.p8
  chmod 711 "$dir"
  chmod 644 "$dir"/*.crt
}
