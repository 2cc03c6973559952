"""What the chart renders, by both engines, for every case and Kubernetes version, and what it refuses."""

import itertools
import json
import re
import unittest

import yaml

import charts
from charts import CASES, SERVICES, VERSIONS, containers, pods, render
from kube import FOREIGN, check

HELM4, WHY_NOT = charts.helm4()


class Rendered(unittest.TestCase):
    """Objects of each case, rendered once."""

    @classmethod
    def setUpClass(cls):
        cls.objects = {(case, version): render(case, version) for case, version in itertools.product(CASES, VERSIONS)}

    def each(self):
        for (case, version), objects in self.objects.items():
            with self.subTest(case=case, kubernetes=version):
                yield objects

    def test_lint_finds_nothing(self):
        for case in CASES:
            files = [word for file in charts.values(case) for word in ("--values", file)]
            out = charts.helm("lint", charts.CHART, "--strict", *files).stdout
            self.assertNotIn("[WARNING]", out)

    def test_every_object_is_valid(self):
        for (case, version), objects in self.objects.items():
            self.assertGreater(len(objects), 20)
            for obj in objects:
                with self.subTest(case=case, kubernetes=version, object=charts.key(obj)):
                    self.assertIsNone(check(obj, version))

    def test_no_object_comes_twice(self):
        for objects in self.each():
            names = [charts.key(obj) for obj in objects]
            self.assertEqual(len(names), len(set(names)))
            for _, kind, name in names:
                self.assertRegex(name, r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", kind)

    def test_selectors_are_what_they_always_were(self):
        # A Deployment's selector cannot be changed: an upgrade from any earlier version would be refused.
        for objects in self.each():
            found = {o["metadata"]["name"]: o["spec"]["selector"] for o in objects if o["kind"] == "Deployment"}
            self.assertEqual(found, {f"writ-{name}": {"matchLabels": {
                "app.kubernetes.io/name": "writ", "app.kubernetes.io/instance": "writ",
                "app.kubernetes.io/component": name}} for name in SERVICES.values()})
            for obj in objects:
                if obj["kind"] == "Deployment":
                    labels = obj["spec"]["template"]["metadata"]["labels"]
                    self.assertLessEqual(obj["spec"]["selector"]["matchLabels"].items(), labels.items())

    def test_pods_are_restricted(self):
        for (case, _), objects in self.objects.items():
            for name, pod in pods(objects):
                with self.subTest(case=case, pod=name):
                    spec = pod["spec"]
                    self.assertIs(spec["automountServiceAccountToken"], False)
                    self.assertIs(spec["securityContext"]["runAsNonRoot"], True)
                    self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
                    ids = {"runAsUser", "runAsGroup", "fsGroup"} & set(spec["securityContext"])
                    self.assertEqual(bool(ids), case != "openshift")
                    for container in containers(pod):
                        context = container["securityContext"]
                        self.assertIs(context["allowPrivilegeEscalation"], False)
                        self.assertIs(context["readOnlyRootFilesystem"], True)
                        self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
                        self.assertTrue({"requests", "limits"} <= set(container["resources"]))
                        self.assertRegex(container["image"], r"[:@][^/]+$")
                        self.assertNotIn(":latest", container["image"])
                        names = [v["name"] for v in container.get("env", [])]
                        self.assertEqual(len(names), len(set(names)), "a variable comes twice")
                    kinds = {kind for volume in spec.get("volumes", []) for kind in volume if kind != "name"}
                    self.assertLessEqual(kinds, {"projected", "emptyDir", "secret", "configMap"})

    def test_openshift_is_recognised(self):
        for name, pod in pods(render("demo", "1.34", "--api-versions", "security.openshift.io/v1")):
            self.assertNotIn("runAsUser", pod["spec"]["securityContext"], name)

    def test_no_secret_is_in_plain_sight(self):
        for (case, _), objects in self.objects.items():
            for name, pod in pods(objects):
                if "demo-" in name:
                    continue
                for variable in itertools.chain(*(c.get("env", []) for c in containers(pod))):
                    with self.subTest(case=case, pod=name, variable=variable["name"]):
                        self.assertNotRegex(str(variable.get("value")), r"://[^/]*@", "a URL with a password")
                        self.assertNotIn("secretKeyRef", json.dumps(variable))
            for obj in objects:
                if obj["kind"] == "ConfigMap":
                    self.assertNotRegex(json.dumps(obj), r"(?i)password\"?[:=] ?\"?[a-z0-9]{12}")

    def test_the_broker_of_migs_agents_is_agent_gateways_alone(self):
        sets = ["mig.urlSecret.name=mig-broker", "mig.caSecret.name=mig-ca", "mig.whitelist.configMap=heard"]
        given = [word for value in sets for word in ("--set", value)]
        for name, pod in pods(render("defaults", "1.34", *given)):
            variables = {v["name"]: v.get("value") for c in containers(pod) for v in c.get("env", [])}
            sources = [source for volume in pod["spec"].get("volumes", []) for source in volume.get("projected", {}).get("sources", [])]
            names = {source.get(kind, {}).get("name") for source in sources for kind in ("secret", "configMap")}
            with self.subTest(pod=name):
                if name.endswith("/writ-agent-gateway"):
                    self.assertEqual(variables["WRIT_AGENT_GATEWAY_MIG_AMQP_URL_FILE"], "/run/secrets/writ/mig/url")
                    self.assertEqual(variables["WRIT_AGENT_GATEWAY_MIG_AMQP_CA_FILE"], "/run/secrets/writ/mig/ca.crt")
                    self.assertEqual(variables["WRIT_AGENT_GATEWAY_MIG_WHITELIST"], "/run/secrets/writ/mig/whitelist")
                    self.assertLessEqual({"mig-broker", "mig-ca", "heard"}, names)
                else:
                    self.assertFalse([v for v in variables if "MIG_AMQP" in v or "WHITELIST" in v])
                    self.assertFalse({"mig-broker", "mig-ca", "heard"} & names)

    def test_services_reach_pods_and_probes_the_admin_port(self):
        for objects in self.each():
            deployments = {o["metadata"]["name"]: o for o in objects if o["kind"] == "Deployment"}
            for name, deployment in deployments.items():
                [container] = deployment["spec"]["template"]["spec"]["containers"]
                self.assertEqual({p["name"] for p in container["ports"]}, {"http", "admin"})
                for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                    path = "/readyz" if probe == "readinessProbe" else "/livez"
                    self.assertEqual(container[probe]["httpGet"], {"path": path, "port": "admin"})
                for service in (o for o in objects if o["kind"] == "Service" and o["metadata"]["name"] in (name, f"{name}-admin")):
                    self.assertEqual(service["spec"]["selector"], deployment["spec"]["selector"]["matchLabels"])
                    self.assertIn(service["spec"]["ports"][0]["targetPort"], ("http", "admin"))

    def test_policies_cover_every_port_and_leave_dns(self):
        for (case, _), objects in self.objects.items():
            policies = {o["metadata"]["name"]: o["spec"] for o in objects if o["kind"] == "NetworkPolicy"}
            for name in SERVICES.values():
                with self.subTest(case=case, service=name):
                    policy = policies[f"writ-{name}"]
                    self.assertEqual([r["ports"][0]["port"] for r in policy["ingress"]], ["http", "admin"])
                    if "Egress" in policy["policyTypes"]:
                        ports = {(p["port"], p["protocol"]) for rule in policy["egress"] for p in rule["ports"]}
                        wanted = {(53, "UDP"), (53, "TCP"), (5432, "TCP"), (5671, "TCP"), (4318, "TCP")}
                        self.assertLessEqual(wanted, ports)
        objects = {(o["kind"], o["metadata"]["name"]): o for o in self.objects[("all-on", "1.34")]}
        mail = {"to": [{"ipBlock": {"cidr": "10.2.0.0/16"}}], "ports": [{"port": 587, "protocol": "TCP"}]}
        mig = {"to": [{"ipBlock": {"cidr": "10.3.0.7/32"}}], "ports": [{"port": 5671, "protocol": "TCP"}]}
        for name in SERVICES.values():
            egress = objects["NetworkPolicy", f"writ-{name}"]["spec"]["egress"]
            self.assertEqual(mail in egress, name == "manual-interaction", name)
            self.assertEqual(mig in egress, name == "agent-gateway", name)
            migrations = objects["NetworkPolicy", f"writ-{name}-migrate"]["spec"]["egress"]
            self.assertEqual([[p["port"] for p in rule["ports"]] for rule in migrations], [[53, 53], [5432]], name)
        for name in SERVICES.values():
            demo = next(o for o in render("demo", "1.34", "--set", "networkPolicy.egress.enabled=true")
                        if o["kind"] == "NetworkPolicy" and o["metadata"]["name"] == f"writ-{name}")
            peers = [rule["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for rule in demo["spec"]["egress"] if "to" in rule]
            self.assertEqual(peers, ["demo-postgresql", "demo-rabbitmq"], name)
        self.assertIn("Egress", next(o["spec"]["policyTypes"] for o in self.objects[("all-on", "1.34")]
                                     if o["kind"] == "NetworkPolicy"))

    def test_disruption_budgets_only_with_several_pods(self):
        budgets = lambda case: [o["spec"] for o in self.objects[(case, "1.34")] if o["kind"] == "PodDisruptionBudget"]
        self.assertEqual(budgets("demo"), [])
        self.assertEqual(len(budgets("ha")), 5)
        for budget in budgets("ha"):
            self.assertEqual(budget["maxUnavailable"], 1)
            self.assertEqual(budget["unhealthyPodEvictionPolicy"], "AlwaysAllow")

    def test_an_autoscaler_owns_the_replicas(self):
        for objects in self.each():
            scaled = {o["spec"]["scaleTargetRef"]["name"] for o in objects
                      if o["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")}
            for obj in objects:
                if obj["kind"] == "Deployment":
                    self.assertEqual("replicas" in obj["spec"], obj["metadata"]["name"] not in scaled)
        kinds = {o["kind"] for o in self.objects[("all-on", "1.34")]}
        self.assertLessEqual({"HorizontalPodAutoscaler", "ScaledObject", "TriggerAuthentication"}, kinds)

    def test_migrations_come_first_or_apart(self):
        for (case, _), objects in self.objects.items():
            jobs = [o for o in objects if o["kind"] == "Job"]
            self.assertEqual(len(jobs), 5 if case == "all-on" else 0)
            for obj in objects:
                if obj["kind"] == "Deployment":
                    first = obj["spec"]["template"]["spec"].get("initContainers", [])
                    service = obj["metadata"]["labels"]["app.kubernetes.io/component"]
                    self.assertEqual([c["args"] for c in first], [] if jobs else [[service, "migrate"]])

    def test_the_owners_of_the_databases_only_migrate(self):
        for case, more in (("all-on", []), ("defaults", ["--set", "migrations.existingSecret=writ-database-owners"])):
            seen = 0
            for name, pod in pods(render(case, "1.34", *more)):
                if "demo-" in name or name.startswith("Pod/"):
                    continue
                for container in containers(pod):
                    mounts = {m["mountPath"] for m in container["volumeMounts"]}
                    users = [v["value"] for v in container["env"] if v["name"].endswith("_DATABASE_USER_FILE")]
                    migrates = container["args"][-1] == "migrate"
                    seen += migrates
                    self.assertEqual("/run/secrets/migrations" in mounts, migrates, name)
                    folder = "/run/secrets/migrations" if migrates else "/run/secrets/writ/database"
                    self.assertEqual(users, [f"{folder}/username"], name)
            self.assertEqual(seen, 5, case)

    def test_monitoring_goes_by_the_cluster_when_it_is_told_to(self):
        auto = ["--set", "monitoring.serviceMonitor.enabled=auto,monitoring.prometheusRule.enabled=auto"]
        kinds = lambda *more: {o["kind"] for o in render("defaults", "1.34", *auto, *more)} & {"ServiceMonitor", "PrometheusRule"}
        self.assertEqual(kinds(), set())
        apis = [f"monitoring.coreos.com/v1/{kind}" for kind in ("ServiceMonitor", "PrometheusRule")]
        self.assertEqual(kinds("--api-versions", apis[0], "--api-versions", apis[1]), {"ServiceMonitor", "PrometheusRule"})
        self.assertEqual(kinds("--api-versions", apis[0]), {"ServiceMonitor"})

    def test_the_notes_of_the_hub_name_what_there_is(self):
        chart = yaml.safe_load((charts.CHART / "Chart.yaml").read_text())
        notes = {name.removeprefix("artifacthub.io/"): text for name, text in chart["annotations"].items()}
        self.assertLessEqual({"category", "license", "prerelease", "containsSecurityUpdates", "images", "changes", "links"}, set(notes))
        values = yaml.safe_load((charts.CHART / "values.yaml").read_text())
        images = {entry["image"] for entry in yaml.safe_load(notes["images"])}
        own = f"{values['image']['registry']}/{values['image']['repository']}:{chart['appVersion']}"
        self.assertEqual(images, {own, values["demo"]["postgresImage"], values["demo"]["rabbitmqImage"]})
        self.assertTrue(all({"kind", "description"} <= set(entry) for entry in yaml.safe_load(notes["changes"])))
        for link in yaml.safe_load(notes["links"]):
            self.assertTrue((charts.TOP / link["url"].partition("/blob/main/")[2]).exists(), link)

    def test_queues_that_are_scaled_on_exist(self):
        # the streams that each service consumes, as its source says them
        sources = "".join(p.read_text() for p in (charts.TOP / "services").glob("*/src/consume/*.rs"))
        for obj in self.objects[("all-on", "1.34")]:
            if obj["kind"] == "ScaledObject":
                for trigger in obj["spec"]["triggers"]:
                    service, stream = trigger["metadata"]["queueName"].split(".")
                    text = "".join(p.read_text() for p in (charts.TOP / "services" / service / "src/consume").glob("*.rs"))
                    self.assertIn(f'Queue::Stream("{stream}")', text)
        self.assertTrue(sources)

    def test_the_settings_of_numbers_and_lists_arrive_as_written(self):
        [gateway] = [o for o in self.objects[("all-on", "1.34")] if o["metadata"]["name"] == "writ-agent-gateway" and o["kind"] == "Deployment"]
        env = {v["name"]: v.get("value") for v in gateway["spec"]["template"]["spec"]["containers"][0]["env"]}
        self.assertEqual(env["WRIT_AGENT_GATEWAY_ANSWERS_IN_FLIGHT"], "134217728")
        self.assertEqual(env["WRIT_AGENT_GATEWAY_CLIENT_IDS"], "edr,forensics")
        self.assertEqual(env["WRIT_AGENT_GATEWAY_LINGER"], "8", "extraEnv stands above the chart")
        self.assertEqual(env["WRIT_TOKEN_ONCE"], "true")
        self.assertIn("k8s.pod.name=$(K8S_POD_NAME)", env["OTEL_RESOURCE_ATTRIBUTES"])

    def test_playbooks_reach_what_the_values_name_and_the_scheduler_alone(self):
        objects = {(o["kind"], o["metadata"]["name"]): o for o in self.objects[("all-on", "1.34")]}
        pod = objects["Deployment", "writ-scheduler"]["spec"]["template"]["spec"]
        [container] = pod["containers"]
        env = {v["name"]: v.get("value") for v in container["env"]}
        self.assertEqual(env["WRIT_SCHEDULER_HTTP_ALLOW"], "*.example.org,10.1.0.0/16")
        self.assertEqual(env["WRIT_SCHEDULER_SSH_ALLOW"], "jump.example.org")
        mounts = {m["name"]: m for m in container["volumeMounts"]}
        self.assertEqual(env["WRIT_SCHEDULER_SECRETS_DIR"], mounts["playbook-secrets"]["mountPath"])
        hosts = mounts["playbook-hosts"]["mountPath"]
        self.assertEqual(env["WRIT_SCHEDULER_SSH_KNOWN_HOSTS"], f"{hosts}/known_hosts")
        volumes = {v["name"]: v for v in pod["volumes"]}
        self.assertEqual(volumes["playbook-secrets"]["secret"]["secretName"], "writ-playbooks")
        self.assertEqual(volumes["playbook-hosts"]["configMap"]["name"], "writ-known-hosts")
        out = {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 22, "protocol": "TCP"}]}
        for name in SERVICES.values():
            egress = objects["NetworkPolicy", f"writ-{name}"]["spec"]["egress"]
            self.assertEqual(out in egress, name == "scheduler", name)
            mounted = str(objects["Deployment", f"writ-{name}"]["spec"]["template"])
            self.assertEqual("writ-playbooks" in mounted, name == "scheduler", name)
        [plain] = [o for o in self.objects[("defaults", "1.34")] if o["kind"] == "Deployment" and o["metadata"]["name"] == "writ-scheduler"]
        self.assertNotIn("HTTP_ALLOW", str(plain), "nothing is reached unless it is named")

    def test_dashboards_and_alerts_are_those_of_the_files(self):
        objects = self.objects[("all-on", "1.34")]
        files = {p.name: json.loads(p.read_text()) for p in (charts.CHART / "files/dashboards").glob("*.json")}
        found = {}
        for obj in objects:
            if obj["kind"] == "ConfigMap" and "grafana_dashboard" in obj["metadata"].get("labels", {}):
                found |= {name: json.loads(text) for name, text in obj["data"].items()}
        self.assertEqual(found, files)
        alerts = charts.CHART / "files/alerts.yaml"
        [rule] = [o for o in objects if o["kind"] == "PrometheusRule"]
        wanted = yaml.safe_load(alerts.read_text()) if alerts.exists() else {"groups": []}
        self.assertEqual(rule["spec"], wanted)

    @unittest.skipUnless(HELM4, WHY_NOT)
    def test_both_engines_render_the_same(self):
        # without passwords made up by chance, and under each engine's own Kubernetes version
        for case in set(CASES) - {"demo"}:
            with self.subTest(case=case):
                chart = HELM4.Chart.load(str(charts.CHART))
                texts = chart.render(charts.merged(case), name="writ", namespace="soc")
                made = [o for name, text in texts.items() if name.endswith(".yaml") for o in yaml.safe_load_all(text) if o]
                self.assertEqual({charts.key(o): o for o in made}, {charts.key(o): o for o in self.objects[(case, "1.34")]})

    @unittest.skipUnless(HELM4, WHY_NOT)
    def test_helm_4_lints(self):
        for case in CASES:
            report = HELM4.lint(str(charts.CHART), charts.merged(case), strict=True, kube_version="v1.34.0")
            found = [m for m in report["messages"] if m["severity"] >= 2]
            self.assertEqual((found, report["errors"]), ([], []), case)


class Routes(unittest.TestCase):
    """The one table of paths, everywhere."""

    def setUp(self):
        source = (charts.TOP / "crates/types/src/paths.rs").read_text()
        self.table = re.findall(r'^    route\("([^"]+)", "([^"]+)"\),$', source, re.M)
        self.objects = render("all-on")

    def test_the_charts_copy_is_fresh(self):
        lines = (charts.CHART / "files/paths").read_text().splitlines()
        self.assertEqual([tuple(line.split()) for line in lines], self.table)
        self.assertGreater(len(lines), 25)

    def test_ingress_and_route_have_every_path(self):
        [ingress] = [o for o in self.objects if o["kind"] == "Ingress"]
        [rule] = ingress["spec"]["rules"]
        paths = [(p["path"], p["backend"]["service"]["name"]) for p in rule["http"]["paths"]]
        self.assertEqual(paths, [(path, f"writ-{service}") for path, service in self.table])
        self.assertEqual({p["pathType"] for p in rule["http"]["paths"]}, {"Prefix"})
        [route] = [o for o in self.objects if o["kind"] == "HTTPRoute"]
        found = {}
        for rule in route["spec"]["rules"]:
            self.assertLessEqual(len(rule["matches"]), 8)
            [backend] = rule["backendRefs"]
            for match in rule["matches"]:
                self.assertEqual(match["path"]["type"], "PathPrefix")
                found[match["path"]["value"]] = backend["name"]
        self.assertEqual(found, {path: f"writ-{service}" for path, service in self.table})
        self.assertLessEqual(len(route["spec"]["rules"]), 16)
        services = {o["metadata"]["name"]: o["spec"]["ports"][0]["port"] for o in self.objects if o["kind"] == "Service"}
        for rule in route["spec"]["rules"]:
            self.assertEqual(rule["backendRefs"][0]["port"], services[rule["backendRefs"][0]["name"]])


# What is given, and the words that the refusal must have.
REFUSED = [
    (["scheduler.replica=3"], "replica"),
    (["postgresql.pasword=x"], "pasword"),
    (["agentGateway.extraEnvs.A=b"], "extraEnvs"),
    (["image.tag=latest"], "image.tag"),
    (["image.digest=sha256:1"], "image.digest"),
    (["migrations.mode=hook"], "migrations.mode"),
    (["platform=eks"], "platform"),
    (["postgresql.sslmode=maybe"], "postgresql.sslmode"),
    (["postgresql.port=0"], "postgresql.port"),
    (["defaults.replicas=two"], "replicas"),
    (["publicUrl=writ.example.org"], "publicUrl"),
    (["log.format=xml"], "log.format"),
    (["nonsense=1"], "nonsense"),
    (["scheduler.settings.Http_Allow=x"], "Http_Allow"),
    (["postgresql.host="], "postgresql.host is missing"),
    (["rabbitmq.host="], "rabbitmq.host is missing"),
    (["rabbitmq.existingSecret="], "rabbitmq.existingSecret is missing"),
    (["postgresql.existingSecret="], "scheduler.postgresql.existingSecret is missing"),
    (["postgresql.uriKey=uri", "postgresql.clientCertSecret=x"], "postgresql.uriKey and postgresql.clientCertSecret"),
    (["rabbitmq.uriKey=uri", "rabbitmq.tls.clientCertSecret=x"], "rabbitmq.uriKey and rabbitmq.tls.clientCertSecret"),
    (["ingress.enabled=true"], "ingress.hosts is empty"),
    (["gateway.enabled=true", "gateway.hostnames={a}"], "gateway.parentRefs is empty"),
    (["keda.enabled=true"], "keda.existingSecret is missing"),
    (["scheduler.keda.enabled=true"], "scheduler.keda.enabled needs keda.enabled"),
    (["keda.enabled=true", "keda.existingSecret=x", "scheduler.keda.enabled=true", "scheduler.autoscaling.enabled=true"],
     "scheduler.autoscaling.enabled and scheduler.keda.enabled"),
    (["migrations.existingSecret=x", "postgresql.uriKey=uri"], "migrations.existingSecret goes with neither"),
    (["monitoring.serviceMonitor.enabled=maybe"], "monitoring.serviceMonitor.enabled"),
    (["playbooks.httpAllow={a b}"], "playbooks.httpAllow"),
    (["playbooks.httpAllow={soc.example.org}", "networkPolicy.egress.enabled=true"], "playbooks.egress is empty"),
    (["playbooks.sshAllow={jump.example.org}"], "playbooks.sshKnownHosts.configMap is missing"),
    (["agentGateway.drainSeconds=60"], "agentGateway.terminationGracePeriodSeconds is 45"),
]
# What must pass: an umbrella's keys, what users unset.
TAKEN = [
    ["enabled=true"],
    ["global.other.key=1"],
    ["defaults.podSecurityContext.runAsUser=null"],
    ["scheduler.resources.limits=null"],
    ["postgresql.uriKey=uri", "postgresql.host="],
    ["agentGateway.enabled=false"],
]


class Values(unittest.TestCase):
    """Values are refused by their names, or taken."""

    def test_wrong_values_are_named(self):
        for sets, words in REFUSED:
            with self.subTest(sets=sets):
                said = charts.refused(*sets)
                self.assertIsNotNone(said, "it was taken")
                self.assertIn(words, said)

    @unittest.skipUnless(HELM4, WHY_NOT)
    def test_helm_4_names_them_too(self):
        for sets, words in REFUSED[:14]:
            with self.subTest(sets=sets):
                chart = HELM4.Chart.load(str(charts.CHART))
                values = charts.merged("defaults")
                charts.overlay(values, HELM4.parse_set_string(",".join(sets)))
                with self.assertRaises(HELM4.HelmError) as caught:
                    chart.validate_schema(values)
                self.assertIn(words.split(".")[-1], str(caught.exception))

    def test_what_is_allowed_is_taken(self):
        for sets in TAKEN:
            with self.subTest(sets=sets):
                self.assertIsNone(charts.refused(*sets))

    def test_every_default_is_described(self):
        schema = json.loads((charts.CHART / "values.schema.json").read_text())
        values = yaml.safe_load((charts.CHART / "values.yaml").read_text())
        self.assertEqual(set(schema["properties"]) - {"enabled"}, set(values))
        self.assertEqual(set(schema["definitions"]["defaults"]["properties"]), set(values["defaults"]))
        self.assertEqual(set(schema["definitions"]["component"]["properties"]), {"enabled", *values["defaults"]})

    def test_each_secret_key_is_one_that_the_recipes_make(self):
        # The keys of the operators' Secrets: deploy/recipes/{databases.sh,rabbitmq-cluster.yaml}.
        known = {"writ-databases": {f"{s}-{k}" for s in SERVICES.values() for k in ("username", "password")},
                 "writ-database-owners": {f"{s}-{k}" for s in SERVICES.values() for k in ("username", "password")},
                 "writ-broker": {"username", "password"}, "writ-db-ca": {"ca.crt"}, "writ-broker-ca": {"ca.crt"}}
        for name, pod in pods(o for o in render("defaults") if o["kind"] == "Deployment"):
            for source in [s for v in pod["spec"]["volumes"] if "projected" in v for s in v["projected"]["sources"]]:
                secret = source["secret"]
                for item in secret["items"]:
                    self.assertIn(item["key"], known[secret["name"]], name)


class Foreign(unittest.TestCase):
    """Objects of other operators, whose schemas are not at hand: their form as their documentation says it."""

    def test_their_form(self):
        seen = set()
        for obj in render("all-on"):
            if obj["apiVersion"] not in FOREIGN:
                continue
            seen.add(obj["kind"])
            spec = obj["spec"]
            match obj["kind"]:
                case "ServiceMonitor":
                    self.assertEqual(set(spec), {"jobLabel", "selector", "namespaceSelector", "endpoints"})
                    self.assertEqual(spec["endpoints"][0]["port"], "admin")
                case "PrometheusRule":
                    for group in spec["groups"]:
                        self.assertLessEqual({"name", "rules"}, set(group))
                case "ScaledObject":
                    for trigger in spec["triggers"]:
                        self.assertEqual(trigger["type"], "rabbitmq")
                        self.assertTrue(all(isinstance(v, str) for v in trigger["metadata"].values()), "KEDA takes only texts")
                    self.assertGreaterEqual(spec["minReplicaCount"], 1, "agents hold connections")
                case "TriggerAuthentication":
                    self.assertEqual(spec["secretTargetRef"][0]["parameter"], "host")
                case "HTTPRoute":
                    self.assertLessEqual({"parentRefs", "hostnames", "rules"}, set(spec))
        self.assertEqual(seen, {"ServiceMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication", "HTTPRoute"})


if __name__ == "__main__":
    unittest.main()
