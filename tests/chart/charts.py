"""How the tests render the chart: Helm 3's program, Helm 4's SDK, and the cases that are rendered."""

import json
import os
import pathlib
import subprocess

import yaml

TOP = pathlib.Path(__file__).resolve().parents[2]
CHART = TOP / "deploy/helm/writ"
RECIPES = TOP / "deploy/recipes"
HELM = os.environ["HELM"]
SERVICES = {
    "agentGateway": "agent-gateway",
    "investigationApi": "investigation-api",
    "loaderManifest": "loader-manifest",
    "manualInteraction": "manual-interaction",
    "scheduler": "scheduler",
}
VERSIONS = ["1.29", "1.31", "1.34", "1.37"]
# Each case is recipes over one another. The chart has no useful defaults without a database: `defaults` gives only these.
CASES = {
    "defaults": ["plain"],
    "demo": ["demo"],
    "ha": ["plain", "ha"],
    "openshift": ["plain", "openshift"],
    "all-on": ["plain", "all-on"],
}


def values(case):
    """Gives the files of a case."""
    return [RECIPES / f"values-{name}.yaml" for name in CASES[case]]


def merged(case):
    """Gives the values of a case as one map."""
    result = {}
    for file in values(case):
        overlay(result, yaml.safe_load(file.read_text()))
    return result


def overlay(below, above):
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            overlay(below[key], value)
        else:
            below[key] = value


def helm(*words, check=True, env=None):
    """Runs Helm 3."""
    ran = subprocess.run([HELM, *map(str, words)], capture_output=True, text=True, timeout=300, env={**os.environ, **(env or {})})
    if check and ran.returncode != 0:
        raise AssertionError(f"helm {' '.join(map(str, words))}\n{ran.stdout}{ran.stderr}")
    return ran


def render(case, version="1.34", *more):
    """Gives the objects that Helm 3 makes of a case."""
    files = [word for file in values(case) for word in ("--values", file)]
    text = helm("template", "writ", CHART, "--namespace", "soc", "--kube-version", version, *files, *more).stdout
    return [obj for obj in yaml.safe_load_all(text) if obj]


def refused(*sets):
    """Gives what Helm 3 says against values, laid over those of `defaults`."""
    files = [word for file in values("defaults") for word in ("--values", file)]
    words = [word for one in sets for word in ("--set", one)]
    ran = helm("template", "writ", CHART, "--kube-version", "1.34", *files, *words, check=False)
    return ran.stderr if ran.returncode else None


def helm4():
    """Gives Helm 4's SDK, or why it cannot be had."""
    try:
        import helm_python
    except Exception as error:  # the library is loaded on import and may not fit the machine
        return None, f"Helm 4's SDK cannot be loaded: {error}"
    return helm_python, None


def key(obj):
    return obj["apiVersion"], obj["kind"], obj["metadata"]["name"]


def pods(objects):
    """Gives name and pod template of everything that runs."""
    for obj in objects:
        if obj["kind"] == "Pod":
            yield f"Pod/{obj['metadata']['name']}", obj
        elif "template" in obj.get("spec", {}):
            yield f"{obj['kind']}/{obj['metadata']['name']}", obj["spec"]["template"]


def containers(pod):
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


def show(obj):
    return json.dumps(obj, indent=1, sort_keys=True)
