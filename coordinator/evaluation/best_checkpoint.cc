#include "coordinator/evaluation/best_checkpoint.h"

#include <tuple>

namespace shoal {
namespace {

constexpr double kTolerance = 1e-9;

// Smaller is better.
auto Rank(const BestCandidate& candidate) {
  return std::tuple(candidate.step_one_deaths, candidate.early_death, -candidate.avg_final_survival,
                    candidate.iteration);
}

}  // namespace

BestCandidate CandidateOf(int64_t iteration, const EvaluationSummary& summary) {
  return {iteration, summary.step_one_death_count, summary.step_one_avoidable_ratio,
          summary.early_death_fraction_100, summary.avg_final_survival_rate};
}

BestCheckpoint::BestCheckpoint(const v1::RunOptions& options)
    : max_step_one_(options.best_checkpoint_max_step_one()),
      max_avoidable_ratio_(options.best_checkpoint_max_avoidable_step_one_ratio()),
      max_early_death_(options.best_checkpoint_max_early_death()) {}

bool BestCheckpoint::Admits(const BestCandidate& candidate) const {
  if (max_step_one_ >= 0 && candidate.step_one_deaths > max_step_one_) return false;
  if (max_avoidable_ratio_ > 0 &&
      candidate.avoidable_step_one_ratio > max_avoidable_ratio_ + kTolerance) {
    return false;
  }
  return candidate.early_death <= max_early_death_ + kTolerance;
}

bool BestCheckpoint::Offer(const BestCandidate& candidate) {
  if (!Admits(candidate)) return false;
  if (best_.has_value() && Rank(*best_) <= Rank(candidate)) return false;
  best_ = candidate;
  return true;
}

}  // namespace shoal
