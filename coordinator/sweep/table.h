// The table of a sweep: statistics over seeds, and the difference of each row from the first.
//
// Everything here is pure and thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/evaluation/statistics.h"
#include "coordinator/sweep/plan.h"

namespace shoal {

// What became of one run.
struct SweepResult {
  size_t row = 0;
  uint64_t seed = 0;
  // Why there are no values; "": there are.
  std::string error;
  // Mean final survival on each bank of the plan.
  std::vector<double> survival;
  std::string policy_sha256;
};

// Mean of the middle half: with n samples, floor(n / 4) are left out at either end (Agarwal et al.
// 2021 report it over seeds). At least one sample.
double InterquartileMean(std::vector<double> samples);

// One row on one bank.
struct SweepCell {
  // Runs with a value; the rest is 0 where there are none.
  int64_t seeds = 0;
  // With the 95 % bootstrap interval over seeds.
  ConfidenceInterval survival;
  double interquartile_mean = 0;
  double worst = 0;
  // From the first row, over the seeds that both have; none for the first row or without such seeds.
  std::optional<ConfidenceInterval> difference;
};

struct SweepTable {
  // [bank][row]
  std::vector<std::vector<SweepCell>> cells;
};

// InvalidArgument: a result that is not of the plan, or has not one value for each bank.
absl::StatusOr<SweepTable> MakeSweepTable(const SweepPlan& plan,
                                          std::span<const SweepResult> results);

// For people: a table a bank, then the runs that failed.
std::string SweepMarkdown(const SweepPlan& plan, const SweepTable& table,
                          std::span<const SweepResult> results);
// One line a row and bank, with a head.
std::string SweepTsv(const SweepPlan& plan, const SweepTable& table);
// All of it, with each run's values.
std::string SweepJson(const SweepPlan& plan, const SweepTable& table,
                      std::span<const SweepResult> results);

}  // namespace shoal
