// The phases of a run: how many fish for how many iterations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

// Where an iteration lies. Phases and iterations count from 1; both ends are inclusive.
struct Phase {
  int64_t phase = 1;
  int64_t num_fish = 0;
  int64_t first_iteration = 1;
  int64_t last_iteration = 1;
  // The iteration asked for is the phase's first: episodes start afresh.
  bool begins_here = false;
};

// Immutable; safe to use from several threads.
class Curriculum {
 public:
  // From curriculum ("fish:iterations,..."), total_iterations and num_fish.
  // - curriculum "" is one phase of num_fish fish and needs total_iterations.
  // - A curriculum given explicitly must add up to total_iterations where that is given.
  // - The default one is cut to total_iterations, or its last phase extended.
  // InvalidArgument where that fails.
  static absl::StatusOr<Curriculum> Create(const v1::RunOptions& options);

  // The phase of an iteration; those before 1 or beyond the last count to the nearest phase.
  Phase PhaseOf(int64_t iteration) const;

  int64_t num_phases() const { return static_cast<int64_t>(phases_.size()); }
  int64_t total_iterations() const { return phases_.back().last_iteration; }
  int64_t min_fish() const;

  // "fish:iterations,..." in full.
  std::string ToString() const;

 private:
  explicit Curriculum(std::vector<Phase> phases) : phases_(std::move(phases)) {}

  std::vector<Phase> phases_;
};

}  // namespace shoal
