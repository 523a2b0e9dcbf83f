"""Runs the benchmarks of two builds in alternation and says which figures moved.

Usage: compare.py BUILD OTHER_BUILD [FILTER]   (FILTER: of Google Benchmark; environment PAIRS: how
many pairs, 7 where it is not set)
"""
import os
import subprocess
import sys

from paired import Ratio
from results import figures

PROGRAMS = ["world_bench", "inference_bench", "rollout_bench", "row_stream_bench", "learner_bench",
            "coordinator_bench", "scale_bench"]
# Of no interest beside the rates and seconds that they belong to, or set by the benchmark.
LEFT_OUT = {"seconds", "rows_per_item", "items", "hold_seconds", "peak"}


def better_if_higher(figure):
    return figure.endswith(("_per_second", "rows", "flops")) or figure.startswith("share")


def measure(build, program, filter_):
    command = [os.path.join(build, "bench", program), "--benchmark_format=json",
               "--benchmark_min_time=0.1", f"--benchmark_filter={filter_}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return figures(done.stdout) if done.stdout.strip() else {}


def join(pairs):
    """{(benchmark, figure): ([of the first build], [of the second])} of what all pairs have."""
    joined = {}
    for one, other in pairs:
        for benchmark, values in one.items():
            names = [name for name in values if name not in LEFT_OUT
                     and not (name == "items_per_second" and "bytes_per_second" in values)] or ["seconds"]
            for name in names:
                if name not in other.get(benchmark, {}):
                    continue
                first, second = joined.setdefault((benchmark, name), ([], []))
                first.extend(values[name])
                second.extend(other[benchmark][name])
    return {key: (first, second) for key, (first, second) in joined.items()
            if len(first) == len(second) >= 2 and min(first) > 0 and min(second) > 0}


def report(joined):
    """Lines of a table, those that moved first."""
    lines = []
    for (benchmark, figure), (first, second) in joined.items():
        ratio = Ratio(first, second, figures=len(joined))
        verdict = "-"
        if ratio.moved:
            verdict = "better" if (ratio.ratio > 1) == better_if_higher(figure) else "worse"
        lines.append((not ratio.moved, benchmark, figure,
                      f"{ratio.ratio:.3f} | {ratio.low:.3f} to {ratio.high:.3f} | {verdict} |"))
    table = ["| figure | this / other | 95 % interval | moved |", "| --- | --- | --- | --- |"]
    return table + [f"| {benchmark} {figure} | {text}" for _, benchmark, figure, text in sorted(lines)]


def main(arguments):
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    build, other = arguments[:2]
    filter_ = arguments[2] if len(arguments) == 3 else "."
    count = int(os.environ.get("PAIRS", "7"))
    if count < 2:
        sys.exit("PAIRS must be at least 2")
    joined = {}
    for program in PROGRAMS:
        if not all(os.path.exists(os.path.join(b, "bench", program)) for b in (build, other)):
            print(f"{program}: not in both builds, left out", file=sys.stderr)
            continue
        pairs = []
        for number in range(count):
            # Which of them comes first alternates, too.
            order = (build, other) if number % 2 == 0 else (other, build)
            found = {b: measure(b, program, filter_) for b in order}
            if not found[build]:
                break
            pairs.append((found[build], found[other]))
            print(f"{program}: pair {number + 1} of {count}", file=sys.stderr)
        joined.update(join(pairs))
    if not joined:
        sys.exit(f"no benchmark of both builds has a name that {filter_} finds")
    print("\n".join(report(joined)))
    print("\n`moved`: the interval excludes 1 at a level that holds for all figures together "
          "(5 % over the number of figures).")


if __name__ == "__main__":
    main(sys.argv[1:])
