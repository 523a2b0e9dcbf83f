"""Whole runs of the real programs, timed: where the seconds go, and what the service costs.

Usage: whole_runs.py BUILD RESULTS.json [WHAT]...   (WHAT: school, dev_v33, overlap, service; default all)

  WholeRun/PRESET        a preset to its end, with two actors and two learner threads; then its videos,
                         plots and report once more, one after the other, each with its processor time
  Overlap/policy_lag:L   `school` without evaluations: the learner's waiting share of an iteration
  Overlap/policy_lag:1/evaluations    the same with the preset's evaluations, which must not hold it up
  Service/epochs:E       rows/s of `school` through coordinator, learner (one thread) and one actor with
                         policy_lag 1, of its rollouts alone (its items computed once more by
                         `shoal verify`, which compares them, too) and of its learner alone; with fewer
                         and more epochs than the preset's, so that either part is the slower one. And
                         what both could do together: no iteration has as many rows as the next, and
                         with policy_lag 1 one waits for the other again and again
"""
import csv
import glob
import os
import re
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

import results

# The preset has 4.
SERVICE_EPOCHS = (2, 4, 8)
SERVICE_ROUNDS = 2


def read_metrics(run):
    with open(os.path.join(run, "metrics.csv"), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def column(rows, name):
    return [float(row[name]) for row in rows if row[name] != ""]


def walls(rows):
    """Seconds of each iteration from commit to commit."""
    return [float(row["rows"]) / float(row["rows_per_second"]) for row in rows
            if row["rows_per_second"] not in ("", "0", "0.0")]


def totals(logs):
    """Sums of what actors say they have done, over the texts of their logs."""
    sums = {}
    for text in logs:
        for line in text.splitlines():
            if "actor has done" not in line:
                continue
            for name, value in re.findall(r"(\w+)=([0-9.eE+-]+)", line):
                sums[name] = sums.get(name, 0.0) + float(value)
    if not sums:
        raise results.Missing("no actor says what it has done")
    return sums


def learner_wait(rows):
    """Share of the iterations' time, the first left out, in which the learner has no update to do."""
    later = rows[1:]
    return 1 - sum(column(later, "update_seconds")) / sum(walls(later))


def train(build, out, name, *options):
    """Returns the run's folder and its wall seconds."""
    command = [os.path.join(build, "bin/shoal"), "train", f"--out={out}", f"--run_name={name}", *options]
    begin = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    seconds = time.monotonic() - begin
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return os.path.join(out, name), seconds


def actors_logs(run):
    texts = []
    for path in sorted(glob.glob(os.path.join(run, "logs", "actor*.log"))):
        with open(path, encoding="utf-8", errors="replace") as file:
            texts.append(file.read())
    return texts


def split(run, wall):
    """Seconds of a finished run by where they went."""
    rows = read_metrics(run)
    done = totals(actors_logs(run))
    with sqlite3.connect(f"file:{run}/run.db?mode=ro", uri=True) as db:
        created, = db.execute("SELECT created_at FROM run").fetchone()
        committed, = db.execute("SELECT max(committed_at) FROM iterations").fetchone()
        judged, = db.execute("SELECT coalesce(max(finished_at), 0) FROM evaluations").fetchone()
    training = (committed - created) / 1e6
    evaluated = max(committed, judged)
    return {
        "wall_seconds": wall,
        "training_seconds": training,
        # After the last commit: the evaluations left, then report, videos and summary.
        "last_evaluations_seconds": (evaluated - committed) / 1e6,
        "files_seconds": max(0.0, wall - (evaluated - created) / 1e6),
        "rollout_wall_seconds": sum(column(rows, "rollout_seconds")),
        "rollout_cpu_seconds": done["rollout_seconds"],
        "push_seconds": done["push_seconds"],
        "evaluation_seconds": done["evaluation_seconds"],
        "update_seconds": sum(column(rows, "update_seconds")),
        "waiting_seconds": sum(column(rows, "waiting_seconds")),
        "iterations": float(len(rows)),
        "rows": sum(column(rows, "rows")),
    }


def processor_seconds():
    """Of all children that have ended, and theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def views(build, run):
    """Seconds that the files made at a run's end take, made once more: on the clock and of processors."""
    found = {}
    for name in ("video", "plot", "report"):
        before, begin = processor_seconds(), time.monotonic()
        done = subprocess.run([os.path.join(build, "bin/shoal"), name, run], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, check=False)
        found[f"{name}_seconds"] = time.monotonic() - begin
        found[f"{name}_cpu_seconds"] = processor_seconds() - before
        if done.returncode != 0:
            sys.exit(f"shoal {name} {run} ended with {done.returncode}: {done.stderr.strip()}")
    return found


def whole_run(build, out, preset):
    before = processor_seconds()
    run, wall = train(build, out, preset, f"--preset={preset}", "--seed=1", "--actors=2",
                      "--learner_threads=2")
    used = processor_seconds() - before
    return {f"WholeRun/{preset}": {**split(run, wall), "cpu_seconds": used, **views(build, run)}}


def overlapped(rows):
    """Means of the iterations after the first."""
    later = rows[1:]
    return {
        "learner_wait_share": learner_wait(rows),
        "iteration_seconds": sum(walls(later)) / len(later),
        "update_seconds": sum(column(later, "update_seconds")) / len(later),
        "rollout_seconds": sum(column(later, "rollout_seconds")) / len(later),
    }


def overlap(build, out):
    without = ["--multi_eval_interval=0", "--skip_final_eval"]
    found = {}
    for name, options in (("policy_lag:0", ["--policy_lag=0", *without]),
                          ("policy_lag:1", ["--policy_lag=1", *without]),
                          ("policy_lag:1/evaluations", ["--policy_lag=1", "--tail_replay_count=0"])):
        run, _ = train(build, out, re.sub(r"\W", "_", name), "--preset=school", "--seed=1", "--actors=2",
                       "--learner_threads=1", *options)
        found[f"Overlap/{name}"] = overlapped(read_metrics(run))
    return found


def rollouts_alone(build, run):
    """Rows/s of a run's items computed once more on one core, and how many rows an item has."""
    begin = time.monotonic()
    verified = subprocess.run([os.path.join(build, "bin/shoal"), "verify", run], capture_output=True,
                              text=True, check=False)
    seconds = time.monotonic() - begin
    counted = re.search(r"(\d+) iterations \((\d+) shards\)", verified.stdout)
    if verified.returncode != 0 or counted is None:
        sys.exit(f"shoal verify {run}: {verified.stdout}{verified.stderr}")
    # States of old iterations are not kept: what is left is computed again.
    again = [row for row in read_metrics(run) if f"equal    iteration {row['iteration']}:" in verified.stdout]
    rows = sum(column(again, "rows"))
    # All iterations have as many shards.
    return rows / seconds, rows / float(counted.group(2))


def learner_alone(build):
    """Rows/s of one thread at the preset's width and minibatch, each row once."""
    done = subprocess.run([os.path.join(build, "bench/learner_bench"), "--benchmark_format=json",
                           "--benchmark_filter=width:64/batch:512/threads:1/"],
                          capture_output=True, text=True, check=True)
    found, = results.figures(done.stdout).values()
    return statistics.median(found["rows"])


def best_schedule(rollouts, updates):
    """Seconds until the last update with policy_lag 1, where each iteration's rollouts and update take so
    long and nothing else takes any time: rollouts begin after those before and the last update but one, an
    update after its rollouts and the update before."""
    rolled, updated = [0.0], [0.0, 0.0]
    for rollout, update in zip(rollouts, updates):
        rolled.append(max(rolled[-1], updated[-2]) + rollout)
        updated.append(max(rolled[-1], updated[-1]) + update)
    return updated[-1]


def best_rows_per_second(rows, rollout_rows_per_second, learner_rows_per_second):
    """Of a run whose parts are as quick as they are alone. What rollouts cost is in the steps of fish."""
    count, steps = column(rows, "rows"), column(rows, "fish_steps")
    step = sum(count) / rollout_rows_per_second / sum(steps)
    return sum(count) / best_schedule([step * n for n in steps], [n / learner_rows_per_second for n in count])


def through_service(build, out, name, epochs):
    """Rows/s of `school` with one actor and one learner thread, and what its actor says."""
    run, _ = train(build, out, name, "--preset=school", "--seed=1", "--actors=1", "--learner_threads=1",
                   "--policy_lag=1", "--multi_eval_interval=0", "--skip_final_eval",
                   "--checkpoint_interval=1", f"--n_epochs={epochs}", "--artifacts=data")
    rows = read_metrics(run)
    done = totals(actors_logs(run))
    count = sum(column(rows, "rows"))
    return run, {"rows_per_second": count / sum(walls(rows)),
                 "push_share": done["push_seconds"] / sum(walls(rows)),
                 "in_service_rollout_rows_per_second": count / done["rollout_seconds"]}


def service(build, out):
    """Each round measures the parts and the whole, so that a machine that changes changes both."""
    rounds = {epochs: [] for epochs in SERVICE_EPOCHS}
    for i in range(SERVICE_ROUNDS):
        learner = learner_alone(build)
        for epochs in SERVICE_EPOCHS:
            run, found = through_service(build, out, f"service_{i}_{epochs}", epochs)
            rollouts, rows_per_item = rollouts_alone(build, run)
            lower = min(rollouts, learner / epochs)
            best = best_rows_per_second(read_metrics(run), rollouts, learner / epochs)
            rounds[epochs].append({**found, "rows_per_item": rows_per_item,
                                   "rollout_rows_per_second": rollouts,
                                   "learner_rows_per_second": learner / epochs,
                                   "best_rows_per_second": best,
                                   "share_of_best": found["rows_per_second"] / best,
                                   "share_of_lower": found["rows_per_second"] / lower})
    return {f"Service/epochs:{epochs}": {figure: statistics.median(found[figure] for found in all_rounds)
                                         for figure in all_rounds[0]}
            for epochs, all_rounds in rounds.items()}


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    build, path = arguments[:2]
    what = arguments[2:] or ["school", "dev_v33", "overlap", "service"]
    out = tempfile.mkdtemp(prefix="shoal-whole-runs-")
    found = {}
    try:
        for name in what:
            print(f"whole runs: {name}", file=sys.stderr)
            if name in ("school", "dev_v33"):
                found.update(whole_run(build, out, name))
            else:
                found.update({"overlap": overlap, "service": service}[name](build, out))
            results.write(path, found)
    finally:
        shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
