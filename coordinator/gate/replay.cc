#include "coordinator/gate/replay.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using nlohmann::json;

// One line of a history and its number, for errors.
class Line {
 public:
  Line(size_t number, json value) : number_(number), value_(std::move(value)) {}

  absl::Status Error(absl::string_view field, absl::string_view why) const {
    return absl::InvalidArgumentError(absl::StrCat("line ", number_, ": ", field, " ", why));
  }

  // The value at "a" or "a.b", or null where it is missing. Not a copy: copying goes as deep as the
  // value, and a line may be nested as deep as it is long.
  const json& At(absl::string_view field) const {
    static const json* const kMissing = new json;
    const json* at = &value_;
    for (const absl::string_view part : absl::StrSplit(field, '.')) {
      if (!at->is_object()) return *kMissing;
      const auto found = at->find(std::string(part));
      if (found == at->end()) return *kMissing;
      at = &*found;
    }
    return *at;
  }

  bool Has(absl::string_view field) const { return !At(field).is_null(); }

  absl::StatusOr<double> Number(absl::string_view field, double min, double max) const {
    const json& value = At(field);
    if (value.is_null()) return Error(field, "is missing");
    if (!value.is_number()) {
      // What is nested is not shown: writing it, too, goes as deep as it is nested.
      return Error(field, absl::StrCat("is not a number: ", value.is_structured()
                                                                ? value.type_name()
                                                                : value.dump()));
    }
    const double number = value.get<double>();
    if (!std::isfinite(number) || number < min || number > max) {
      return Error(field, absl::StrCat("= ", value.dump(), " is not within ", min, " to ", max));
    }
    return number;
  }

  absl::StatusOr<int64_t> Integer(absl::string_view field, int64_t min) const {
    constexpr int64_t kMax = 1'000'000'000;
    absl::StatusOr<double> number =
        Number(field, static_cast<double>(min), static_cast<double>(kMax));
    if (!number.ok()) return number.status();
    if (*number != std::floor(*number)) return Error(field, "is not a whole number");
    return static_cast<int64_t>(*number);
  }

 private:
  size_t number_;
  json value_;
};

absl::StatusOr<double> StepOneRatio(const Line& line, int64_t count) {
  if (line.Has("step_one_death_ratio")) return line.Number("step_one_death_ratio", 0, 1);
  absl::StatusOr<int64_t> fish = line.Integer("multi_eval_num_fish", 1);
  if (!fish.ok()) return fish.status();
  absl::StatusOr<int64_t> episodes = line.Integer("multi_eval_episodes", 1);
  if (!episodes.ok()) return episodes.status();
  return static_cast<double>(count) / (static_cast<double>(*fish) * static_cast<double>(*episodes));
}

absl::StatusOr<GateInput> ReadInput(const Line& line, bool needs_avoidable) {
  GateInput input;
  const struct {
    absl::string_view field;
    double max;
    double* to;
  } numbers[] = {
      {"summary.min_final_survival_rate", 1, &input.min_final},
      {"death_stats.p10", 500, &input.p10},
      {"death_stats.early_death_fraction_100", 1, &input.early_death_100},
  };
  absl::StatusOr<int64_t> iteration = line.Integer("iteration", 0);
  if (!iteration.ok()) return iteration.status();
  input.iteration = *iteration;
  for (const auto& number : numbers) {
    absl::StatusOr<double> value = line.Number(number.field, 0, number.max);
    if (!value.ok()) return value.status();
    *number.to = *value;
  }
  absl::StatusOr<int64_t> count = line.Integer("step_one_death_count", 0);
  if (!count.ok()) return count.status();
  input.step_one_count = *count;
  absl::StatusOr<double> ratio = StepOneRatio(line, *count);
  if (!ratio.ok()) return ratio.status();
  input.step_one_ratio = *ratio;
  if (line.Has("step_one_avoidable_ratio")) {
    absl::StatusOr<double> avoidable = line.Number("step_one_avoidable_ratio", 0, 1);
    if (!avoidable.ok()) return avoidable.status();
    input.avoidable_ratio = *avoidable;
  } else if (needs_avoidable) {
    return line.Error("step_one_avoidable_ratio",
                      "is missing, and penalty_gate_success_avoidable_step_one_ratio judges by it");
  }
  return input;
}

}  // namespace

nlohmann::ordered_json GateRecordJson(const GateRecord& record) {
  nlohmann::ordered_json out;
  out["iteration"] = record.iteration;
  out["event"] = std::string(GateEventName(record.event));
  out["stage"] = record.stage;
  out["phase_limit"] = record.phase_limit;
  out["success_streak"] = record.success_streak;
  out["freeze_until"] = record.freeze_until;
  out["failure_detected"] = record.failure_detected;
  out["failure_streak"] = record.failure_streak;
  if (record.rolling_p10_median) out["rolling_p10_median"] = *record.rolling_p10_median;
  out["step_one_death_ratio"] = record.step_one_death_ratio;
  if (record.relaxed) out["relaxed"] = true;
  return out;
}

absl::StatusOr<std::vector<GateInput>> ReadGateHistory(std::string_view jsonl,
                                                       const v1::RunOptions& options) {
  const bool needs_avoidable = options.penalty_gate_success_avoidable_step_one_ratio() > 0;
  std::vector<GateInput> inputs;
  size_t number = 0;
  for (const absl::string_view text :
       absl::StrSplit(absl::string_view(jsonl.data(), jsonl.size()), '\n')) {
    ++number;
    if (absl::StripAsciiWhitespace(text).empty()) continue;
    json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!value.is_object()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": is not a JSON object"));
    }
    const Line line(number, std::move(value));
    absl::StatusOr<GateInput> input = ReadInput(line, needs_avoidable);
    if (!input.ok()) return input.status();
    if (!inputs.empty() && input->iteration <= inputs.back().iteration) {
      return line.Error("iteration", absl::StrCat("= ", input->iteration, " does not come after ",
                                                  inputs.back().iteration));
    }
    inputs.push_back(*input);
  }
  return inputs;
}

absl::StatusOr<std::string> ReplayHistory(std::string_view jsonl, const v1::RunOptions& options) {
  absl::StatusOr<PenaltyGate> gate = PenaltyGate::Create(options);
  if (!gate.ok()) return gate.status();
  absl::StatusOr<std::vector<GateInput>> inputs = ReadGateHistory(jsonl, options);
  if (!inputs.ok()) return inputs.status();
  std::string out;
  for (const GateInput& input : *inputs) {
    absl::StatusOr<GateRecord> record = gate->OnEvaluation(input);
    if (!record.ok()) return record.status();
    absl::StrAppend(&out, GateRecordJson(*record).dump(), "\n");
  }
  return out;
}

}  // namespace shoal
