#!/usr/bin/env python3
"""The files of deploy/ fit each other and the programs: images, compose, Kubernetes, units, scripts.

Ends with 77, which CTest takes for skipped, without python3-yaml. What is checked with programs that are
not installed here is skipped by itself.
"""

import fnmatch
import functools
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path, PurePath

try:
    import yaml

    import compose
except ImportError as missing:
    print(f"skipped: {missing} (Debian's package python3-yaml)")
    sys.exit(77)

ROOT = compose.ROOT
OVERLAYS = ["base", "overlays/gpu", "overlays/monitoring", "overlays/tls"]
# Written by people, not made by the Dockerfile.
FOREIGN_IMAGES = ("grafana/grafana",)


def need(tool):
    return unittest.skipUnless(shutil.which(tool), f"{tool} is not installed")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def metric_names():
    """Names in docs/METRICS.md."""
    return set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/METRICS.md").read_text(encoding="utf-8"), re.M))


@functools.cache
def dependencies():
    """What each package that is installed here depends on."""
    known = {}
    for line in run("dpkg-query", "-W", "-f=${Package}\\t${Depends}, ${Pre-Depends}\\n").stdout.splitlines():
        name, _, others = line.partition("\t")
        known[name] = re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)", others)
    return known


class Dockerfile(unittest.TestCase):
    def setUp(self):
        self.stages = compose.stages()

    def test_has_the_targets(self):
        for target in ("coordinator", "learner", "actor", "cli", "prometheus", "learner-cuda"):
            self.assertIn(target, self.stages)

    def test_begins_from_debian_and_its_own_stages_only(self):
        known = {"${DEBIAN}"}
        for stage in self.stages.values():
            self.assertIn(stage.base, known, stage.name)
            known.add(stage.name)
        self.assertIn("ARG DEBIAN=debian:bookworm-slim", compose.DOCKERFILE.read_text(encoding="utf-8"))

    def test_runs_as_nobody_that_matters(self):
        for target in ("coordinator", "learner", "actor", "cli", "learner-cuda"):
            self.assertEqual(compose.inherited(target, "USER"), "10001:10001", target)

    def test_loads_nothing_from_elsewhere(self):
        for stage in self.stages.values():
            for word, rest in stage.instructions:
                self.assertNotRegex(rest, r"\b(curl|wget|https?://)", stage.name)
                self.assertNotEqual(word, "ADD", stage.name)

    def test_copies_what_is_there(self):
        for stage in self.stages.values():
            for word, rest in stage.instructions:
                words = [part for part in rest.split() if not part.startswith("--chmod")]
                if word != "COPY" or words[0].startswith("--from") or "${" in words[0]:
                    continue
                for source in words[:-1]:
                    self.assertTrue((ROOT / source).exists(), f"{stage.name}: {source}")

    def test_builds_with_the_scripts_that_people_use(self):
        """So what README.md's commands do on a bare Debian 12 is what the images are built by."""
        [packages] = [rest for word, rest in self.stages["packages"].instructions if word == "RUN"]
        self.assertEqual(packages.split(" && ")[0], "/src/deploy/packages.sh")
        for stage, target in (("build", "programs"), ("build-cuda", "shoal-learner")):
            command = self.stages[stage].last("RUN")
            self.assertEqual(command.split("&&")[0].strip(), f"deploy/build.sh release {target}")
        quickstart = (ROOT / "deploy/quickstart.sh").read_text(encoding="utf-8")
        self.assertRegex(quickstart, r"(?m)^deploy/packages\.sh$")
        self.assertRegex(quickstart, r"(?m)^deploy/build\.sh release ")

    @need("git")
    def test_the_build_has_all_that_git_has(self):
        """Otherwise a file that is installed may be missing, and the revision is said to be changed."""
        tracked = run("git", "-C", str(ROOT), "ls-files")
        if tracked.returncode != 0:
            self.skipTest("this is no checkout")
        lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        patterns = [line.rstrip("/") for line in lines if line and not line.startswith("#")]
        self.assertIn("build*", patterns)
        self.assertIn("deploy/compose/certificates", patterns, "compose.tls.yaml's keys")
        for path in map(PurePath, tracked.stdout.splitlines()):
            for part in (path, *path.parents):
                for pattern in patterns:
                    anywhere = pattern.startswith("**/")
                    name = part.name if anywhere else str(part)
                    self.assertFalse(fnmatch.fnmatch(name, pattern.removeprefix("**/")), f"{path}: {pattern}")

    def test_entry_points_are_known(self):
        for target in ("coordinator", "learner", "actor", "learner-cuda"):
            command, role = compose.entry_point(target)
            self.assertEqual(command, "shoal-entry")
            self.assertEqual(role, target.split("-")[0])

    @unittest.skipUnless((ROOT / "build/bin/shoal").exists() and shutil.which("dpkg"), "nothing is built here")
    def test_images_have_the_libraries(self):
        """Every library that a program names comes from a package of its image, or one that it needs."""
        for target, program in (("actor", "shoal-actor"), ("cli", "shoal"), ("learner", "shoal-learner"),
                                ("coordinator", "shoal-coordinator"), ("runtime", "shoal-health")):
            dump = run("objdump", "-p", str(ROOT / "build/bin" / program))
            self.assertEqual(dump.returncode, 0, dump.stderr)
            paths = dict(re.findall(r"(\S+) => (\S+)", run("ldd", str(ROOT / "build/bin" / program)).stdout))
            # Those without a path are the loader itself.
            named = [paths[name] for name in re.findall(r"NEEDED\s+(\S+)", dump.stdout) if name in paths]
            # dpkg knows a library of /usr/lib by the name that it was packed under, which may be in /lib.
            both = {path.removeprefix("/usr") for path in named} | {"/usr" + path.removeprefix("/usr") for path in named}
            owners = dict(reversed(line.split(": ")) for line in run("dpkg", "-S", *both).stdout.splitlines())
            wanted = set()
            for path in named:
                short = path.removeprefix("/usr")
                owner = owners.get(short) or owners.get("/usr" + short)
                self.assertIsNotNone(owner, f"{program}: no package has {path}")
                wanted.add(owner.split(":")[0])
            has = self.packages(target)
            self.assertLessEqual(wanted, has, f"{program}: the image {target} lacks {sorted(wanted - has)}")

    def packages(self, target):
        """What the stage and those before it install, with what that depends on."""
        direct = {"libc6", "libstdc++6", "libgcc-s1"}
        while target in self.stages:
            for word, rest in self.stages[target].instructions:
                if word == "RUN" and "apt-get install" in rest:
                    words = rest.split("apt-get install", 1)[1].split("&&")[0].split()
                    direct.update(part for part in words if not part.startswith("-"))
            target = self.stages[target].base
        found, wait = set(), list(direct)
        while wait:
            package = wait.pop()
            if package not in found:
                found.add(package)
                wait += dependencies().get(package, [])
        return found


