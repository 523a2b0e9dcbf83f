#include "coordinator/schedule/coefficients.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/options.h"
#include "coordinator/schedule/curriculum.h"
#include "coordinator/schedule/lists.h"

namespace shoal {
namespace {

// p = (i - 1) / T, within 0 to 1.
double Progress(int64_t iteration, int64_t total) {
  return std::clamp(static_cast<double>(iteration - 1) / static_cast<double>(total), 0.0, 1.0);
}

}  // namespace

absl::StatusOr<std::vector<EntropySchedule::Window>> EntropySchedule::ParseWindows(
    const std::string& text) {
  constexpr absl::string_view kName = "entropy_coef_schedule";
  constexpr IntegerRange kIterations = {1, 1000000};
  std::vector<Window> windows;
  if (absl::StripAsciiWhitespace(text).empty()) return windows;
  for (const absl::string_view entry : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(entry, ':');
    if (parts.size() != 2) {
      return OptionError(kName, text,
                         absl::StrCat("\"", entry, "\" is not a window: accepted are ",
                                      "start-end:value, start+:value and start:value"));
    }
    absl::string_view range = absl::StripAsciiWhitespace(parts[0]);
    const bool open = !range.empty() && range.back() == '+';
    if (open) range.remove_suffix(1);
    const size_t dash = open ? absl::string_view::npos : range.find('-');
    absl::StatusOr<int64_t> first = ParseInteger(kName, text, range.substr(0, dash), kIterations);
    if (!first.ok()) return first.status();
    int64_t last = open ? std::numeric_limits<int64_t>::max() : *first;
    if (dash != absl::string_view::npos) {
      absl::StatusOr<int64_t> end = ParseInteger(kName, text, range.substr(dash + 1), kIterations);
      if (!end.ok()) return end.status();
      if (*end < *first) {
        return OptionError(kName, text, absl::StrCat("window ", range, " ends before it starts"));
      }
      last = *end;
    }
    absl::StatusOr<double> value = ParseNumber(kName, text, parts[1], {0, 10});
    if (!value.ok()) return value.status();
    windows.push_back({*first, last, *value});
  }
  return windows;
}

absl::StatusOr<EntropySchedule> EntropySchedule::Create(const v1::RunOptions& options) {
  absl::StatusOr<Curriculum> curriculum = Curriculum::Create(options);
  if (!curriculum.ok()) return curriculum.status();
  EntropySchedule schedule;
  schedule.base_ = options.ent_coef();
  schedule.total_ = curriculum->total_iterations();
  if (options.has_ent_coef_final()) {
    if (options.has_entropy_coef_schedule() && !options.entropy_coef_schedule().empty()) {
      return OptionError("ent_coef_final", ShortestDouble(options.ent_coef_final()),
                         absl::StrCat("excludes a schedule, and entropy_coef_schedule is \"",
                                      options.entropy_coef_schedule(), "\"; give one of them"));
    }
    schedule.final_ = options.ent_coef_final();
    return schedule;
  }
  auto windows = ParseWindows(options.entropy_coef_schedule());
  if (!windows.ok()) return windows.status();
  schedule.windows_ = *std::move(windows);
  return schedule;
}

double EntropySchedule::Value(int64_t iteration) const {
  if (final_.has_value()) return base_ + (*final_ - base_) * Progress(iteration, total_);
  for (auto window = windows_.rbegin(); window != windows_.rend(); ++window) {
    if (window->first <= iteration && iteration <= window->last) return window->value;
  }
  return base_;
}

absl::StatusOr<LearningRate> LearningRate::Create(const v1::RunOptions& options) {
  absl::StatusOr<Curriculum> curriculum = Curriculum::Create(options);
  if (!curriculum.ok()) return curriculum.status();
  LearningRate rate;
  rate.initial_ = options.learning_rate();
  rate.total_ = curriculum->total_iterations();
  const std::string& course = options.lr_schedule();
  if (course == "constant") {
    rate.course_ = Course::kConstant;
  } else if (course == "linear") {
    rate.course_ = Course::kLinear;
  } else if (course == "cosine") {
    rate.course_ = Course::kCosine;
  } else if (course == "warm_cosine") {
    rate.course_ = Course::kWarmCosine;
  } else {
    return OptionError("lr_schedule", course,
                       "accepted are constant, linear, cosine and warm_cosine");
  }
  return rate;
}

double LearningRate::Value(int64_t iteration) const {
  // The share of the iterations in which warm_cosine falls linearly.
  constexpr double kWarm = 0.2;
  const double p = Progress(iteration, total_);
  switch (course_) {
    case Course::kConstant:
      return initial_;
    case Course::kLinear:
      return initial_ * (1 - p);
    case Course::kCosine:
      return initial_ * (1 + std::cos(std::numbers::pi * p)) / 2;
    case Course::kWarmCosine:
      if (p < kWarm) return initial_ * (1 - 0.5 * p / kWarm);
      return initial_ / 2 * (1 + std::cos(std::numbers::pi * (p - kWarm) / (1 - kWarm))) / 2;
  }
  return initial_;
}

}  // namespace shoal
