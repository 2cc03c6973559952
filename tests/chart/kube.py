"""A Kubernetes API in memory: enough for Helm to install, test, upgrade, roll back and uninstall.

Every object that is written is checked, strictly, against the schemas of a Kubernetes version (package kubernetes-validate) and for
its scope; what is none of Kubernetes' own only for its form. Workloads become ready at once. There is no admission, no defaulting
(but a Service's address and one replica), no RBAC and nothing runs.
"""

import copy
import json
import re
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlparse

import kubernetes_validate
import yaml

RESOURCES = {  # group and version: (plural, kind, whether it lives in a namespace)
    "v1": [
        ("namespaces", "Namespace", False), ("secrets", "Secret", True), ("configmaps", "ConfigMap", True),
        ("services", "Service", True), ("pods", "Pod", True), ("serviceaccounts", "ServiceAccount", True),
        ("persistentvolumeclaims", "PersistentVolumeClaim", True), ("events", "Event", True),
    ],
    "apps/v1": [("deployments", "Deployment", True), ("statefulsets", "StatefulSet", True), ("replicasets", "ReplicaSet", True)],
    "batch/v1": [("jobs", "Job", True)],
    "policy/v1": [("poddisruptionbudgets", "PodDisruptionBudget", True)],
    "autoscaling/v2": [("horizontalpodautoscalers", "HorizontalPodAutoscaler", True)],
    "networking.k8s.io/v1": [("networkpolicies", "NetworkPolicy", True), ("ingresses", "Ingress", True)],
    "monitoring.coreos.com/v1": [("servicemonitors", "ServiceMonitor", True), ("prometheusrules", "PrometheusRule", True)],
    "keda.sh/v1alpha1": [("scaledobjects", "ScaledObject", True), ("triggerauthentications", "TriggerAuthentication", True)],
    "gateway.networking.k8s.io/v1": [("httproutes", "HTTPRoute", True)],
}
FOREIGN = {"monitoring.coreos.com/v1", "keda.sh/v1alpha1", "gateway.networking.k8s.io/v1"}
SERVER_FIELDS = {"resourceVersion", "uid", "creationTimestamp", "generation", "managedFields", "selfLink"}
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def check(obj, version):
    """Tells what is wrong with an object, or nothing."""
    if obj["apiVersion"] in FOREIGN:
        return None if {"metadata", "spec"} <= set(obj) else "metadata or spec is missing"
    try:
        kubernetes_validate.validate(obj, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message[:300]}"
    return None


def settle(obj):
    """Gives the object the status that it would come to."""
    kind, now = obj["kind"], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if kind in ("Deployment", "StatefulSet", "ReplicaSet"):
        count = obj["spec"].setdefault("replicas", 1)
        obj["status"] = {
            "observedGeneration": obj["metadata"].get("generation", 1), "replicas": count, "updatedReplicas": count, "currentReplicas": count,
            "readyReplicas": count, "availableReplicas": count, "currentRevision": "r", "updateRevision": "r",
            "conditions": [
                {"type": "Available", "status": "True"},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
            ],
        }
    elif kind == "Job":
        complete = {"type": "Complete", "status": "True", "lastTransitionTime": now}
        obj["status"] = {"succeeded": 1, "startTime": now, "completionTime": now, "conditions": [complete]}
    elif kind == "Pod":
        phase = "Succeeded" if obj["spec"].get("restartPolicy") == "Never" else "Running"
        obj["status"] = {"phase": phase, "conditions": [{"type": "Ready", "status": "True"}]}
    elif kind == "Service":
        obj["spec"].setdefault("clusterIP", "10.96.0.10")
        if obj["spec"].get("type") == "LoadBalancer":
            obj["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    elif kind == "PersistentVolumeClaim":
        obj["status"] = {"phase": "Bound"}
    elif kind == "Namespace":
        obj["status"] = {"phase": "Active"}


# By which field the elements of a list are told apart in a strategic merge patch; other lists are replaced as a whole.
MERGE_KEYS = {
    "containers": "name", "initContainers": "name", "env": "name", "volumes": "name", "imagePullSecrets": "name",
    "volumeMounts": "mountPath", "topologySpreadConstraints": "topologyKey",
}


def merge(old, patch, strategic=False, field=None):
    """Applies a JSON merge patch, or a strategic one."""
    if strategic and isinstance(old, list) and isinstance(patch, list):
        return merge_lists(old, patch, ports_key(field, old + patch))
    if not (isinstance(old, dict) and isinstance(patch, dict)):
        return patch
    if strategic and patch.get("$patch") == "replace":
        return {k: v for k, v in patch.items() if k != "$patch"}
    kept = patch.get("$retainKeys") if strategic else None
    merged = {k: v for k, v in old.items() if kept is None or k in kept}
    for key, value in patch.items():
        if strategic and key.startswith("$"):
            continue
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value, strategic, key)
    for key, order in patch.items():
        if strategic and key.startswith("$setElementOrder/"):
            reorder(merged, key.split("/")[1], order)
    return merged


