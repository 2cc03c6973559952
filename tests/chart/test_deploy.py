"""What lies beside the chart: plain manifests, recipes, compose."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

import charts
from charts import SERVICES, TOP
from kube import check


class Deploy(unittest.TestCase):
    """Files that people use without Helm."""

    def test_the_plain_manifests_are_valid_and_listed(self):
        base = TOP / "k8s/base"
        listed = yaml.safe_load((base / "kustomization.yaml").read_text())["resources"]
        self.assertEqual(sorted(listed), sorted(p.name for p in base.glob("*.yaml") if p.name != "kustomization.yaml"))
        for name in listed:
            for version in charts.VERSIONS:
                self.assertIsNone(check(yaml.safe_load((base / name).read_text()), version), name)

    @unittest.skipUnless(shutil.which("kubectl"), "kubectl is not installed: the overlays are not built")
    def test_the_overlays_build(self):
        for overlay, count, replicas in (("dev", 21, 1), ("ha", 26, 3)):
            out = subprocess.run(["kubectl", "kustomize", TOP / "k8s/overlays" / overlay], capture_output=True, text=True, timeout=60)
            self.assertEqual(out.returncode, 0, out.stderr)
            objects = list(yaml.safe_load_all(out.stdout))
            self.assertEqual(len(objects), count)
            for obj in objects:
                self.assertIsNone(check(obj, "1.34"), charts.key(obj))
                if obj["kind"] == "Deployment":
                    self.assertEqual(obj["spec"]["replicas"], replicas)

    def test_the_operators_secrets_fit(self):
        objects = [o for f in ("cnpg-cluster", "rabbitmq-cluster") for o in yaml.safe_load_all((charts.RECIPES / f"{f}.yaml").read_text())]
        cluster = next(o for o in objects if o["kind"] == "Cluster")
        roles = {role["name"]: role["passwordSecret"]["name"] for role in cluster["spec"]["managed"]["roles"]}
        databases = {o["spec"]["name"]: o["spec"]["owner"] for o in objects if o["kind"] == "Database"}
        self.assertEqual(databases, {name: name for name in roles})
        broker = next(o["metadata"]["name"] for o in objects if o["kind"] == "RabbitmqCluster")
        values = charts.RECIPES / "values-operators.yaml"
        text = charts.helm("template", "writ", charts.CHART, "--kube-version", "1.34", "--values", values).stdout
        for obj in yaml.safe_load_all(text):
            if not obj or obj["kind"] != "Deployment":
                continue
            service = obj["metadata"]["labels"]["app.kubernetes.io/component"]
            name = "writ_" + service.replace("-", "_")
            spec = obj["spec"]["template"]["spec"]
            sources = {s["secret"]["name"] for v in spec["volumes"] if "projected" in v for s in v["projected"]["sources"]}
            self.assertEqual(sources, {roles[name], f"{broker}-default-user", "writ-db-ca"})
            env = {v["name"]: v.get("value") for v in spec["containers"][0]["env"]}
            self.assertEqual(env["AMQP_URL"], f"amqp://{broker}:5672/%2F")
            self.assertIn(f"@writ-db-rw:5432/{name}?".replace("@", "//"), env[f"WRIT_{service.upper().replace('-', '_')}_DATABASE_URL"])

    def test_compose_names_what_there_is(self):
        folder = TOP / "deploy/compose"
        compose = yaml.safe_load((folder / "compose.yaml").read_text())
        prepare = (folder / "prepare").read_text()
        names = set(compose["secrets"])
        for service in compose["services"].values():
            self.assertLessEqual(set(service.get("secrets", [])), names)
            self.assertRegex(service["image"], r":[0-9v$]|\{")
        for service in SERVICES.values():
            self.assertLessEqual({f"{service}-username", f"{service}-password"}, names)
        self.assertIn("chmod 444", prepare)
        files = {value for key, value in compose["services"]["writ"]["environment"].items() if key.endswith("_FILE")}
        mounted = {f"/run/secrets/{name}" for name in compose["services"]["writ"]["secrets"]}
        self.assertLessEqual(files, mounted)
        sources = ["crates/service/src/settings.rs", *(f"services/{name}/src/config.rs" for name in SERVICES.values())]
        settings = "".join((TOP / source).read_text() for source in sources)
        for key in compose["services"]["writ"]["environment"]:
            own = re.sub(r"^WRIT_(AGENT_GATEWAY|INVESTIGATION_API|LOADER_MANIFEST|MANUAL_INTERACTION|SCHEDULER)_", "", key)
            known = key == "OTEL_EXPORTER_OTLP_ENDPOINT" or f'"{key}"' in settings or re.search(rf"\b{own.lower()}:", settings) or key == "WRIT_LISTEN"
            self.assertTrue(known, f"{key} is no setting")

    def test_compose_sets_nothing_to_nothing(self):
        # an empty list of networks is refused at the start; an empty endpoint is none
        compose = yaml.safe_load((TOP / "deploy/compose/compose.yaml").read_text())
        empty = {key for key, value in compose["services"]["writ"]["environment"].items() if str(value).endswith(":-}")}
        self.assertEqual(empty, {"OTEL_EXPORTER_OTLP_ENDPOINT"})

    def test_compose_makes_the_accounts_that_were_tried(self):
        # tests/house tries those of scripts/lib/broker.sh on a real broker; both read deploy/recipes/mig-rights.sh
        with tempfile.TemporaryDirectory() as top:
            for name in ("compose", "recipes"):
                (pathlib.Path(top) / name).mkdir()
            shutil.copy(TOP / "deploy/recipes/mig-rights.sh", pathlib.Path(top) / "recipes")
            folder = pathlib.Path(top) / "compose"
            script = shutil.copy(TOP / "deploy/compose/prepare", folder)
            subprocess.run([script], check=True, timeout=60)
            read = lambda name: (folder / "secrets" / name).read_text()
            made, before = json.loads(read("definitions.json")), read("definitions.json")
            subprocess.run([script], check=True, timeout=60)
            self.assertEqual(read("definitions.json"), before, "passwords stay")
            for secret in yaml.safe_load((TOP / "deploy/compose/compose.yaml").read_text())["secrets"].values():
                self.assertTrue(read(pathlib.Path(secret["file"]).name), secret)
            passwords = {user["name"]: user["password"] for user in made["users"]}
            self.assertEqual(set(passwords), {"writ", "mig-gateway", "mig-agent"})
            self.assertGreaterEqual(min(map(len, passwords.values())), 32)
            self.assertEqual(len(set(passwords.values())), 3)
            self.assertIn(f"mig-gateway:{passwords['mig-gateway']}@rabbitmq:", read("mig-amqp-url"))
        tried = (TOP / "scripts/lib/broker.sh").read_text()
        told = (TOP / "proto-docs/mig-agents.md").read_text()
        for account, row, rights in (("mig-gateway", "gateway", "MIG_GATEWAY_RIGHTS"), ("mig-agent", "all agents, one account", "MIG_AGENT_RIGHTS")):
            [given] = [p for p in made["permissions"] if p["user"] == account]
            self.assertEqual(given["vhost"], "mig")
            self.assertIn(f'permissions/mig/{account} "{{${rights}}}"', tried)
            cells = " | ".join(f"`{given[right]}`".replace("|", r"\|") for right in ("configure", "write", "read"))
            self.assertIn(f"\n| {row} | {cells} |\n", told)

    def test_compose_watches_every_service(self):
        folder = TOP / "deploy/compose"
        compose = yaml.safe_load((folder / "compose.yaml").read_text())
        watching = {name for name, service in compose["services"].items() if service.get("profiles") == ["monitoring"]}
        self.assertEqual(watching, {"prometheus", "collector", "jaeger", "grafana"})
        for service in compose["services"].values():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith(("./m", "..")):
                    self.assertTrue((folder / source).exists(), source)
        variables = compose["services"]["writ"]["environment"]
        admin = {f"writ:{value.rpartition(':')[2]}" for key, value in variables.items() if key.endswith("_ADMIN_LISTEN")}
        scraped = yaml.safe_load((folder / "monitoring/prometheus.yml").read_text())["scrape_configs"]
        self.assertEqual(set(scraped[0]["static_configs"][0]["targets"]), admin)
        self.assertEqual(len(admin), 5)

    def test_scripts_make_databases_of_every_service(self):
        text = (charts.RECIPES / "databases.sh").read_text()
        for service in SERVICES.values():
            self.assertIn(service, text)


if __name__ == "__main__":
    unittest.main()
