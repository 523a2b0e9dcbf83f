"""The benchmarks' scripts, on made-up results. Usage: scripts_test.py (unittest's options)"""
import json
import math
import os
import sqlite3
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compare
import paired
import results
import scale_model
import tables
import whole_runs


def made(benchmarks):
    """Results as if a benchmark had given these figures."""
    found = results.Results(os.devnull)
    found.benchmarks = {name: {figure: [value] for figure, value in values.items()}
                        for name, values in benchmarks.items()}
    return found


class Paired(unittest.TestCase):
    def test_quantiles_are_those_of_the_tables(self):
        for probability, freedom, expected in ((0.975, 1, 12.7062), (0.975, 4, 2.7764),
                                               (0.975, 9, 2.2622), (0.995, 6, 3.7074),
                                               (0.95, 30, 1.6973), (0.9995, 6, 5.9588)):
            self.assertAlmostEqual(paired.t_quantile(probability, freedom), expected, places=3)

    def test_probabilities_are_symmetric(self):
        for t in (0.1, 1, 5):
            self.assertAlmostEqual(paired.t_below(t, 5) + paired.t_below(-t, 5), 1)
        self.assertAlmostEqual(paired.t_below(0, 3), 0.5)

    def test_interval_of_a_known_sample(self):
        # Logarithms 0.1, 0.2, 0.3: mean 0.2, standard error 0.1 / sqrt(3).
        ratio = paired.Ratio([math.exp(x) for x in (0.1, 0.2, 0.3)], [1, 1, 1])
        half = 4.3027 * 0.1 / math.sqrt(3)
        self.assertAlmostEqual(ratio.ratio, math.exp(0.2))
        self.assertAlmostEqual(math.log(ratio.low), 0.2 - half, places=4)
        self.assertAlmostEqual(math.log(ratio.high), 0.2 + half, places=4)
        self.assertFalse(ratio.moved)

    def test_pairs_take_out_what_both_share(self):
        # A machine that gets slower and slower: the builds' own figures overlap by far.
        first = [100, 80, 50, 30, 20]
        second = [x * 1.05 * (1 + 0.002 * (i % 2)) for i, x in enumerate(first)]
        ratio = paired.Ratio(first, second)
        self.assertTrue(ratio.moved)
        self.assertLess(ratio.high, 1)

    def test_more_figures_ask_for_more(self):
        first, second = [1.02, 1.03, 1.01, 1.04], [1, 1, 1, 1]
        self.assertTrue(paired.Ratio(first, second, figures=1).moved)
        self.assertFalse(paired.Ratio(first, second, figures=1000).moved)

    def test_refuses_what_is_no_pair(self):
        for first, second in (([1], [1]), ([1, 2], [1]), ([0, 1], [1, 1])):
            with self.assertRaises(ValueError):
                paired.Ratio(first, second)


class Figures(unittest.TestCase):
    TEXT = json.dumps({"benchmarks": [
        {"name": "BM_A/1/real_time", "run_type": "iteration", "iterations": 5, "real_time": 2.0,
         "cpu_time": 1.0, "time_unit": "ms", "items_per_second": 10.0, "label": "avx2"},
        {"name": "BM_A/1/real_time", "run_type": "iteration", "iterations": 5, "real_time": 4.0,
         "cpu_time": 1.0, "time_unit": "ms", "items_per_second": 30.0, "label": "avx2"},
        {"name": "BM_A/1/real_time_mean", "run_type": "aggregate", "real_time": 3.0, "time_unit": "ms"},
        {"name": "L/actors:8/iterations:1/manual_time", "run_type": "iteration", "real_time": 4.0,
         "time_unit": "s", "p99_seconds": 0.5},
        {"name": "Broken", "run_type": "iteration", "real_time": 1.0, "time_unit": "s",
         "error_occurred": True}]})

    def test_reads_repetitions_and_leaves_out_what_failed(self):
        found = results.figures(self.TEXT)
        self.assertEqual(found["BM_A/1"], {"seconds": [0.002, 0.004], "items_per_second": [10.0, 30.0]})
        self.assertEqual(found["L/actors:8"]["p99_seconds"], [0.5])
        self.assertNotIn("Broken", found)

    def test_own_results_come_back(self):
        with tempfile.TemporaryDirectory() as folder:
            results.write(os.path.join(folder, "own.json"), {"Service": {"rows_per_second": 5.0}})
            found = results.Results(folder)
            self.assertEqual(found.get("Service", "rows_per_second"), 5.0)
            with self.assertRaises(results.Missing):
                found.get("Service", "nothing")

    def test_names_the_cpu(self):
        text = "model name\t: Fast CPU @ 2 GHz\nflags\t\t: fpu avx2 avx512f\n"
        self.assertEqual(results.cpu_model(text), "Fast CPU @ 2 GHz (AVX-512)")


