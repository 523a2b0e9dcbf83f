#!/usr/bin/env python3
"""The files of deploy/kubernetes fit each other, the images and the entry point, by themselves and as kustomize
puts them together.

Ends with 77, which CTest takes for skipped, without python3-yaml. What is checked with programs that are
not installed here is skipped by itself.
"""

import functools
import importlib.util
import json
import re
import sys
import tempfile
import unittest
from pathlib import Path

try:
    import yaml

    import compose
    from tools import need, run
except ImportError as missing:
    print(f"skipped: {missing} (Debian's package python3-yaml)")
    sys.exit(77)

ROOT = compose.ROOT
OVERLAYS = ["base", "overlays/gpu", "overlays/monitoring", "overlays/tls"]


def metric_names():
    """Names in docs/METRICS.md."""
    return set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/METRICS.md").read_text(encoding="utf-8"), re.M))


def read_manifests(folder):
    for file in sorted(folder.glob("*.yaml")):
        if file.name in ("kustomization.yaml", "adapter-values.yaml"):
            continue
        yield from ((file, entry) for entry in yaml.safe_load_all(file.read_text(encoding="utf-8")))


def of_kind(objects, kind):
    return [entry for entry in objects if entry["kind"] == kind]


@functools.cache
def kustomize(overlay):
    said = run("kubectl", "kustomize", str(ROOT / "deploy/kubernetes" / overlay))
    return said.stdout if said.returncode == 0 else None, said.stderr


class KubernetesFiles(unittest.TestCase):
    """What holds of the files by themselves."""

    def test_every_file_is_named(self):
        for overlay in OVERLAYS:
            folder = ROOT / "deploy/kubernetes" / overlay
            listed = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
            named = {*listed["resources"], *(patch.get("path") for patch in listed.get("patches", []))}
            there = {file.name for file, _ in read_manifests(folder)}
            self.assertLessEqual(there, named, overlay)
            for name in named - {None}:
                self.assertTrue((folder / name).exists(), f"{overlay}: {name}")

    def test_rules_are_those_of_deploy_prometheus(self):
        script = ROOT / "deploy/kubernetes/make_rules.py"
        spec = importlib.util.spec_from_file_location("make_rules", script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        file = ROOT / "deploy/kubernetes/overlays/monitoring/rules.yaml"
        self.assertEqual(yaml.safe_load(file.read_text(encoding="utf-8")), module.manifest(),
                         f"{script} > {file} makes it anew")
        named = set(re.findall(r"\bshoal_\w+", json.dumps(module.WAIT)))
        self.assertTrue(named)
        self.assertLessEqual(named, metric_names())

    @need("promtool")
    def test_the_autoscaler_sees_waiting_for_rollouts_and_nothing_else(self):
        """More actors are asked for above a share of 0.25 only, fewer below it."""
        rules = yaml.safe_load((ROOT / "deploy/kubernetes/overlays/monitoring/rules.yaml").read_text(encoding="utf-8"))
        half = " ".join(["0 1.5"] * 60)
        cases = {  # in_run and busy_seconds, every five seconds for ten minutes, and the share
            "waits": ("1+0x120", "0+0x120", 1),
            "learns": ("1+0x120", "3+5x120", 0),
            "no run is on": ("0+0x120", "0+0x120", 0),
            "half and half": ("1+0x120", half, 0.5),
        }
        tests = [{
            "name": name,
            "interval": "5s",
            "input_series": [
                {"series": 'shoal_learner_in_run{namespace="shoal",pod="learner-0"}', "values": in_run},
                {"series": 'shoal_learner_busy_seconds{namespace="shoal",pod="learner-0"}', "values": busy},
            ],
            "promql_expr_test": [{
                "expr": "round(shoal:learner_wait:ratio, 0.1)", "eval_time": "9m",
                "exp_samples": [{"labels": '{namespace="shoal"}', "value": share}],
            }],
        } for name, (in_run, busy, share) in cases.items()]
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "rules.yml").write_text(yaml.safe_dump(rules["spec"]), encoding="utf-8")
            Path(folder, "test.yml").write_text(
                yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": tests}),
                encoding="utf-8")
            said = run("promtool", "test", "rules", f"{folder}/test.yml")
            self.assertEqual(said.returncode, 0, said.stdout + said.stderr)


