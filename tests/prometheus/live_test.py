#!/usr/bin/env python3
"""A real Prometheus looks at a real small run.

It must see series of all three programs, every metric that the alert rules and the Grafana
dashboard name, and, once an actor is killed, fire TargetDown. The rules are those of
deploy/prometheus; only what they wait for (`for:`) is made a second.

Usage: live_test.py BUILD_DIR. Exits with 77, which CTest takes for skipped, without prometheus.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/rules/shoal.yml"
DASHBOARD = ROOT / "deploy/grafana/dashboards/shoal.json"
PATIENCE = 240  # Seconds; only a hang gets there.
ROWS = ["Is it learning?", "Gate and schedules", "Tail queue and NE hot spot", "Throughput",
        "Staleness and leases", "Processes"]


def free_ports(count):
    """The first of so many ports in a row that are free now."""
    for _ in range(100):
        taken = []
        try:
            first = socket.socket()
            taken.append(first)
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            for offset in range(1, count):
                taken.append(socket.socket())
                taken[-1].bind(("127.0.0.1", port + offset))
            return port
        except (OSError, OverflowError):
            continue
        finally:
            for one in taken:
                one.close()
    raise SystemExit("no %d free ports in a row" % count)


def named_metrics(text):
    return set(re.findall(r"\b(?:shoal|process)_[a-z0-9_]+", text))


def dashboard_expressions():
    """All PromQL of the dashboard; what a panel needs to be understood is checked by the way."""
    board = json.loads(DASHBOARD.read_text())
    rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    assert rows == ROWS, rows
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    expressions = []
    for panel in board["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["description"] and panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        expressions += [target["expr"] for target in panel["targets"]]
    return expressions


class Prometheus:
    def __init__(self, folder, port, targets, log):
        self.url = "http://127.0.0.1:%d/api/v1/" % port
        rules = re.sub(r"(?m)^(\s*for:) .*$", r"\1 1s", RULES.read_text())
        (folder / "rules.yml").write_text(rules)
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yml")],
            "scrape_configs": [{"job_name": "shoal", "static_configs": [{"targets": targets}]}],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML.
        self.process = subprocess.Popen(
            ["prometheus", "--config.file=%s" % (folder / "prometheus.yml"),
             "--storage.tsdb.path=%s" % (folder / "data"),
             "--web.listen-address=127.0.0.1:%d" % port],
            stdout=log, stderr=log)

    def get(self, path, **arguments):
        """The data of an answer; None where there is no answer yet."""
        try:
            with urllib.request.urlopen(
                    self.url + path + "?" + urllib.parse.urlencode(arguments), timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return None
            raise SystemExit("%s %s: %s" % (path, arguments, error.read().decode()))
        except OSError:
            return None

    def query(self, expression):
        data = self.get("query", query=expression)
        return data["result"] if data else []


def wait_for(what, condition, processes):
    """Polls until the condition gives something, and returns that."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        for process in processes:
            if process.poll() is not None:
                raise SystemExit("%s ended before %s" % (process.args[0], what()))
        time.sleep(0.1)  # The pace of the poll.
    raise SystemExit("not seen: %s" % what())


