// The learner's coefficients of an iteration: entropy coefficient and learning rate. Both are
// constant within an iteration. p = (i - 1) / T at iteration i of T.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "shoal/v1/config.pb.h"

namespace shoal {

// Immutable; safe to use from several threads.
class EntropySchedule {
 public:
  // From ent_coef and either entropy_coef_schedule or ent_coef_final. InvalidArgument where a
  // window cannot be read, or ent_coef_final is given together with a schedule that is not empty.
  static absl::StatusOr<EntropySchedule> Create(const v1::RunOptions& options);

  // The value of the last window that contains the iteration (from 1), else ent_coef; with
  // ent_coef_final, ent_coef + (ent_coef_final - ent_coef) p.
  double Value(int64_t iteration) const;

 private:
  struct Window {
    int64_t first;
    int64_t last;
    double value;
  };
  static absl::StatusOr<std::vector<Window>> ParseWindows(const std::string& text);

  double base_ = 0;
  std::optional<double> final_;
  int64_t total_ = 1;
  std::vector<Window> windows_;
};

// Immutable; safe to use from several threads.
class LearningRate {
 public:
  // From learning_rate, lr_schedule and the curriculum.
  static absl::StatusOr<LearningRate> Create(const v1::RunOptions& options);

  // constant lr; linear lr (1 - p); cosine lr (1 + cos(pi p)) / 2; warm_cosine falls linearly to
  // lr/2 at p = 0.2, then lr/2 (1 + cos(pi (p - 0.2) / 0.8)) / 2.
  double Value(int64_t iteration) const;

 private:
  enum class Course { kConstant, kLinear, kCosine, kWarmCosine };

  double initial_ = 0;
  Course course_ = Course::kConstant;
  int64_t total_ = 1;
};

}  // namespace shoal
