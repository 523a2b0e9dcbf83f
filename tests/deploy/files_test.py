#!/usr/bin/env python3
"""The files of deploy/ fit each other and the programs: images, compose, units, scripts. Kubernetes has
kubernetes_test.py.

Ends with 77, which CTest takes for skipped, without python3-yaml. What is checked with programs that are
not installed here is skipped by itself.
"""

import fnmatch
import functools
import re
import shutil
import sys
import tempfile
import unittest
from pathlib import Path, PurePath

try:
    import yaml

    import compose
    from tools import need, run
except ImportError as missing:
    print(f"skipped: {missing} (Debian's package python3-yaml)")
    sys.exit(77)

ROOT = compose.ROOT
# Written by people, not made by the Dockerfile.
FOREIGN_IMAGES = ("grafana/grafana",)


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
                words = rest.split()
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