class Comparison(unittest.TestCase):
    def test_says_which_moved_and_how(self):
        pairs = []
        for i in range(6):
            noise = 1 + 0.001 * (i % 3)
            one = {"W": {"items_per_second": [200.0 * noise], "seconds": [1.0]},
                   "L": {"p99_seconds": [0.02 * noise]}, "S": {"rows_per_second": [50.0 * noise]}}
            other = {"W": {"items_per_second": [100.0], "seconds": [1.0]}, "L": {"p99_seconds": [0.01]},
                     "S": {"rows_per_second": [50.0 * (1 + 0.001 * ((i + 1) % 3))]}}
            pairs.append((one, other))
        joined = compare.join(pairs)
        self.assertEqual(set(joined), {("W", "items_per_second"), ("L", "p99_seconds"),
                                       ("S", "rows_per_second")})
        lines = compare.report(joined)[2:]
        self.assertRegex(lines[0], r"^\| L p99_seconds \| 2\.00\d \| .* \| worse \|$")
        self.assertRegex(lines[1], r"^\| W items_per_second \| 2\.00\d \| .* \| better \|$")
        self.assertRegex(lines[2], r"^\| S rows_per_second \| 1\.00\d|0\.99\d \| .* \| - \|$")

    def test_seconds_where_there_is_nothing_else(self):
        pairs = [({"R": {"seconds": [1.0]}}, {"R": {"seconds": [2.0]}})] * 3
        self.assertEqual(set(compare.join(pairs)), {("R", "seconds")})