class Compose(unittest.TestCase):
    def setUp(self):
        self.file = compose.load()
        self.services = self.file["services"]

    def test_builds_targets_that_there_are(self):
        stages = compose.stages()
        for name, service in self.services.items():
            if "build" not in service:
                self.assertTrue(service["image"].startswith(FOREIGN_IMAGES), name)
                self.assertRegex(service["image"], r":\d+\.\d+\.\d+$", "a version that stays")
                continue
            self.assertIn(service["build"]["target"], stages)
            folder = (compose.COMPOSE.parent / service["build"]["context"]).resolve()
            self.assertEqual(folder, ROOT)
            self.assertEqual((folder / service["build"]["dockerfile"]).resolve(), compose.DOCKERFILE)

    def test_is_hardened(self):
        for name, service in self.services.items():
            self.assertTrue(service["read_only"], name)
            self.assertEqual(service["cap_drop"], ["ALL"], name)
            self.assertIn("no-new-privileges:true", service["security_opt"], name)
            self.assertIn("/tmp", service["tmpfs"], name)
            self.assertNotIn("privileged", service)

    def test_publishes_on_the_loopback_interface_only(self):
        for name, service in self.services.items():
            for port in service.get("ports", []):
                self.assertRegex(port, r"^127\.0\.0\.1:\d+:\d+$", name)

    def test_volumes_and_networks_are_declared(self):
        for name, service in self.services.items():
            for network in service["networks"]:
                self.assertIn(network, self.file["networks"], name)
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if not source.startswith("."):
                    self.assertIn(source, self.file["volumes"], name)
                elif source != "../grafana/dashboards" and source != "../grafana/provisioning":
                    self.assertTrue((compose.COMPOSE.parent / source).exists(), source)

    def test_waits_only_for_what_tells(self):
        order = {"service_started", "service_healthy"}
        for name, service in self.services.items():
            for other, wish in service.get("depends_on", {}).items():
                self.assertIn(other, self.services, name)
                self.assertIn(wish["condition"], order)
                if wish["condition"] == "service_healthy":
                    self.assertIn("healthcheck", self.services[other], f"{name} waits for {other}'s health")

    def test_the_coordinator_is_stopped_first(self):
        """Compose stops dependents first: none of those whom a commit needs may depend on it."""
        for worker in ("learner", "actor"):
            self.assertNotIn("coordinator", self.services[worker].get("depends_on", {}))
            self.assertIn(worker, self.services["coordinator"]["depends_on"])
        self.assertEqual(self.services["coordinator"]["stop_grace_period"], "10m")

    def test_the_environment_is_what_the_entry_point_knows(self):
        script = (ROOT / "deploy/docker/entry.sh").read_text(encoding="utf-8")
        for name in ("coordinator", "learner", "actor"):
            for variable in self.services[name]["environment"]:
                self.assertIn(f"{variable}:-", script, f"{name}: {variable}")
        tls = compose.load({}, compose.TLS)
        for name, service in tls["services"].items():
            self.assertIn(name, self.services)
            for variable in service["environment"]:
                self.assertIn(f"{variable}:-", script, f"{name}: {variable}")

    def test_variables_choose_the_run(self):
        chosen = compose.load({"RUN_PRESET": "dev_v33", "RUN_NAME": "mine"})["services"]["coordinator"]
        self.assertEqual(chosen["environment"]["RUN_PRESET"], "dev_v33")
        self.assertEqual(chosen["environment"]["RUN_NAME"], "mine")
        for name in ("RUN_PRESET", "RUN_NAME", "RUN_OPTIONS"):
            self.assertEqual(self.services["coordinator"]["environment"][name], "", "it waits for runs")
            for worker in ("learner", "actor"):
                self.assertNotIn(name, self.services[worker]["environment"])

    def test_prometheus_finds_every_program(self):
        config = yaml.safe_load((ROOT / "deploy/compose/prometheus.yml").read_text(encoding="utf-8"))
        [job] = config["scrape_configs"]
        [search] = job["dns_sd_configs"]
        self.assertEqual(set(search["names"]), {"coordinator", "learner", "actor"})
        script = (ROOT / "deploy/docker/entry.sh").read_text(encoding="utf-8")
        self.assertIn(f"SHOAL_METRICS_PORT:-{search['port']}", script)

    @need("promtool")
    def test_prometheus_reads_its_file(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(ROOT / "deploy/compose/prometheus.yml", folder)
            shutil.copytree(ROOT / "deploy/prometheus/rules", Path(folder) / "rules")
            said = run("promtool", "check", "config", f"{folder}/prometheus.yml")
            self.assertEqual(said.returncode, 0, said.stdout + said.stderr)

    @need("docker")
    def test_docker_compose_reads_it(self):
        if run("docker", "compose", "version").returncode != 0:
            self.skipTest("docker has no compose plugin here")
        for more in ([], ["-f", str(compose.TLS)]):
            said = run("docker", "compose", "-f", str(compose.COMPOSE), *more, "config", "--quiet")
            self.assertEqual(said.returncode, 0, said.stderr)


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


class Scripts(unittest.TestCase):
    @need("shellcheck")
    def test_shellcheck_finds_nothing(self):
        said = run("shellcheck", str(ROOT / "deploy/docker/entry.sh"))
        self.assertEqual(said.returncode, 0, said.stdout)

    def test_entry_is_plain_sh_and_says_what_it_takes(self):
        script = str(ROOT / "deploy/docker/entry.sh")
        self.assertEqual(run("sh", "-n", script).returncode, 0)
        said = run("sh", script)
        self.assertEqual(said.returncode, 2)
        self.assertIn("Usage: shoal-entry", said.stderr)
        said = run("sh", script, "harpooner")
        self.assertEqual(said.returncode, 2)
        self.assertIn("harpooner", said.stderr)


@unittest.skipUnless((ROOT / "build/bin/shoal").exists(), "nothing is built here")
class Init(unittest.TestCase):
    def init(self, folder, *more):
        return run(str(ROOT / "build/bin/shoal"), "init", "--out", folder, "--run_name", "one", *more)

    def test_makes_a_run_once(self):
        with tempfile.TemporaryDirectory() as folder:
            made = self.init(folder, "--preset", "dev_v33", "--seed", "7")
            self.assertEqual((made.returncode, made.stdout), (0, f"{folder}/one\n"), made.stderr)
            config = Path(folder, "one/config.textproto").read_text(encoding="utf-8")
            self.assertIn("seed: 7", config)
            again = self.init(folder)
            self.assertNotEqual(again.returncode, 0)
            self.assertIn("exists", again.stderr)
            left = self.init(folder, "--seed", "8", "--continue")
            self.assertEqual((left.returncode, left.stdout), (0, f"{folder}/one\n"), left.stderr)
            self.assertEqual(Path(folder, "one/config.textproto").read_text(encoding="utf-8"), config)


class Units(unittest.TestCase):
    UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))

    def test_there_are_three(self):
        self.assertEqual([unit.stem for unit in self.UNITS], ["shoal-actor@", "shoal-coordinator", "shoal-learner"])

    def test_set_only_what_the_entry_point_knows(self):
        script = (ROOT / "deploy/docker/entry.sh").read_text(encoding="utf-8")
        example = (ROOT / "deploy/systemd/shoal.env").read_text(encoding="utf-8")
        names = re.findall(r"^(\w+)=", example, re.M)
        for unit in self.UNITS:
            [line] = re.findall(r"^Environment=(.*)$", unit.read_text(encoding="utf-8"), re.M)
            names += re.findall(r"(\w+)=", line)
        for name in names:
            self.assertIn(f"{name}:-", script)

    @need("systemd-analyze")
    def test_systemd_reads_them_and_finds_them_closed(self):
        with tempfile.TemporaryDirectory() as folder:
            # The program need not be installed for its unit to be read.
            program = Path(folder) / "shoal-entry"
            program.write_text("#!/bin/sh\n", encoding="utf-8")
            program.chmod(0o755)
            for unit in self.UNITS:
                copy = Path(folder) / unit.name
                copy.write_text(unit.read_text(encoding="utf-8").replace("/usr/local/bin/shoal-entry", str(program)),
                                encoding="utf-8")
                said = run("systemd-analyze", "verify", "--man=no", str(copy))
                self.assertEqual((said.returncode, said.stderr), (0, ""), unit.name)
                # Of 10; 2.0 is where systemd begins to say "OK" less gladly.
                said = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(copy))
                self.assertEqual(said.returncode, 0, said.stdout[-300:])


if __name__ == "__main__":
    unittest.main()
