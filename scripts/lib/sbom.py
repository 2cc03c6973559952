"""Prints the software bill of materials of a program: CycloneDX 1.5 of what cargo links into it.

sbom.py PACKAGE VERSION TIMESTAMP   `cargo metadata --format-version 1 --filter-platform …` on standard input
"""

import datetime
import json
import sys
import uuid


def main():
    root_name, version, timestamp = sys.argv[1:]
    metadata = json.load(sys.stdin)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = next(package["id"] for package in packages.values() if package["name"] == root_name and not package["source"])
    linked, todo, edges = {root}, [root], {}
    while todo:
        current = todo.pop()
        # what only builds or tests is not in the program
        edges[current] = sorted(
            dep["pkg"] for dep in nodes[current]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"]))
        for dep in edges[current]:
            if dep not in linked:
                linked.add(dep)
                todo.append(dep)
    made = datetime.datetime.fromtimestamp(int(timestamp), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    names = {id: purl(package) for id, package in packages.items()}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, ' '.join(sorted(names[id] for id in linked)))}",
        "version": 1,
        "metadata": {"timestamp": made, "component": {"type": "application", "name": "writ", "version": version, "bom-ref": names[root]}},
        "components": [component(packages[id], names[id]) for id in sorted(linked - {root}, key=names.get)],
        "dependencies": [
            {"ref": names[id], "dependsOn": sorted(names[dep] for dep in edges[id])} for id in sorted(linked, key=names.get)],
    }
    json.dump(document, sys.stdout, indent=1, ensure_ascii=False)
    print()


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, name):
    found = {"type": "library", "bom-ref": name, "name": package["name"], "version": package["version"], "purl": name}
    if package.get("license"):
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    return found


main()