class Tables(unittest.TestCase):
    def test_numbers_for_people(self):
        self.assertEqual([tables.rate(x) for x in (71.2e6, 2.8e6, 160.4e3, 999.9e3, 12.34, 999.4)],
                         ["71.2 M", "2.80 M", "160 k", "1.00 M", "12.3", "999"])
        self.assertEqual([tables.duration(x) for x in (1.5, 0.0187, 83e-6, 5e-9)],
                         ["1.50 s", "18.7 ms", "83.0 us", "5.00 ns"])
        self.assertEqual([tables.percent(x) for x in (0.5, 0.031, 0)], ["50 %", "3.1 %", "0 %"])

    def test_only_what_stands_between_markers_changes(self):
        page = ("# Title\n<!-- table: one -->\nold\n<!-- end of table -->\nprose\n"
                "<!-- table: two -->\n\nkept\n\n<!-- end of table -->\nend\n")
        filled = tables.fill(page, lambda name: ["| new |"] if name == "one" else None)
        self.assertEqual(filled, "# Title\n<!-- table: one -->\n\n| new |\n\n<!-- end of table -->\n"
                                 "prose\n<!-- table: two -->\n\nkept\n\n<!-- end of table -->\nend\n")
        self.assertEqual(tables.fill(filled, lambda name: ["| new |"] if name == "one" else None), filled)

    def test_a_page_is_written_whole_or_not(self):
        page = "<!-- table: overlap -->\n<!-- end of table -->\n"
        figures = {"iteration_seconds": 0.5, "rollout_seconds": 0.2, "update_seconds": 0.25,
                   "learner_wait_share": 0.5}
        text, missing = tables.written(page, made({"Overlap/policy_lag:0": figures}), "machine")
        self.assertIsNone(text)
        self.assertEqual(missing, ["overlap: no iteration_seconds of Overlap/policy_lag:1"])
        text, missing = tables.written(page, made({"Overlap/policy_lag:0": figures,
                                                   "Overlap/policy_lag:1": figures,
                                                   "Overlap/policy_lag:1/evaluations": figures}), "machine")
        self.assertEqual(missing, [])
        self.assertIn("| 0 | without | 500 ms | 200 ms | 250 ms | 50 % |", text)

    def test_all_tables_are_as_wide_as_their_heads(self):
        class Everything(dict):
            """As if every benchmark had been run."""
            def __contains__(self, name):
                return True

            def get(self, name, default=None):
                return OfOne()

        class OfOne(dict):
            def get(self, figure, default=None):
                return [64.0]

        r = results.Results(os.devnull)
        r.benchmarks = Everything()
        r.names = lambda prefix: [prefix]
        for name, make in tables.TABLES.items():
            lines = make(r)
            self.assertGreater(len(lines), 2, name)
            self.assertEqual({line.count("|") for line in lines}, {lines[0].count("|")}, name)

    def test_service_is_a_share_of_its_slower_part_and_of_both(self):
        r = made({"Service/epochs:4": {"rows_per_second": 90.0, "rollout_rows_per_second": 100.0,
                                       "learner_rows_per_second": 200.0, "best_rows_per_second": 95.0,
                                       "share_of_lower": 0.9, "share_of_best": 0.95, "push_share": 0.02}})
        self.assertEqual(tables.service(r)[2], "| 4 | 100 | 200 | 95.0 | 90.0 | 0.90 | 0.95 | 2.0 % |")

    def test_grpc_alone_stands_below_the_coordinator(self):
        r = made({f"{server}/actors:1000/rate:0":
                  {"leases_per_second": rate, "p50_seconds": 0.1, "p99_seconds": 0.2,
                   "cpu_seconds_per_lease": 1e-4, "cpu_share": 0.9, "memory_mib": 100.0}
                  for server, rate in (("Leases", 4000.0), ("BareLeases", 8000.0))})
        rows = [line.split(" | ")[:4] for line in tables.coordinator(r) if "not reached" not in line][2:]
        self.assertEqual(rows, [["| coordinator", "1000", "as many as can be", "4000"],
                                ["| gRPC alone", "1000", "as many as can be", "8000"]])

    def test_the_run_loop_stands_last_with_its_cost(self):
        r = made({"Leases/actors:1000/rate:0":
                  {"leases_per_second": 4000.0, "p50_seconds": 0.1, "p99_seconds": 0.2,
                   "cpu_seconds_per_lease": 1e-4, "cpu_share": 0.9, "memory_mib": 100.0},
                  "LoopLeases/actors:1000": {"cpu_seconds_per_lease": 5e-5}})
        self.assertEqual(tables.coordinator(r)[-1],
                         "| run loop alone | 1000 | as many as can be |  |  |  | 50.0 us |  |  |")

    def test_every_table_of_the_pages_is_known(self):
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")
        names = []
        for page in ("PERFORMANCE.md", "SCALE.md"):
            with open(os.path.join(folder, page), encoding="utf-8") as file:
                tables.fill(file.read(), lambda name: names.append(name))
        self.assertEqual(sorted(set(names) - {"machine"}), sorted(tables.TABLES))


class ScaleModel(unittest.TestCase):
    PARTS = scale_model.Parts(rows_per_item=1000, item_seconds=0.1, update_rows=100e3,
                              ingest_rows=1e6, lease_seconds=100e-6, wire_bytes=66, link_bytes=1.25e9)

    def test_few_actors_are_the_limit(self):
        rate, limit, wait, cpu = self.PARTS.rate(16, 2)
        self.assertEqual(limit, "actors")
        self.assertAlmostEqual(rate, 20e3)
        self.assertAlmostEqual(wait, 0.8)
        self.assertAlmostEqual(cpu, 16 * 100e-6 / 0.8)

    def test_rounds_of_items_are_whole(self):
        # Nine actors need two rounds for 16 items, as eight do.
        self.assertAlmostEqual(self.PARTS.rate(16, 9)[0], self.PARTS.rate(16, 8)[0])

    def test_many_actors_are_not(self):
        rate, limit, wait, _ = self.PARTS.rate(400, 100)
        self.assertEqual((limit, wait), ("update", 0))
        self.assertAlmostEqual(rate, 100e3)


