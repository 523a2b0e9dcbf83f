#include "coordinator/schedule/curriculum.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "coordinator/schedule/lists.h"

namespace shoal {
namespace {

constexpr absl::string_view kName = "curriculum";
constexpr IntegerRange kFish = {1, 4096};
constexpr IntegerRange kIterations = {1, 1000000};

struct Entry {
  int64_t fish;
  int64_t iterations;
};

absl::StatusOr<std::vector<Entry>> Parse(const std::string& value) {
  std::vector<Entry> entries;
  int64_t sum = 0;
  for (const absl::string_view text : absl::StrSplit(value, ',')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
    if (parts.size() != 2) {
      return OptionError(
          kName, value,
          absl::StrCat("\"", text, "\" is not fish:iterations, as in \"15:12,25:8\""));
    }
    absl::StatusOr<int64_t> fish = ParseInteger(kName, value, parts[0], kFish);
    if (!fish.ok()) return fish.status();
    absl::StatusOr<int64_t> iterations = ParseInteger(kName, value, parts[1], kIterations);
    if (!iterations.ok()) return iterations.status();
    sum += *iterations;
    entries.push_back({*fish, *iterations});
  }
  if (sum > kIterations.max) {
    return OptionError(kName, value, absl::StrCat("adds up to more than ", kIterations.max));
  }
  return entries;
}

// The default curriculum for a given number of iterations.
std::vector<Entry> Fit(std::vector<Entry> entries, int64_t total) {
  int64_t left = total;
  for (size_t i = 0; i < entries.size(); ++i) {
    const bool last = i + 1 == entries.size();
    entries[i].iterations = last ? left : std::min(entries[i].iterations, left);
    left -= entries[i].iterations;
    if (left == 0) {
      entries.resize(i + 1);
      break;
    }
  }
  return entries;
}

}  // namespace

absl::StatusOr<Curriculum> Curriculum::Create(const v1::RunOptions& options) {
  const bool has_total = options.has_total_iterations();
  const int64_t total = options.total_iterations();
  if (has_total && (total < kIterations.min || total > kIterations.max)) {
    return OptionError("total_iterations", absl::StrCat(total),
                       absl::StrCat("must be within 1 to ", kIterations.max));
  }
  std::vector<Entry> entries;
  if (options.curriculum().empty()) {
    if (!has_total) {
      return OptionError(kName, "", "one phase of num_fish needs total_iterations as well");
    }
    if (options.num_fish() < kFish.min || options.num_fish() > kFish.max) {
      return OptionError("num_fish", absl::StrCat(options.num_fish()), "must be within 1 to 4096");
    }
    entries = {{options.num_fish(), total}};
  } else {
    auto parsed = Parse(options.curriculum());
    if (!parsed.ok()) return parsed.status();
    entries = *std::move(parsed);
    if (has_total && !options.has_curriculum()) entries = Fit(std::move(entries), total);
  }

  std::vector<Phase> phases;
  int64_t next = 1;
  for (const Entry& entry : entries) {
    Phase phase;
    phase.phase = static_cast<int64_t>(phases.size()) + 1;
    phase.num_fish = entry.fish;
    phase.first_iteration = next;
    phase.last_iteration = next + entry.iterations - 1;
    next = phase.last_iteration + 1;
    phases.push_back(phase);
  }
  if (has_total && next - 1 != total) {
    return OptionError(kName, options.curriculum(),
                       absl::StrCat("adds up to ", next - 1, " iterations, total_iterations is ",
                                    total, "; leave one of them out or make them agree"));
  }
  return Curriculum(std::move(phases));
}

Phase Curriculum::PhaseOf(int64_t iteration) const {
  const auto after =
      std::upper_bound(phases_.begin(), phases_.end(), iteration,
                       [](int64_t i, const Phase& phase) { return i < phase.first_iteration; });
  Phase phase = after == phases_.begin() ? phases_.front() : *(after - 1);
  phase.begins_here = iteration == phase.first_iteration;
  return phase;
}

int64_t Curriculum::min_fish() const {
  return std::min_element(phases_.begin(), phases_.end(),
                          [](const Phase& a, const Phase& b) { return a.num_fish < b.num_fish; })
      ->num_fish;
}

std::string Curriculum::ToString() const {
  return absl::StrJoin(phases_, ",", [](std::string* out, const Phase& phase) {
    absl::StrAppend(out, phase.num_fish, ":", phase.last_iteration - phase.first_iteration + 1);
  });
}

}  // namespace shoal
