#include "coordinator/tail/mix_file.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using nlohmann::json;

// More deaths than any evaluation has.
constexpr int64_t kMaxClusterCount = 1'000'000;
// As many as the largest mix that can be made; bounds what a file's counts can make us allocate.
constexpr size_t kMaxVelocities = 10'000'000;

// The value at a.b.c; null where it is missing.
const json* At(const json& object, absl::string_view path) {
  const json* at = &object;
  for (const absl::string_view part : absl::StrSplit(path, '.')) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(std::string(part));
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

// Gathers the velocities of one file; `where` in errors is the place inside it.
class Collector {
 public:
  explicit Collector(std::string_view path) : path_(path) {}

  absl::Status Error(absl::string_view where, absl::string_view why) const {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", where, why));
  }

  absl::Status Add(const json& pair, const std::string& where, int64_t times) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number() || !pair[1].is_number()) {
      return Error(where, " is not a pair of numbers [vx, vy]");
    }
    const Velocity velocity = {pair[0].get<double>(), pair[1].get<double>()};
    if (!std::isfinite(velocity.x) || !std::isfinite(velocity.y)) {
      return Error(where, " is not finite");
    }
    if (Speed(velocity) > kMaxTailSpeed) {
      return Error(where, absl::StrCat(" has speed ", Speed(velocity), "; at most ", kMaxTailSpeed,
                                       " is accepted"));
    }
    if (static_cast<size_t>(times) > kMaxVelocities - velocities_.size()) {
      return Error(where, absl::StrCat(" would make more than ", kMaxVelocities, " velocities"));
    }
    velocities_.insert(velocities_.end(), static_cast<size_t>(times), velocity);
    return absl::OkStatus();
  }

  // The pairs in the list at `field`, or at `inner` of each of its entries where given.
  absl::Status AddList(const json& object, absl::string_view field, absl::string_view inner,
                       bool by_count) {
    const json* list = At(object, field);
    if (list == nullptr || list->is_null()) return absl::OkStatus();
    if (!list->is_array()) return Error(field, " is not a list");
    for (size_t i = 0; i < list->size(); ++i) {
      const json& entry = (*list)[i];
      std::string where = absl::StrCat(field, "[", i, "]");
      const json* pair = inner.empty() ? &entry : At(entry, inner);
      // A cluster without a recorded sample has no velocity to give.
      if (pair == nullptr || (pair->is_null() && !inner.empty())) continue;
      if (!inner.empty()) absl::StrAppend(&where, ".", inner);
      int64_t times = 1;
      if (const json* count = At(entry, "count"); by_count && count != nullptr) {
        if (!count->is_number_integer() || count->get<int64_t>() < 0 ||
            count->get<int64_t>() > kMaxClusterCount) {
          return Error(absl::StrCat(field, "[", i, "].count"), " is not a count");
        }
        times = count->get<int64_t>();
      }
      if (absl::Status status = Add(*pair, where, times); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status AddDeaths(const json& object) {
    constexpr absl::string_view kSample = "sample.predator_velocity";
    const struct {
      absl::string_view field;
      absl::string_view inner;
      bool by_count;
    } places[] = {
        {"step_one_deaths", "predator_velocity", false},
        {"velocities", "", false},
        {"summary.clusters", kSample, true},
        {"step_one_clusters.clusters", kSample, true},
        {"clusters", kSample, true},
    };
    // The first place that has any, so that no death is counted twice.
    for (const auto& place : places) {
      const size_t before = velocities_.size();
      absl::Status status = AddList(object, place.field, place.inner, place.by_count);
      if (!status.ok()) return status;
      if (velocities_.size() > before) break;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Velocity>> Finish(absl::string_view wanted) && {
    if (velocities_.empty()) {
      return Error("", absl::StrCat("has no velocity; wanted is ", wanted));
    }
    return std::move(velocities_);
  }

 private:
  std::string path_;
  std::vector<Velocity> velocities_;
};

}  // namespace

absl::StatusOr<std::vector<Velocity>> ReadMix(std::string_view text, std::string_view path) {
  Collector collector(path);
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return collector.Error("", "is not a JSON object");
  absl::Status status = collector.AddList(object, "velocities", "", false);
  if (!status.ok()) return status;
  status = collector.AddList(object, "summary.clusters", "sample.predator_velocity", false);
  if (!status.ok()) return status;
  return std::move(collector).Finish(
      "\"velocities\": [[vx, vy], ...] or summary.clusters[].sample.predator_velocity");
}

absl::StatusOr<std::vector<Velocity>> ReadDeaths(std::string_view text, std::string_view path) {
  Collector collector(path);
  constexpr absl::string_view kWanted =
      "step_one_deaths[].predator_velocity, velocities, or clusters with samples";
  const json whole = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (whole.is_object()) {
    if (absl::Status status = collector.AddDeaths(whole); !status.ok()) return status;
    return std::move(collector).Finish(kWanted);
  }
  size_t number = 0;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    ++number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    const json object = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) {
      return collector.Error(absl::StrCat("line ", number), " is not a JSON object");
    }
    if (absl::Status status = collector.AddDeaths(object); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(status.message(), " (line ", number, ")"));
    }
  }
  return std::move(collector).Finish(kWanted);
}

}  // namespace shoal