class WholeRuns(unittest.TestCase):
    METRICS = [{"rows": "100", "rows_per_second": "50", "update_seconds": "1", "rollout_seconds": "1",
                "waiting_seconds": "0"},
               {"rows": "100", "rows_per_second": "100", "update_seconds": "0.75",
                "rollout_seconds": "0.5", "waiting_seconds": "0.125"},
               {"rows": "100", "rows_per_second": "100", "update_seconds": "0.25",
                "rollout_seconds": "0.5", "waiting_seconds": "0.125"}]

    def test_the_learner_waits_when_it_does_not_update(self):
        self.assertAlmostEqual(whole_runs.learner_wait(self.METRICS), 0.5)

    def test_the_first_iteration_is_no_part_of_the_means(self):
        self.assertEqual(whole_runs.overlapped(self.METRICS),
                         {"learner_wait_share": 0.5, "iteration_seconds": 1.0, "update_seconds": 0.5,
                          "rollout_seconds": 0.5})

    def test_the_best_schedule_waits_for_the_last_update_but_one(self):
        self.assertEqual(whole_runs.best_schedule([1, 1, 1], [2, 2, 2]), 7)
        self.assertEqual(whole_runs.best_schedule([2, 2, 2], [1, 1, 1]), 7)
        # The third's rollouts need the first update, which takes longer than the second's rollouts.
        self.assertEqual(whole_runs.best_schedule([1, 1, 1], [5, 1, 1]), 8)

    def test_rollouts_cost_by_the_steps_of_fish(self):
        rows = [{"rows": "300", "fish_steps": "100"}, {"rows": "100", "fish_steps": "300"}]
        # Rollouts 1 and 3 s, updates 3 and 1 s: one after the other but for the second's rollouts.
        self.assertAlmostEqual(whole_runs.best_rows_per_second(rows, 100, 100), 400 / 5)

    def test_actors_add_up(self):
        line = "... actor has done rollouts=2 rollout_seconds=1.5 push_seconds=2e-1\n"
        self.assertEqual(whole_runs.totals([line, "other\n" + line])["rollout_seconds"], 3.0)
        with self.assertRaises(results.Missing):
            whole_runs.totals(["nothing"])

    def test_a_runs_seconds_are_split(self):
        with tempfile.TemporaryDirectory() as run:
            os.mkdir(os.path.join(run, "logs"))
            with open(os.path.join(run, "metrics.csv"), "w", encoding="utf-8") as file:
                file.write(",".join(self.METRICS[0]) + "\n")
                file.writelines(",".join(row.values()) + "\n" for row in self.METRICS)
            with open(os.path.join(run, "logs", "actor0.log"), "w", encoding="utf-8") as file:
                file.write("actor has done rollout_seconds=3 push_seconds=0.5 evaluation_seconds=0.25\n")
            with sqlite3.connect(os.path.join(run, "run.db")) as db:
                db.execute("CREATE TABLE run (created_at)")
                db.execute("CREATE TABLE iterations (committed_at)")
                db.execute("CREATE TABLE evaluations (finished_at)")
                db.execute("INSERT INTO run VALUES (1000000)")
                db.executemany("INSERT INTO iterations VALUES (?)", [(3000000,), (5000000,)])
                db.execute("INSERT INTO evaluations VALUES (5500000)")
            db.close()
            split = whole_runs.split(run, 7.0)
        self.assertEqual((split["training_seconds"], split["last_evaluations_seconds"],
                          split["files_seconds"], split["update_seconds"], split["push_seconds"]),
                         (4.0, 0.5, 2.5, 2.0, 0.5))


if __name__ == "__main__":
    unittest.main()
