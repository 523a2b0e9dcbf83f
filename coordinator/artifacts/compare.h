// Runs side by side: options, results, and differences on the same scenes.
//
// Pure and thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/artifacts/run_facts.h"
#include "coordinator/evaluation/statistics.h"
#include "nlohmann/json.hpp"

namespace shoal {

struct ComparedOption {
  std::string name;
  // In the order of the runs, as options files have them; "" where it is not set.
  std::vector<std::string> values;
};

// One run in figures; what it did not measure is missing.
struct ComparedRun {
  std::string name;
  std::string state;
  int64_t iterations = 0;
  int64_t total_iterations = 0;
  // Of the last multi-evaluation, with its interval over scenes.
  std::optional<int64_t> evaluated;
  std::optional<ConfidenceInterval> survival;
  std::optional<double> worst_scene;
  std::optional<double> p10;
  std::optional<double> early_death;
  std::optional<int64_t> step_one;
  std::optional<double> avoidable_ratio;
  // The first iteration at which the gate opened.
  std::optional<int64_t> gate_opened;
  // The least over the iterations; of a run with a tail queue.
  std::optional<double> least_override_ratio;
  std::optional<double> least_schedule_ratio;
};

// Final survival of `run` less that of the first run, on scenes that both played.
struct PairedScenes {
  // From 1, since 0 is the first run.
  size_t run = 0;
  std::string kind;
  int64_t first_iteration = 0;
  int64_t iteration = 0;
  int64_t scenes = 0;
  PairedComparison result;
};

struct RunComparison {
  std::vector<ComparedRun> runs;
  // Those that are not the same in all runs; the name of the run aside.
  std::vector<ComparedOption> options;
  // By run, then in the order of its evaluations. Evaluations are paired that are of one kind, with
  // as many fish, and share at least two scenes (seeds).
  std::vector<PairedScenes> paired;
};

// InvalidArgument: fewer than two runs, or an evaluation that is not finite.
absl::StatusOr<RunComparison> CompareRuns(const std::vector<RunFacts>& runs);

// {runs: [...], options: [{name, values}], paired: [...]}; what is missing is null.
nlohmann::ordered_json ToJson(const RunComparison& comparison);
// Tables for a terminal.
std::string ComparisonText(const RunComparison& comparison);
// A page like report.html, in one file.
std::string ComparisonPage(const RunComparison& comparison);

}  // namespace shoal
