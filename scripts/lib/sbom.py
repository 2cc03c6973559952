"""Prints the software bill of materials of a program: CycloneDX 1.5 of what cargo links into it. Macros and what they are made of, which
run within the compiler, are there with the scope `excluded`.

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
    # what only builds or tests is not in the program
    edges = {
        id: sorted(dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"]))
        for id, node in nodes.items()}
    used = reached(root, edges)
    linked = reached(root, {id: [dep for dep in deps if not is_macro(packages[dep])] for id, deps in edges.items()})
    made = datetime.datetime.fromtimestamp(int(timestamp), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    names = {id: purl(package) for id, package in packages.items()}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, ' '.join(sorted(names[id] for id in used)))}",
        "version": 1,
        "metadata": {"timestamp": made, "component": {"type": "application", "name": "writ", "version": version, "bom-ref": names[root]}},
        "components": [component(packages[id], names[id], id in linked) for id in sorted(used - {root}, key=names.get)],
        "dependencies": [
            {"ref": names[id], "dependsOn": sorted(names[dep] for dep in edges[id])} for id in sorted(used, key=names.get)],
    }
    json.dump(document, sys.stdout, indent=1, ensure_ascii=False)
    print()


def reached(root, edges):
    found, todo = {root}, [root]
    while todo:
        for dep in edges[todo.pop()]:
            if dep not in found:
                found.add(dep)
                todo.append(dep)
    return found


def is_macro(package):
    return any("proc-macro" in target["kind"] for target in package["targets"])


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, name, linked):
    found = {"type": "library", "bom-ref": name, "name": package["name"], "version": package["version"], "purl": name,
             "scope": "required" if linked else "excluded"}
    if package.get("license"):
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    return found


main()
