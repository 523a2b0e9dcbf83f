"""Writes the results of benchmarks into the pages' tables, between the markers

    <!-- table: NAME -->
    <!-- end of table -->

A page is written whole, or stays as it is.

Usage: tables.py RESULTS BUILD PAGE...
"""
import datetime
import re
import sys

import results
import scale_model
from results import Missing


def rate(value):
    """1.23 M, 45 k: three digits, or two where the first is large."""
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= 0.9995 * factor:
            return f"{digits(value / factor)}{unit}"
    return digits(value)


def digits(value):
    if value >= 99.95:
        return f"{value:.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}"


def duration(seconds):
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= factor:
            return f"{digits(seconds / factor)} {unit}"
    return f"{digits(seconds * 1e9)} ns"


def percent(share):
    return f"{100 * share:.0f} %" if share >= 0.0995 or share <= 0 else f"{100 * share:.1f} %"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * len(head)) + " |"]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


def world(r):
    on = {0: "off", 1: "on"}
    rows = []
    for fish, neighbors, penalty in ((22, 0, 0), (22, 1, 0), (22, 1, 1), (25, 1, 0), (96, 0, 0),
                                     (96, 1, 0), (96, 1, 1)):
        name = f"BM_StepObserveReward/fish:{fish}/neighbors:{neighbors}/penalty:{penalty}"
        rows.append([fish, on[neighbors], 0.04 if penalty else 0, rate(r.get(name, "items_per_second"))])
    return table(["fish", "neighbour features", "density penalty", "fish-steps/s"], rows)


def inference(r):
    rows = []
    for width in (64, 384):
        for count in (8, 64, 176, 400):
            rows.append([f"{width}, {width}", count]
                        + [rate(r.get(f"Infer/{backend}/{width}/{count}", "items_per_second"))
                           for backend in ("fused", "fused_avx2", "torch")])
    return table(["hidden layers", "rows a call", "fused, rows/s", "fused with AVX2, rows/s",
                  "LibTorch, rows/s"], rows)


def rollout(r):
    rows = []
    for width, fish, neighbors in ((1, 0, 0), (64, 0, 0), (64, 1, 0), (64, 1, 1), (384, 1, 1)):
        rows.append([f"{width}, {width}", fish or "all, filtered", "on" if neighbors else "off",
                     rate(r.get(f"Rollout/{width}/{fish}/{neighbors}", "items_per_second"))])
    return table(["hidden layers", "teaching fish", "neighbour features", "fish-steps/s"], rows)


def learner(r):
    rows = []
    for width, batch, kind in ((64, 512, "ReLU"), (384, 1024, "tanh")):
        for threads in (1, 2):
            name = f"Update/width:{width}/batch:{batch}/threads:{threads}"
            rows.append([f"{width}, {width} ({kind})", batch, threads, digits(1e3 * r.get(name, "step")),
                         digits(1e3 * r.get(name, "step_least")), rate(r.get(name, "rows")),
                         f"{r.get(name, 'peak') / 1e9:.0f}"]
                        + [f"{r.get(name, share):.2f}" for share in ("share", "share_of_slices")])
    return table(["hidden layers", "minibatch", "threads", "ms a step", "the least", "rows/s",
                  "peak, GFLOP/s", "share of the peak", "of products of a slice's size"], rows)


def row_stream(r):
    rows = []
    for name in ("BM_PushOverUnixSocket", "BM_PushOverLoopback", "BM_RawOverLoopback",
                 "BM_ProtobufAlone", "BM_ChunksAlone"):
        rows.append([f"`{name}`"]
                    + [rate(r.get(f"{name}/{fish}", "bytes_per_second")) for fish in (1, 22)]
                    + [duration(r.get(f"{name}/22", "cpu_seconds_per_megabyte"))])
    return table(["benchmark", "1 fish, bytes/s", "22 fish, bytes/s", "CPU a megabyte, 22 fish"], rows)


def wire(r):
    rows = []
    for fish in (1, 22):
        name = f"BM_PushOverLoopback/{fish}"
        raw = f"BM_RawOverLoopback/{fish}"
        rows.append([fish, "65", f"{r.get(name, 'wire_bytes_per_row'):.2f}",
                     f"{r.get(raw, 'wire_bytes_per_row'):.2f}",
                     f"{r.get(name, 'seconds') / r.get(raw, 'seconds'):.2f}",
                     f"{r.get(name, 'cpu_seconds_per_megabyte') / r.get(raw, 'cpu_seconds_per_megabyte'):.2f}"])
    return table(["teaching fish", "bytes of a row", "on the wire", "on the wire, raw bytes",
                  "time, protobuf / raw", "CPU, protobuf / raw"], rows)


