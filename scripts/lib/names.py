"""Checks that what documents name exists: commands of `writ`, routes, metrics, settings, files. Prints what does not; ends with 1 then.

The code is read, not run: sub-commands from the definitions for clap, settings from the structs of flags, metrics from
their names, routes from proto-docs/openapi.
"""

import json
import pathlib
import re
import subprocess
import sys

SERVICES = ["agent-gateway", "investigation-api", "loader-manifest", "manual-interaction", "scheduler"]
# Variables of SDKs and of other programs, and beginnings of names.
OTHERS = re.compile(r"OTEL_|WRIT_<|.*_$")


def files(*patterns):
    listed = subprocess.run(["git", "ls-files", "--", *patterns], check=True, capture_output=True, text=True).stdout
    return [path for path in listed.splitlines() if pathlib.Path(path).is_file()]


def read(path):
    return pathlib.Path(path).read_text(encoding="utf-8")


def kebab(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def commands():
    """Gives the words that may follow `writ`: a map from word to such a map, or to nothing."""
    source = "".join(read(path) for path in files("crates/cli/src/cli/*.rs"))
    enums = {}
    for name, body in re.findall(r"^pub enum (\w+) \{\n(.*?)^\}", source, re.S | re.M):
        enums[name] = re.findall(r"((?:^    #\[.*\]\n)*)^    ([A-Z]\w*)(?:\((?:Box<)?(\w+)>?\))?", body, re.M)

    def words(enum):
        found = {}
        for attributes, variant, inner in enums[enum]:
            if "flatten" in attributes:
                found |= words(inner)
            else:
                found[kebab(variant)] = words(inner) if "subcommand" in attributes else {}
        return found

    return words("Command")


def routes():
    """Gives method and path of every route, without the names of parameters."""
    paths = [json.loads(read(path))["paths"].items() for path in files("proto-docs/openapi/*.json")]
    return {f"{method.upper()} {unnamed(path)}" for service in paths for path, methods in service for method in methods}


def unnamed(path):
    return re.sub(r"\{\w+\}", "{}", path)


def metrics():
    """Gives the names of metrics as Prometheus shows them, without endings for units and parts."""
    source = "".join(read(path) for path in files("crates/*.rs", "services/*.rs"))
    return {name.replace(".", "_") for name in re.findall(r'"((?:writ|mig|http|messaging|db)\.[a-z_.]+)"', source)}


def settings():
    """Gives the names of variables that something reads."""
    flags = "".join(read(path) for path in files("crates/**/*.rs", "services/**/*.rs"))
    known = set(re.findall(r'"((?:WRIT|AMQP)_[A-Z_]+)"', flags))
    common = re.findall(r"^    (?:pub )?(\w+):", read("crates/service/src/settings.rs"), re.M)
    for service in SERVICES:
        own = re.findall(r"^    pub (\w+):", read(f"services/{service}/src/config.rs"), re.M)
        known |= {f"WRIT_{service}_{flag}".upper().replace("-", "_") for flag in common + own}
    scripts = "".join(read(path) for path in files("scripts", "deploy/compose") if pathlib.Path(path).suffix in ("", ".sh", ".yaml"))
    return known | set(re.findall(r"\b((?:WRIT|AMQP)_[A-Z_]+)", scripts))


def wrong(path, text, known_commands, known_routes, known_metrics, known_settings):
    # `writ plugin add …`, in quotes or at the beginning of a line of a script
    for said in re.findall(r"`writ ([a-z][^`\n]*)`", text):
        known, words = known_commands, said.split()
        while known and words:
            if words[0].split("|")[0] not in known:
                yield f"there is no command `writ {said}`"
                break
            known = known[words.pop(0).split("|")[0]]
    for method, route in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/v1/[^\s`?…]+)", text):
        if f"{method} {unnamed(route)}" not in known_routes:
            yield f"there is no route {method} {route}"
    for name in re.findall(r"\b((?:writ|mig|http_server|messaging|db_client)_[a-z_]+)\b", text):
        bare = re.sub(r"(_(total|bucket|count|sum|seconds|ratio))+$", "", name)
        if not {name, bare} & known_metrics and not re.match(r"writ_(agent_gateway|investigation_api|loader_manifest|manual_interaction|scheduler)$", name):
            yield f"there is no metric {name}"
    for name in re.findall(r"\b((?:WRIT|AMQP)_[A-Z_]+)\b", text):
        if name not in known_settings and not OTHERS.match(name):
            yield f"nobody reads {name}"
    folder = pathlib.Path(path).parent
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        if not (folder / link).exists():
            yield f"there is no {link}"
    for name in re.findall(r"`((?:deploy|scripts|tests|crates|services|proto-docs|k8s)/[\w./-]+)[ `]", text):
        if not pathlib.Path(name).exists() and not (folder / name).exists():
            yield f"there is no {name}"


def main():
    known = commands(), routes(), metrics(), settings()
    if not all(len(part) > 20 for part in known):
        sys.exit("the code is not read any more as it is written")
    # decisions tell of what is not there, too
    paths = [path for path in files("*.md", "deploy/*.yaml", "deploy/*.txt") if not path.startswith("proto-docs/decisions/")]
    found = [f"{path}: {what}" for path in paths for what in wrong(path, read(path), *known)]
    print("\n".join(found), end="\n" if found else "")
    sys.exit(bool(found))


main()