@need("kubectl")
class Kubernetes(unittest.TestCase):
    """What holds of each overlay as kustomize puts it together."""

    def objects(self, overlay):
        made, error = kustomize(overlay)
        if made is None and "unknown field" in error:
            self.skipTest("this kubectl is older than kustomize 4.1")
        self.assertIsNotNone(made, error)
        return list(yaml.safe_load_all(made))

    def pods(self, objects):
        for entry in objects:
            if entry["kind"] in ("StatefulSet", "Deployment"):
                yield entry, entry["spec"]["template"]

    def each(self):
        for overlay in OVERLAYS:
            with self.subTest(overlay):
                yield self.objects(overlay)

    def test_selectors_match(self):
        for objects in self.each():
            labels = [template["metadata"]["labels"] for _, template in self.pods(objects)]

            def selects(selector):
                wanted = selector.get("matchLabels", {}).items()
                return any(wanted <= one.items() for one in labels)

            for entry, template in self.pods(objects):
                wanted = entry["spec"]["selector"]["matchLabels"].items()
                self.assertLessEqual(wanted, template["metadata"]["labels"].items())
                # A selector of two workloads would make them take each other's pods.
                self.assertEqual(sum(wanted <= one.items() for one in labels), 1)
                near = template["spec"].get("affinity", {}).get("podAffinity", {})
                for term in near.get("requiredDuringSchedulingIgnoredDuringExecution", []):
                    self.assertTrue(selects(term["labelSelector"]))
            for service in of_kind(objects, "Service"):
                self.assertTrue(selects({"matchLabels": service["spec"]["selector"]}))
            for kind in ("PodDisruptionBudget", "PodMonitor"):
                for entry in of_kind(objects, kind):
                    self.assertTrue(selects(entry["spec"]["selector"]), entry["metadata"]["name"])
            for policy in of_kind(objects, "NetworkPolicy"):
                self.assertTrue(selects(policy["spec"]["podSelector"]), policy["metadata"]["name"])
                for rule in policy["spec"].get("ingress", []):
                    for peer in rule["from"]:
                        if "namespaceSelector" not in peer:
                            self.assertTrue(selects(peer["podSelector"]))

    def test_ports_are_those_of_the_containers(self):
        for objects in self.each():
            declared = {}
            for entry, template in self.pods(objects):
                [container] = template["spec"]["containers"]
                ports = {port["name"]: port["containerPort"] for port in container["ports"]}
                declared[entry["metadata"]["name"]] = ports
                for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                    for way, target in container.get(probe, {}).items():
                        if way == "grpc":
                            self.assertIn(target["port"], ports.values())
                        elif way in ("tcpSocket", "httpGet"):
                            self.assertIn(target["port"], ports)
                        elif way == "exec":
                            self.assertIn(int(target["command"][2].rsplit(":")[-1]), ports.values())
            for service in of_kind(objects, "Service"):
                for port in service["spec"]["ports"]:
                    self.assertEqual(port["port"], declared[service["metadata"]["name"]][port["targetPort"]])
            for policy in of_kind(objects, "NetworkPolicy"):
                for rule in policy["spec"].get("ingress", []):
                    for port in rule["ports"]:
                        self.assertIn(port["port"], {number for ports in declared.values() for number in ports.values()})

    def test_images_are_targets(self):
        stages = compose.stages()
        for objects in self.each():
            for _, template in self.pods(objects):
                for container in template["spec"]["containers"]:
                    image = container["image"].split(":")[0]
                    self.assertIn(image.removeprefix("shoal-"), stages)

    def test_pods_are_restricted(self):
        """The standard "restricted", and a root that is read only."""
        for objects in self.each():
            for _, template in self.pods(objects):
                pod = template["spec"]
                self.assertIs(pod["securityContext"]["runAsNonRoot"], True)
                self.assertEqual(pod["securityContext"]["runAsUser"], 10001)
                self.assertEqual(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault")
                self.assertIs(pod["automountServiceAccountToken"], False)
                for container in pod["containers"]:
                    context = container["securityContext"]
                    self.assertIs(context["allowPrivilegeEscalation"], False)
                    self.assertIs(context["readOnlyRootFilesystem"], True)
                    self.assertEqual(context["capabilities"], {"drop": ["ALL"]})

    def test_volumes_are_there(self):
        for objects in self.each():
            claims = {claim["metadata"]["name"] for claim in of_kind(objects, "PersistentVolumeClaim")}
            maps = {entry["metadata"]["name"] for entry in of_kind(objects, "ConfigMap")}
            for _, template in self.pods(objects):
                volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
                for volume in volumes.values():
                    if "persistentVolumeClaim" in volume:
                        self.assertIn(volume["persistentVolumeClaim"]["claimName"], claims)
                for container in template["spec"]["containers"]:
                    self.assertEqual({mount["name"] for mount in container["volumeMounts"]}, set(volumes))
                    for source in container["envFrom"]:
                        self.assertIn(source["configMapRef"]["name"], maps)

    def test_the_environment_is_what_the_entry_point_knows(self):
        script = (ROOT / "deploy/docker/entry.sh").read_text(encoding="utf-8")
        for objects in self.each():
            names = [name for entry in of_kind(objects, "ConfigMap") for name in entry["data"]]
            for _, template in self.pods(objects):
                [container] = template["spec"]["containers"]
                names += [variable["name"] for variable in container.get("env", [])]
            for name in names:
                self.assertIn(f"{name}:-", script)
            self.assertNotIn("RUN_PRESET", names, "it waits for runs")

    def test_the_gpu_is_asked_for(self):
        objects = self.objects("overlays/gpu")
        [learner] = [entry for entry in of_kind(objects, "StatefulSet") if entry["metadata"]["name"] == "learner"]
        [container] = learner["spec"]["template"]["spec"]["containers"]
        self.assertEqual(container["resources"]["limits"]["nvidia.com/gpu"], "1")
        self.assertEqual(container["image"].split(":")[0], "shoal-learner-cuda")

    def test_the_autoscaler_goes_by_a_metric_that_is_made(self):
        objects = self.objects("overlays/monitoring")
        [scaler] = of_kind(objects, "HorizontalPodAutoscaler")
        actors = [entry for entry in of_kind(objects, "Deployment") if entry["metadata"]["name"] == "actor"]
        self.assertEqual(scaler["spec"]["scaleTargetRef"]["name"], actors[0]["metadata"]["name"])
        self.assertNotIn("replicas", actors[0]["spec"], "both would say how many")
        adapter = yaml.safe_load(
            (ROOT / "deploy/kubernetes/overlays/monitoring/adapter-values.yaml").read_text(encoding="utf-8"))
        [metric] = scaler["spec"]["metrics"]
        [rule] = adapter["rules"]["external"]
        self.assertEqual(metric["external"]["metric"]["name"], rule["name"]["as"])
        [recorded] = of_kind(objects, "PrometheusRule")
        records = {one.get("record") for group in recorded["spec"]["groups"] for one in group["rules"]}
        self.assertIn(rule["seriesQuery"], records)
        # The share itself is the target, not the share by actor: more of them while it is above, fewer below.
        self.assertEqual(metric["external"]["target"], {"type": "Value", "value": "250m"})
        self.assertLess(scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"])


if __name__ == "__main__":
    unittest.main()