def coordinator(r):
    rows = []
    for server, actors, asked in (("Leases", 100, 0), ("Leases", 1000, 0), ("Leases", 1000, 2500),
                                  ("Leases", 1000, 5000), ("Leases", 1000, 10000),
                                  ("BareLeases", 1000, 0), ("BareLeases", 1000, 2500)):
        name = f"{server}/actors:{actors}/rate:{asked}"
        head = ["coordinator" if server == "Leases" else "gRPC alone", actors, asked or "as many as can be"]
        if name not in r.benchmarks:
            rows.append([*head, "not reached", "", "", "", "", ""])
            continue
        rows.append([*head, digits(r.get(name, "leases_per_second")),
                     duration(r.get(name, "p50_seconds")), duration(r.get(name, "p99_seconds")),
                     duration(r.get(name, "cpu_seconds_per_lease")), percent(r.get(name, "cpu_share")),
                     f"{r.get(name, 'memory_mib'):.0f} MiB"])
    loop = "LoopLeases/actors:1000"
    if loop in r.benchmarks:
        rows.append(["run loop alone", 1000, "as many as can be", "", "", "",
                     duration(r.get(loop, "cpu_seconds_per_lease")), "", ""])
    if not r.names("Leases/"):
        raise Missing("no Leases")
    return table(["server", "actors", "leases/s asked for", "leases/s", "p50", "p99", "CPU a lease",
                  "of its core", "memory"], rows)


def service(r):
    rows = []
    for name in sorted(r.names("Service/")):
        rows.append([name.split(":")[-1], rate(r.get(name, "rollout_rows_per_second")),
                     rate(r.get(name, "learner_rows_per_second")), rate(r.get(name, "best_rows_per_second")),
                     rate(r.get(name, "rows_per_second")), f"{r.get(name, 'share_of_lower'):.2f}",
                     f"{r.get(name, 'share_of_best'):.2f}", percent(r.get(name, "push_share"))])
    if not rows:
        raise Missing("no Service")
    return table(["epochs", "rollouts alone, rows/s", "learner alone, rows/s", "both, best schedule, rows/s",
                  "through the service, rows/s", "share of the lower", "share of the best schedule",
                  "pushing rows, share of the time"], rows)


def overlap(r):
    rows = []
    for lag, evaluations in ((0, ""), (1, ""), (1, "/evaluations")):
        name = f"Overlap/policy_lag:{lag}{evaluations}"
        rows.append([lag, "with" if evaluations else "without", duration(r.get(name, "iteration_seconds")),
                     duration(r.get(name, "rollout_seconds")), duration(r.get(name, "update_seconds")),
                     percent(r.get(name, "learner_wait_share"))])
    return table(["policy_lag", "evaluations", "iteration", "rollout", "update", "the learner waits"], rows)


def whole_runs(r):
    rows = []
    for preset in ("school", "dev_v33"):
        if f"WholeRun/{preset}" not in r.benchmarks:
            continue
        def of(figure, name=f"WholeRun/{preset}"):
            return duration(r.get(name, figure + "_seconds"))
        rows.append([f"`{preset}`", of("wall"), of("training"), of("rollout_wall"), of("update"),
                     of("waiting"), of("last_evaluations"), of("files"), of("rollout_cpu"), of("push"),
                     of("evaluation")])
    if not rows:
        raise Missing("no WholeRun")
    return table(["preset", "whole", "training", "rollout", "update", "waiting", "last evaluations",
                  "start and files", "actors: rollouts and values", "actors: wire", "actors: evaluation"], rows)


def end_views(r):
    rows = []
    for preset in ("school", "dev_v33"):
        name = f"WholeRun/{preset}"
        if name not in r.benchmarks:
            continue
        rows.append([f"`{preset}`"]
                    + [f"{duration(r.get(name, part + '_seconds'))}"
                       f" ({duration(r.get(name, part + '_cpu_seconds'))})"
                       for part in ("video", "plot", "report")])
    if not rows:
        raise Missing("no WholeRun")
    return table(["preset", "videos", "plots", "report"], rows)


TABLES = {f.__name__: f for f in (world, inference, rollout, learner, row_stream, wire, coordinator,
                                  service, overlap, whole_runs, end_views)}
TABLES.update(scale=lambda r: table(*scale_model.measured(r)),
              scale_constants=lambda r: table(*scale_model.constants(r)),
              scale_model=lambda r: table(*scale_model.predicted(r)))

_MARKED = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(<!-- end of table -->)", re.DOTALL)


def fill(text, made):
    """The page with what `made(NAME)` returns in place of each table; None leaves it."""
    def one(match):
        lines = made(match.group(2))
        if lines is None:
            return match.group(0)
        return match.group(1) + "\n" + "\n".join(lines) + "\n\n" + match.group(4)
    return _MARKED.sub(one, text)


def written(text, found, machine):
    """The page with all of its tables, or None and what is missing: figures of different days or
    machines must not stand beside each other."""
    missing = []

    def made(name):
        if name == "machine":
            return [machine]
        if name not in TABLES:
            missing.append(f"{name}: there are {', '.join(sorted(TABLES))}")
            return None
        try:
            return TABLES[name](found)
        except Missing as error:
            missing.append(f"{name}: {error}")
            return None

    page = fill(text, made)
    return (None if missing else page), missing


def main(arguments):
    if len(arguments) < 3:
        sys.exit(__doc__)
    folder, build, pages = arguments[0], arguments[1], arguments[2:]
    found = results.Results(folder)
    machine = results.machine(build, datetime.date.today().isoformat())
    code = 0
    for page in pages:
        with open(page, encoding="utf-8") as file:
            text, missing = written(file.read(), found, machine)
        for what in missing:
            print(f"{page} stays as it is: table {what}", file=sys.stderr)
            code = 1
        if text is not None:
            with open(page, "w", encoding="utf-8") as file:
                file.write(text)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