def ports_key(field, elements):
    """Gives the merge key of a list: that of ports is another in containers than in Services."""
    if field != "ports":
        return MERGE_KEYS.get(field)
    return "containerPort" if any("containerPort" in element for element in elements) else "port"


def merge_lists(old, patch, key):
    if key is None:
        return patch
    elements = {element[key]: element for element in old}
    for change in patch:
        name = change[key]
        if change.get("$patch") == "delete":
            elements.pop(name, None)
        else:
            elements[name] = merge(elements.get(name, {}), change, True)
    return list(elements.values())


def reorder(merged, field, order):
    names = {key for element in order if isinstance(element, dict) for key in element}
    if field in merged and len(names) == 1:
        [key] = names
        places = [element[key] for element in order]
        merged[field].sort(key=lambda element: places.index(element[key]) if element[key] in places else len(places))


class Refused(Exception):
    """Is an answer that is no success."""

    def __init__(self, code, reason, message):
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


class Cluster:
    """Holds the objects and serves them; `with Cluster(version, folder) as cluster`, then cluster.kubeconfig."""

    def __init__(self, version, folder):
        self.version, self.folder = version, folder
        self.objects, self.events, self.refusals = {}, [], []
        self.revision = 100
        self.changed = threading.Condition(threading.RLock())

    def __enter__(self):
        cluster = self

        class Bound(Handler):
            pass

        Bound.cluster = cluster
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.objects[("v1", "namespaces", None, "default")] = {
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "resourceVersion": "1"}}
        self.kubeconfig = self.folder / f"kubeconfig-{self.server.server_port}"
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{self.server.server_port}"}}],
            "users": [{"name": "me", "user": {"token": "t"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        }))
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def kinds(self):
        """Lists kind/name of what Helm made, without Helm's own records and what only stands behind other objects."""
        skip = ("Namespace", "ReplicaSet", "Event")
        return sorted(
            f"{obj['kind']}/{obj['metadata']['name']}" for obj in self.objects.values()
            if obj["kind"] not in skip and obj.get("type") != "helm.sh/release.v1")

    def get(self, kind, name):
        """Gives an object."""
        return next(o for o in self.objects.values() if (o["kind"], o["metadata"]["name"]) == (kind, name))

    def note(self, group, plural, namespace, event, obj):
        self.events.append((self.revision, group, plural, namespace, event, obj))
        self.changed.notify_all()

    def write(self, verb, place, scoped, kind, body, patch, dry):
        """Creates or changes an object."""
        group, namespace, plural, name, _ = place
        metadata = body.setdefault("metadata", {})
        if verb == "POST":
            name = metadata.get("name") or metadata.get("generateName", "x") + uuid.uuid4().hex[:5]
        key = (group, plural, namespace, name)
        old = self.objects.get(key)
        applied = "apply-patch" in patch
        if verb == "POST" and old:
            raise Refused(409, "AlreadyExists", f'{plural} "{name}" already exists')
        if not old and (verb == "PUT" or verb == "PATCH" and not applied):
            raise Refused(404, "NotFound", f'{plural} "{name}" not found')
        if verb == "PATCH" and old:
            base = {k: old[k] for k in ("metadata", "status") if k in old} if applied else old
            body = merge(copy.deepcopy(base), body, "strategic" in patch)
        obj = copy.deepcopy(body)
        obj.setdefault("apiVersion", group)
        obj.setdefault("kind", kind)
        if bool(namespace) != scoped:
            raise Refused(400, "BadRequest", f"{kind} {name}: a namespace is {'missing' if scoped else 'too much'}")
        written = {k: v for k, v in obj.items() if k != "status"}
        written["metadata"] = {k: v for k, v in obj["metadata"].items() if k not in SERVER_FIELDS}
        wrong = check(written, self.version)
        if wrong:
            raise Refused(422, "Invalid", f"{kind} {name}: {wrong}")
        if old and kind in ("Deployment", "StatefulSet") and old["spec"]["selector"] != obj["spec"]["selector"]:
            raise Refused(422, "Invalid", f"{kind} {name}: spec.selector: field is immutable")
        if old and kind == "Job" and old["spec"]["template"] != obj["spec"]["template"]:
            raise Refused(422, "Invalid", f"{kind} {name}: spec.template: field is immutable")
        if len(json.dumps(obj)) > 1_500_000:
            raise Refused(413, "RequestEntityTooLarge", "more than etcd takes")
        if dry:
            return obj
        self.revision += 1
        metadata = obj["metadata"]
        metadata.update(name=name, resourceVersion=str(self.revision))
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        metadata["generation"] = old["metadata"].get("generation", 1) + 1 if old else 1
        if namespace:
            metadata["namespace"] = namespace
        settle(obj)
        self.objects[key] = obj
        if kind == "Deployment":
            self.replica_set(obj, group, namespace)
        self.note(group, plural, namespace, "MODIFIED" if old else "ADDED", obj)
        return obj

    def replica_set(self, deployment, group, namespace):
        """Makes what Helm 3 looks for behind a Deployment."""
        metadata, spec = deployment["metadata"], deployment["spec"]
        owner = {"apiVersion": group, "kind": "Deployment", "name": metadata["name"], "uid": metadata["uid"], "controller": True}
        made = {
            "apiVersion": group, "kind": "ReplicaSet",
            "metadata": {
                "name": metadata["name"] + "-1", "namespace": namespace, "uid": str(uuid.uuid4()),
                "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
                "labels": spec["template"]["metadata"].get("labels", {}), "ownerReferences": [owner]},
            "spec": {"replicas": spec.get("replicas", 1), "selector": spec["selector"], "template": spec["template"]}}
        settle(made)
        self.objects[(group, "replicasets", namespace, made["metadata"]["name"])] = made

    def delete(self, place):
        group, namespace, plural, name, _ = place
        obj = self.objects.pop((group, plural, namespace, name), None)
        if obj is None:
            raise Refused(404, "NotFound", f'{plural} "{name}" not found')
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        self.note(group, plural, namespace, "DELETED", obj)

    def list(self, place, query):
        """Lists objects by the selectors that Helm uses."""
        group, namespace, plural, _, _ = place
        found = [o for (g, p, n, _), o in self.objects.items() if (g, p) == (group, plural) and namespace in (None, n)]
        for term in filter(None, query.get("fieldSelector", "").split(",")):
            field, value = re.split("==?", term, maxsplit=1)
            if field == "metadata.name":
                found = [o for o in found if o["metadata"]["name"] == value]
        for term in filter(None, query.get("labelSelector", "").split(",")):
            negated = "!=" in term
            label, value = re.split("!=|==?", term, maxsplit=1)
            found = [o for o in found if (o["metadata"].get("labels", {}).get(label) == value) != negated]
        return found


