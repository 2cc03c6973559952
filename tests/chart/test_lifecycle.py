"""Install, test, upgrade, roll back, uninstall, against an API that checks every object."""

import pathlib
import tempfile
import unittest

import charts
from kube import Cluster

HELM4, WHY_NOT = charts.helm4()
NEWEST = charts.VERSIONS[-1]


def passwords(cluster):
    return cluster.get("Secret", "writ-demo")["data"]


class Lifecycle(unittest.TestCase):
    """A release's whole life, with Helm 3 and with Helm 4."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def helm3(self, cluster):
        # Helm 3.10 knows no version after 1.25; with an API it asks that for its own.
        env = {"KUBECONFIG": str(cluster.kubeconfig), "HELM_CACHE_HOME": str(self.folder), "HELM_NAMESPACE": "default"}
        return lambda *words, check=True: charts.helm(*words, env=env, check=check)

    def test_helm_3(self):
        for version in (charts.VERSIONS[0], NEWEST):
            with self.subTest(kubernetes=version), Cluster(version, self.folder) as cluster:
                helm = self.helm3(cluster)
                files = lambda case: [w for f in charts.values(case) for w in ("--values", f)]
                helm("install", "writ", charts.CHART, "--wait", "--timeout", "30s", *files("demo"))
                first = passwords(cluster)
                self.assertEqual(len(first), 14)
                tested = helm("test", "writ", "--timeout", "30s").stdout
                self.assertIn("Phase:          Succeeded", tested)
                self.assertNotIn("Pod/writ-test", cluster.kinds())
                helm("upgrade", "writ", charts.CHART, "--wait", "--timeout", "30s", *files("demo"), "--set", "scheduler.replicas=3")
                self.assertEqual(passwords(cluster), first, "the demo's passwords are as they were")
                self.assertEqual(cluster.get("Deployment", "writ-scheduler")["spec"]["replicas"], 3)
                helm("rollback", "writ", "1", "--wait", "--timeout", "30s")
                self.assertEqual(cluster.get("Deployment", "writ-scheduler")["spec"]["replicas"], 1)
                self.assertEqual(passwords(cluster), first)
                self.assertEqual(cluster.refusals, [])
                helm("uninstall", "writ", "--wait", "--timeout", "30s")
                self.assertEqual(cluster.kinds(), ["Secret/writ-demo"], "only what is kept is left")

    def test_every_case_installs_over_the_one_before(self):
        with Cluster(NEWEST, self.folder) as cluster:
            helm = self.helm3(cluster)
            for case in ("defaults", "ha", "openshift", "all-on", "defaults"):
                files = [w for f in charts.values(case) for w in ("--values", f)]
                helm("upgrade", "--install", "writ", charts.CHART, "--wait", "--timeout", "30s", *files)
            self.assertEqual(cluster.refusals, [])
            helm("uninstall", "writ")
            self.assertEqual(cluster.kinds(), [])

    def test_lost_passwords_of_the_demo_are_not_made_anew(self):
        with Cluster(NEWEST, self.folder) as cluster:
            helm = self.helm3(cluster)
            files = [w for f in charts.values("demo") for w in ("--values", f)]
            helm("install", "writ", charts.CHART, *files)
            del cluster.objects[("v1", "secrets", "default", "writ-demo")]
            ran = helm("upgrade", "writ", charts.CHART, *files, check=False)
            self.assertNotEqual(ran.returncode, 0)
            self.assertIn("the Secret writ-demo with the demo's passwords is gone", ran.stderr)

    def test_a_second_release_beside_the_first(self):
        with Cluster(NEWEST, self.folder) as cluster:
            helm = self.helm3(cluster)
            files = [w for f in charts.values("all-on") for w in ("--values", f)]
            helm("install", "writ", charts.CHART, *files)
            one = set(cluster.kinds())
            helm("install", "other", charts.CHART, *files)
            two = set(cluster.kinds()) - one
            self.assertEqual(len(two), len(one), "no object is shared")

    @unittest.skipUnless(HELM4, WHY_NOT)
    def test_helm_4(self):
        for version in (charts.VERSIONS[0], NEWEST):
            with self.subTest(kubernetes=version), Cluster(version, self.folder) as cluster:
                # its records would be written as protobuf, which this API does not read: they stay in memory
                values = charts.merged("demo")
                more = charts.merged("demo") | {"scheduler": {"replicas": 3}}
                with HELM4.Config(kubeconfig_path=str(cluster.kubeconfig), namespace="default", storage_driver="memory") as helm:
                    helm.install(str(charts.CHART), "writ", values, wait="watcher", timeout=30)
                    first = passwords(cluster)
                    helm.test("writ", timeout=30)
                    helm.upgrade(str(charts.CHART), "writ", more, wait="watcher", timeout=30)
                    self.assertEqual(passwords(cluster), first)
                    self.assertEqual(cluster.get("Deployment", "writ-scheduler")["spec"]["replicas"], 3)
                    helm.rollback("writ", version=1, wait="watcher", timeout=30)
                    self.assertEqual(cluster.get("Deployment", "writ-scheduler")["spec"]["replicas"], 1)
                    self.assertEqual(cluster.refusals, [])
                    helm.uninstall("writ", wait="watcher", timeout=30)
                self.assertEqual(cluster.kinds(), ["Secret/writ-demo"])


if __name__ == "__main__":
    unittest.main()
