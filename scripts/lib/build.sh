# shellcheck shell=bash
# The house's programs: built with cargo, found where cargo puts them (CARGO_TARGET_DIR is honoured).
# WRIT_PROFILE=dev builds unoptimised, for a quick try.

TOP=$(cd "$LIB/../.." && pwd)
PROFILE=${WRIT_PROFILE:-release}

# The directory of the built programs.
programs() {
  local target
  target=$(cd "$TOP" && cargo metadata --format-version 1 --no-deps --locked |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
  echo "$target/$([ "$PROFILE" = dev ] && echo debug || echo "$PROFILE")"
}

# build DIR PROGRAM...: builds these and no others, as a process of the house in DIR.
build() {
  local dir=$1 name names=() began
  began=$(now)
  shift
  for name in "$@"; do names+=(--bin "$name"); done
  say "building $* ($PROFILE; minutes the first time)"
  attend "$dir" build cargo build --manifest-path "$TOP/Cargo.toml" --locked --profile "$PROFILE" "${names[@]}" >&2 ||
    die "the build failed"
  say "built in $(since "$began")"
}
