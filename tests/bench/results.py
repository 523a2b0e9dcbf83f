"""Results of benchmarks: Google Benchmark's JSON, also where another program wrote it."""
import glob
import json
import os
import re
import statistics
import subprocess


class Missing(Exception):
    """A benchmark that a table needs was not run, or failed."""


# What Google Benchmark says of a run and is no figure.
_NOT_FIGURES = {"family_index", "per_family_instance_index", "repetitions", "repetition_index",
                "threads", "iterations", "cpu_time"}
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def figures(text):
    """{benchmark: {figure: [values of all repetitions]}} of one JSON text; seconds for times."""
    found = {}
    for entry in json.loads(text).get("benchmarks", []):
        if entry.get("run_type", "iteration") != "iteration" or entry.get("error_occurred"):
            continue
        # Options of the measurement, not of what is measured.
        name = re.sub(r"/(real_time|process_time|manual_time|iterations:\d+)(?=/|$)", "", entry["name"])
        one = found.setdefault(name, {})
        for key, value in entry.items():
            if key in _NOT_FIGURES or isinstance(value, (str, bool)):
                continue
            if key == "real_time":
                key, value = "seconds", value * _UNITS[entry["time_unit"]]
            one.setdefault(key, []).append(float(value))
    return found


class Results:
    """All JSON files of a folder."""

    def __init__(self, folder):
        self.benchmarks = {}
        for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
            with open(path, encoding="utf-8") as file:
                try:
                    self.benchmarks.update(figures(file.read()))
                except json.JSONDecodeError as error:
                    raise Missing(f"{path} is not whole: {error}") from error

    def get(self, benchmark, figure):
        """The median over repetitions."""
        values = self.benchmarks.get(benchmark, {}).get(figure)
        if not values:
            raise Missing(f"no {figure} of {benchmark}")
        return statistics.median(values)

    def names(self, prefix):
        return [name for name in self.benchmarks if name.startswith(prefix)]


def write(path, benchmarks):
    """benchmarks: {name: {figure: value}}, in the form that Results reads."""
    entries = [{"name": name, "run_type": "iteration", **values}
               for name, values in benchmarks.items()]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"benchmarks": entries}, file, indent=1)


def cpu_model(cpuinfo):
    match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    words = set(flags.group(1).split()) if flags else set()
    best = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in words),
                "no AVX2")
    return f"{match.group(1).strip() if match else 'unknown CPU'} ({best})"


def machine(build, date):
    """One sentence: CPU, cores, memory, system, build, date."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = cpu_model(file.read())
    with open("/proc/meminfo", encoding="utf-8") as file:
        gib = int(re.search(r"MemTotal:\s+(\d+)", file.read()).group(1)) / 2**20
    system = "unknown system"
    with open("/etc/os-release", encoding="utf-8") as file:
        system = re.search(r'^PRETTY_NAME="?([^"\n]+)', file.read(), re.MULTILINE).group(1)
    version = subprocess.run([os.path.join(build, "bin/shoal"), "--version"], capture_output=True,
                             text=True, check=True).stdout.strip()
    return f"{cpu}, {os.cpu_count()} cores, {gib:.0f} GiB, {system}; {version}; {date}."
