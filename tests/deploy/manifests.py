"""What deploy/kubernetes promises: nobody reaches Keycloak but Cambio, and Cambio runs with no privilege."""

import pathlib
import posixpath
import unittest

import yaml

KUBERNETES = pathlib.Path(__file__).parents[2] / "deploy/kubernetes"


def load(file):
    return {(d["kind"], d["metadata"]["name"]): d for d in yaml.safe_load_all((KUBERNETES / file).read_text())}


class Manifests(unittest.TestCase):
    def setUp(self):
        documents = load("keycloak.yaml")
        self.services = [d["spec"] for (kind, _), d in documents.items() if kind == "Service"]
        self.policy = documents["NetworkPolicy", "keycloak"]["spec"]
        self.template = documents["Deployment", "keycloak"]["spec"]["template"]
        self.pod = self.template["spec"]
        (self.cambio,), (self.keycloak,) = self.pod["initContainers"], self.pod["containers"]
        self.config_maps = load("cambio.yaml")
        self.config = yaml.safe_load(self.config_maps["ConfigMap", "cambio"]["data"]["cambio.yaml"])

    def keycloak_option(self, name):
        (value,) = [a.split("=", 1)[1] for a in self.keycloak["args"] if a.startswith(f"--{name}=")]
        return value

    def port(self, section):
        return int(self.config[section]["address"].rsplit(":", 1)[1])

    def test_keycloak_listens_on_loopback_where_cambio_calls_it(self):
        self.assertEqual(self.keycloak_option("http-host"), "127.0.0.1")
        self.assertEqual(self.config["upstream"]["url"], f"http://127.0.0.1:{self.keycloak_option('http-port')}")
        self.assertNotIn("hostNetwork", self.pod)

    def test_keycloak_believes_forwarding_headers_of_cambio_only(self):
        self.assertEqual(self.keycloak_option("proxy-headers"), "xforwarded")
        self.assertEqual(self.keycloak_option("proxy-trusted-addresses"), "127.0.0.1")

    def test_issuer_is_keycloaks_public_name(self):
        for realm in self.config["realms"].values():
            self.assertTrue(realm["issuer"].startswith(self.keycloak_option("hostname") + "/realms/"))

    def test_services_lead_to_cambios_ports_only(self):
        names = {p["name"]: p["containerPort"] for p in self.cambio["ports"]}
        self.assertEqual(names, {"http": self.port("listen"), "cambio-admin": self.port("admin")})
        self.assertTrue(self.services)
        for service in self.services:
            self.assertEqual(service["selector"], self.template["metadata"]["labels"])
            for port in service["ports"]:
                self.assertIn(port["targetPort"], names)

    def test_network_policy_closes_keycloaks_ports(self):
        self.assertEqual(self.policy["policyTypes"], ["Ingress"])
        self.assertEqual(self.policy["podSelector"]["matchLabels"], self.template["metadata"]["labels"])
        closed = {int(self.keycloak_option("http-port")), int(self.keycloak_option("http-management-port"))}
        for rule in self.policy["ingress"]:
            self.assertTrue(rule["ports"], "a rule without ports opens all of them")
            for port in rule["ports"]:
                self.assertNotIn("endPort", port)
                self.assertNotIn(port["port"], closed)
                if port["port"] != self.port("listen"):
                    self.assertTrue(rule.get("from"), f"port {port['port']} is open to everybody")

    def test_cambio_is_a_native_sidecar_with_probes_on_the_admin_port(self):
        self.assertEqual(self.cambio["restartPolicy"], "Always")
        self.assertTrue(self.config["admin"]["address"].startswith("0.0.0.0:"), "the kubelet probes the pod's address")
        for probe, path in (("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")):
            self.assertEqual(self.cambio[probe]["httpGet"], {"path": path, "port": "cambio-admin"})

    def test_cambio_has_no_privilege(self):
        context = self.cambio["securityContext"]
        self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
        self.assertIs(context["allowPrivilegeEscalation"], False)
        self.assertIs(context["readOnlyRootFilesystem"], True)
        self.assertGreater(context["runAsUser"], 0)
        self.assertIs(self.pod["securityContext"]["runAsNonRoot"], True)
        self.assertEqual(self.pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertIs(self.pod["automountServiceAccountToken"], False)
        self.assertEqual(self.cambio["resources"]["limits"].keys(), {"memory"})

    def test_every_file_that_cambio_reads_is_mounted(self):
        mounts = {m["name"]: m for m in self.cambio["volumeMounts"]}
        volumes = {v["name"]: v for v in self.pod["volumes"]}
        self.assertEqual(mounts.keys(), volumes.keys())
        for mount in mounts.values():
            self.assertIs(mount["readOnly"], True)
            self.assertNotIn("subPath", mount, "a subPath is never updated, so nothing would reload")
        self.assertEqual(self.cambio["args"], ["serve", "--config", mounts["platform"]["mountPath"] + "/cambio.yaml"])

        def mounted(path):
            return posixpath.normpath(posixpath.join(mounts["platform"]["mountPath"], path))

        self.assertEqual(mounted(self.config["audiences"]), mounts["audiences"]["mountPath"])
        self.assertEqual(mounted(self.config["realms"]["corp"]["signingKeys"]), mounts["keys"]["mountPath"])
        self.assertEqual(volumes["platform"]["configMap"]["name"], "cambio")
        self.assertEqual(volumes["audiences"]["configMap"]["name"], "cambio-audiences")
        self.assertEqual(volumes["keys"]["secret"], {"secretName": "cambio-signing-keys", "defaultMode": 0o440})

    def test_stopping_takes_longer_than_keycloaks_pause_and_cambios_drain(self):
        pause = self.keycloak["lifecycle"]["preStop"]["sleep"]["seconds"]
        self.assertGreater(self.pod["terminationGracePeriodSeconds"], pause + 30)


if __name__ == "__main__":
    unittest.main()
