"""Turns the Deployments that the chart rendered into the words of `podman run`.

pods.py RENDERED SECRETS OUT: SECRETS/<secret>/<key> are the Secrets' keys. Writes OUT/<service>.{migrate,run,probes}, a word a line,
and the projected files. All pods are on the host's network; names ending in .writ.test lead to loopback.
"""

import os
import pathlib
import sys

import yaml


def main():
    rendered, secrets, out = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True)
    for obj in yaml.safe_load_all(rendered.read_text()):
        if obj and obj["kind"] == "Deployment":
            pod = obj["spec"]["template"]["spec"]
            [container], [migrate] = pod["containers"], pod["initContainers"]
            name = container["name"]
            mounts = volumes(pod, secrets, out / name)
            write(out / f"{name}.run", words(pod, container, mounts))
            write(out / f"{name}.migrate", words(pod, migrate, mounts))
            write(out / f"{name}.probes", probes(container))


def volumes(pod, secrets, files):
    """Gives podman's words for each volume of the pod, by its name."""
    context, found = pod["securityContext"], {}
    for volume in pod["volumes"]:
        folder = files.with_name(f"{files.name}.{volume['name']}")
        if "emptyDir" in volume:
            found[volume["name"]] = lambda path: ["--tmpfs", f"{path}:rw,size=64m,mode=1777"]
            continue
        group, mode = context["fsGroup"], volume["projected"]["defaultMode"]
        for source in volume["projected"]["sources"]:
            for item in source["secret"]["items"]:
                file = folder / item["path"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes((secrets / source["secret"]["name"] / item["key"]).read_bytes())
                os.chown(file, 0, group)
                file.chmod(mode)
        for place in [folder, *(p for p in folder.rglob("*") if p.is_dir())]:
            place.chmod(0o755)
        found[volume["name"]] = lambda path, folder=folder: ["--volume", f"{folder}:{path}:ro"]
    return found


def words(pod, container, mounts):
    context, own = pod["securityContext"], container["securityContext"]
    said = ["--network", "host", "--pull", "never"]
    said += [f"--add-host={name}.writ.test:127.0.0.1" for name in ("database", "broker")]
    said += ["--user", f"{context['runAsUser']}:{context['runAsGroup']}", "--group-add", str(context["fsGroup"])]
    if own["readOnlyRootFilesystem"]:
        said += ["--read-only", "--read-only-tmpfs=false"]
    if not own["allowPrivilegeEscalation"]:
        said += ["--security-opt", "no-new-privileges"]
    said += [f"--cap-drop={name}" for name in own["capabilities"]["drop"]]
    for variable in container["env"]:
        said += ["--env", f"{variable['name']}={variable['value']}"]
    for mount in container["volumeMounts"]:
        said += mounts[mount["name"]](mount["mountPath"])
    return [*said, container["image"], *container["args"]]


def probes(container):
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    return [f"http://127.0.0.1:{ports[probe['port']]}{probe['path']}" for probe in asked]


def write(file, lines):
    file.write_text("\n".join(lines) + "\n")


main()
