# shellcheck shell=bash
# A reference agent in a running house, worked with through `writ` and the first administrator's key.
# Needs DIR (the house, its env.sh read) and PROGRAMS; works in DIR/demo.

writ() { "$PROGRAMS/writ" --config-dir "$DIR/demo/writ" "$@" </dev/null; }

# writ_key: the administrator's key signs for writ, and agents take its orders.
writ_key() {
  mkdir -p "$DIR/demo/keys"
  writ key import --gpg "$WRIT_ADMIN_FINGERPRINT" --gpg-home "$WRIT_ADMIN_GNUPGHOME" >/dev/null
  writ key show --public >"$DIR/demo/keys/admin.asc"
}

# agent_enrol NAME [OPTION...]: starts an agent and lets it in; options as of `writ enrol approve`.
agent_enrol() {
  start_as self agent "$DIR" "$DIR/log/agent.log" "$PROGRAMS/writ-agent" run --enrol --server "$WRIT_URL" \
    --state "$DIR/demo/agent" --keys "$DIR/demo/keys"
  within 30 "the agent shows its code" agent_code
  say "the agent shows the code $CODE"
  writ enrol approve "$CODE" --name "$@"
}

agent_code() { CODE=$(sed -n 's/^and enter the code: *//p' "$DIR/log/agent.log" | tail -n 1) && [ -n "$CODE" ]; }

# target_reaches COUNT TARGET: does the target reach so many agents now?
target_reaches() {
  local answer
  answer=$(python3 -c 'import json, sys; print(json.dumps({"target": sys.argv[1]}))' "$2" |
    curl --silent --fail --max-time 10 --data @- --header 'content-type: application/json' \
      --config <(echo "header = \"authorization: Bearer $WRIT_ADMIN_APIKEY\"") "$WRIT_URL/v1/actions/preview") || return 1
  [ "$(python3 -c 'import json, sys; print(json.load(sys.stdin)["count"])' <<<"$answer")" = "$1" ]
}

# within SECONDS WHAT COMMAND...: tries until the command succeeds.
within() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    if [ "$SECONDS" -ge "$end" ]; then say "waited in vain: $what"; return 1; fi
    sleep 0.1
  done
}