def child_of(parent, program):
    """Process ids of this program among a process' children."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            name = (stat.parent / "cmdline").read_text().split("\0")[0]
        except OSError:
            continue
        if int(fields[1]) == parent and name.endswith("/" + program):
            found.append(int(stat.parent.name))
    return found


def train(build, folder, port, log):
    shoal = str(build / "bin/shoal")
    tail = str(folder / "tail.json")
    subprocess.run([shoal, "tail", "make", "--sector", "90-150", "--speed", "0.2-1.35", "--count",
                    "40", "--seed", "7", "--out", tail], check=True, stdout=log, stderr=log)
    # Long enough to be looked at. Nothing has learned to flee, so there are step-one deaths.
    return subprocess.Popen(
        [shoal, "train", "--run_name", "seen", "--out", str(folder / "runs"), "--curriculum",
         "9:500,12:500", "--num_envs", "12", "--envs_per_shard", "5", "--n_steps", "24",
         "--batch_size", "100", "--n_epochs", "2", "--policy_hidden_sizes", "32,16",
         "--multi_eval_interval", "2", "--eval_multi_fish", "12", "--eval_multi_episodes", "3",
         "--eval_episodes", "1", "--gate_delay", "0", "--episode_limit", "60",
         "--tail_seed_stage_spec", "3:" + tail, "--tail_inject", "every_rollout",
         "--tail_inject_fraction", "0.5", "--seed", "11", "--actors", "2",
         "--metrics_port", str(port)], stdout=log, stderr=log)


def look(prometheus, run, port, processes):
    expressions = dashboard_expressions()
    wanted = named_metrics(" ".join(expressions)) | named_metrics(
        "\n".join(re.findall(r"expr: '(.*)'", RULES.read_text())))
    assert len(wanted) > 40, wanted
    missing = set()

    def all_there():
        nonlocal missing
        missing = wanted - set(prometheus.get("label/__name__/values") or [])
        return not missing

    wait_for(lambda: "metrics that rules or dashboard name: %s" % sorted(missing), all_there,
             processes)
    programs = {sample["metric"]["program"] for sample in prometheus.query("shoal_build_info")}
    assert programs == {"coordinator", "learner", "actor"}, programs
    unclear = []
    for expression in expressions:
        # Any error of the query ends the test.
        if not prometheus.query(expression.replace("$job", ".+")):
            unclear.append(expression)
    print("%d metrics seen; %d of %d panels' queries empty in the first seconds: %s" %
          (len(wanted), len(unclear), len(expressions), unclear))
    for total in ("shoal_learner_rows_received_total", "shoal_actor_rows_sent_total",
                  'shoal_rpc_server_handled_total{method="RowService.PushRows",code="OK"}',
                  'shoal_rpc_client_handled_total{method="RowService.PushRows",code="OK"}',
                  'shoal_learner_phase_seconds_count{phase="learn"}'):
        wait_for(lambda: total + " > 0", lambda: prometheus.query("sum(%s) > 0" % total), processes)

    for offset in range(3):  # Coordinator, learner, an actor.
        url = "http://127.0.0.1:%d/metrics" % (port + offset)
        with urllib.request.urlopen(url, timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        # What prometheus-cpp says of itself is not ours to name.
        ours = "\n".join(line for line in lines if "exposer_" not in line) + "\n"
        check = subprocess.run(["promtool", "check", "metrics"], input=ours, text=True,
                               capture_output=True)
        assert check.returncode == 0, url + "\n" + check.stdout + check.stderr
    # It fired while the programs were starting.
    wait_for(lambda: "all targets up", lambda: len(prometheus.query("up == 1")) == 4 and
             not prometheus.query('ALERTS{alertname="TargetDown",alertstate="firing"}'), processes)
    # The actors' supervisor starts one that died again; one that is stopped stays and says nothing.
    actor = child_of(run.pid, "shoal-actor")[0]
    os.kill(actor, signal.SIGSTOP)
    try:
        fired = wait_for(
            lambda: "TargetDown and ActorsMissing firing; there is %s" % prometheus.query("ALERTS"),
            lambda: prometheus.query('ALERTS{alertname="TargetDown",alertstate="firing"}') and
            prometheus.query('ALERTS{alertname="ActorsMissing",alertstate="firing"}'), processes)
        print("fired:", fired)
    finally:
        os.kill(actor, signal.SIGCONT)
    wait_for(lambda: "TargetDown resolved",
             lambda: prometheus.get("query", query="1") and
             not prometheus.query('ALERTS{alertname="TargetDown",alertstate="firing"}'), processes)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        print("skipped: prometheus is not installed (Debian's package prometheus)")
        return 77
    folder = pathlib.Path(tempfile.mkdtemp(prefix="shoal-prometheus-"))
    log_path = folder / "log"
    port = free_ports(5)
    processes = []
    done = False
    try:
        with open(log_path, "w") as log:
            run = train(build, folder, port, log)
            processes.append(run)
            targets = ["127.0.0.1:%d" % (port + i) for i in range(4)]
            prometheus = Prometheus(folder, port + 4, targets, log)
            processes.append(prometheus.process)
            look(prometheus, run, port, processes)
            done = True
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        if not done:
            print(log_path.read_text()[-4000:], file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