class Handler(BaseHTTPRequestHandler):
    """Speaks the API's HTTP."""

    protocol_version = "HTTP/1.1"
    cluster = None

    def log_message(self, *_):
        pass

    def handle_any(self):
        try:
            self.answer()
        except Refused as refused:
            if refused.code != 404:
                self.cluster.refusals.append(refused.message)
            self.send(refused.code, {
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": refused.code, "reason": refused.reason,
                "message": refused.message, "metadata": {}})
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def answer(self):
        url = urlparse(self.path)
        path, query = url.path.rstrip("/"), {k: v[0] for k, v in parse_qs(url.query).items()}
        body = self.body()
        fixed = self.discovery(path)
        if fixed is not None:
            return self.send(200, fixed)
        if path == "/openapi/v2":  # an empty document: no schema is known, so clients leave the checks to us
            return self.raw("application/com.github.proto-openapi.spec.v2.v1.0+protobuf", b"")
        place = self.place(path)
        if not place or place[0] not in RESOURCES:
            raise Refused(404, "NotFound", path)
        group, _, plural, name, sub = place
        if plural is None:
            return self.send(200, self.resources(group))
        entry = next((e for e in RESOURCES[group] if e[0] == plural), None)
        if not entry:
            raise Refused(404, "NotFound", path)
        if sub == "log":
            return self.raw("text/plain", b"the log\n")
        cluster = self.cluster
        with cluster.changed:
            if self.command == "GET" and name:
                key = (group, plural, place[1], name)
                if key not in cluster.objects:
                    raise Refused(404, "NotFound", f'{plural} "{name}" not found')
                return self.send(200, cluster.objects[key])
            if self.command == "GET":
                found = cluster.list(place, query)
                if query.get("watch") in ("1", "true"):
                    return self.watch(place, entry[1], found, query)
                return self.send(200, {
                    "kind": entry[1] + "List", "apiVersion": group, "metadata": {"resourceVersion": str(cluster.revision)},
                    "items": found})
            if self.command == "DELETE":
                cluster.delete(place)
                return self.send(200, {"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}})
            kind = self.headers.get("Content-Type", "")
            if "protobuf" in kind:
                raise Refused(415, "UnsupportedMediaType", "only JSON is understood")
            obj = cluster.write(self.command, place, entry[2], entry[1], body, kind, "dryRun" in query)
            return self.send(201 if self.command == "POST" else 200, obj)

    def place(self, path):
        """Takes a path apart: group, namespace, plural, name, subresource."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[0] == "api" and len(parts) > 1:
            group, rest = parts[1], parts[2:]
        elif parts[0] == "apis" and len(parts) > 2:
            group, rest = f"{parts[1]}/{parts[2]}", parts[3:]
        else:
            return None
        namespace = None
        if len(rest) >= 3 and rest[0] == "namespaces":
            namespace, rest = rest[1], rest[2:]
        return (group, namespace, *(rest + [None] * 3)[:3])

    def discovery(self, path):
        minor = self.cluster.version.split(".")[1]
        if path == "/version":
            return {"major": "1", "minor": minor, "gitVersion": f"v1.{minor}.0", "platform": "linux/amd64"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = {}
            for name in RESOURCES:
                if "/" in name:
                    group, version = name.split("/")
                    groups.setdefault(group, []).append({"groupVersion": name, "version": version})
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": group, "versions": versions, "preferredVersion": versions[0]} for group, versions in groups.items()]}
        roots = {("api/" if name == "v1" else "apis/") + name: name for name in RESOURCES}
        if path == "/openapi/v3":
            return {"paths": {root: {"serverRelativeURL": "/openapi/v3/" + root} for root in roots}}
        if path.startswith("/openapi/v3/") and path[12:] in roots:
            return self.openapi(path[12:], roots[path[12:]])
        return None

    def openapi(self, root, name):
        """Says that fields are checked here, and describes none."""
        group, _, version = name.rpartition("/")
        parameters = [{"name": n, "in": "query", "schema": {"type": "string"}} for n in ("fieldValidation", "dryRun")]
        paths = {}
        for plural, kind, scoped in RESOURCES[name]:
            where = f"/{root}/{'namespaces/{namespace}/' if scoped else ''}{plural}/{{name}}"
            paths[where] = {"patch": {
                "parameters": parameters, "responses": {}, "x-kubernetes-action": "patch",
                "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind}}}
        return {"openapi": "3.0.0", "info": {"title": "k", "version": "v"}, "components": {"schemas": {}}, "paths": paths}

    def resources(self, group):
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": [
            {"name": plural, "singularName": kind.lower(), "namespaced": scoped, "kind": kind, "verbs": VERBS}
            for plural, kind, scoped in RESOURCES[group]]}

    def body(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not data or "protobuf" in self.headers.get("Content-Type", ""):
            return {}
        return yaml.safe_load(data)

    def raw(self, kind, data):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def send(self, code, obj):
        data = json.dumps(obj).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def watch(self, place, kind, found, query):
        """Sends what changes; the condition is held but while waiting."""
        group, namespace, plural, _, _ = place
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True

        def event(name, obj):
            line = (json.dumps({"type": name, "object": obj}) + "\n").encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()

        cluster, seen = self.cluster, int(query.get("resourceVersion") or 0)
        end = time.monotonic() + min(float(query.get("timeoutSeconds") or 30), 30)
        names = {term.split("=")[-1] for term in query.get("fieldSelector", "").split(",") if term.startswith("metadata.name")}
        initial = query.get("sendInitialEvents") == "true"
        if initial or seen == 0:
            for obj in found:
                event("ADDED", obj)
            seen = cluster.revision
        if initial:
            event("BOOKMARK", {"kind": kind, "apiVersion": group, "metadata": {
                "resourceVersion": str(seen), "annotations": {"k8s.io/initial-events-end": "true"}}})
        while time.monotonic() < end:
            for revision, g, p, n, name, obj in [e for e in cluster.events if e[0] > seen]:
                seen = revision
                if (g, p) == (group, plural) and namespace in (None, n) and (not names or obj["metadata"]["name"] in names):
                    event(name, obj)
            cluster.changed.wait(0.5)
        self.wfile.write(b"0\r\n\r\n")
