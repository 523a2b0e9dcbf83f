// Options whose value is a small language of its own: curriculum, windows, lists, tables, stages,
// and the parts of a mix.
//
// Input: a letter that chooses the option, then its value; see kOptions.
#include <algorithm>
#include <cmath>

#include "actor/rollout/world_options.h"
#include "actor/world/options.h"
#include "common/options.h"
#include "coordinator/schedule/lists.h"
#include "coordinator/tail/make_mix.h"
#include "coordinator/tail/stages.h"
#include "tests/fuzz/check_options.h"
#include "tests/fuzz/fuzzing.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

constexpr struct {
  char letter;
  const char* name;
} kOptions[] = {
    {'c', "curriculum"},
    {'e', "entropy_coef_schedule"},
    {'t', "density_penalty_phase_targets"},
    {'r', "density_penalty_ramp_phases"},
    {'p', "density_penalty_phase_plateaus"},
    {'s', "escape_boost_phase_speeds"},
    {'f', "escape_boost_phase_floors"},
    {'k', "escape_boost_penalty_caps"},
    {'g', "adaptive_boost_stage_floor"},
    {'a', "penalty_gate_phase_allowance"},
    {'h', "policy_hidden_sizes"},
    {'d', "device"},
    {'q', "tail_seed_stage_spec"},
    {'b', "predator_heading_bias"},
    {'v', "predator_pre_roll_speed_bias"},
};

// What the list formats write is read back as it was.
void CheckLists(std::string_view value) {
  const absl::string_view text(value.data(), value.size());
  if (const auto list = ParseNumberList("list", text, {-5, 100}); list.ok()) {
    const auto again = ParseNumberList("list", FormatList(*list), {-5, 100});
    RequireOk(again.status(), "a list that was written can be read");
    Require(*again == *list, "a list written and read is the same");
    for (const double number : *list) Require(number >= -5 && number <= 100, "a list's range");
  }
  if (const auto list = ParseIntegerList("list", text, {0, 1000000}); list.ok()) {
    const auto again = ParseIntegerList("list", FormatList(*list), {0, 1000000});
    RequireOk(again.status(), "a list of integers that was written can be read");
    Require(*again == *list, "a list of integers written and read is the same");
  }
  if (const auto table = ParseTable("table", text, {1, 1000000}, {0, 1}); table.ok()) {
    const auto again = ParseTable("table", FormatTable(*table), {1, 1000000}, {0, 1});
    RequireOk(again.status(), "a table that was written can be read");
    Require(*again == *table, "a table written and read is the same");
  }
}

void CheckBias(std::string_view text) {
  const auto table = ParseBiasTable(text);
  RequireWords(table.status());
  if (!table.ok()) return;
  double total = 0;
  for (const BiasTable::Bin& bin : table->bins) {
    Require(bin.start >= 0 && bin.start < bin.end && bin.weight >= 0 && std::isfinite(bin.end),
            "bins of a table");
    total += bin.weight;
  }
  Require(table->empty() || (total > 0 && std::isfinite(total)), "weights of a table");
}

void CheckStages(std::string_view text) {
  const auto stages = ParseStageSpec(text);
  RequireWords(stages.status());
  if (!stages.ok()) return;
  std::string written;
  for (const TailStageSpec& stage : *stages) {
    Require(stage.iterations >= 1 && stage.iterations <= 1000000 && !stage.path.empty(), "a stage");
    written += (written.empty() ? "" : ";") + std::to_string(stage.iterations) + ":" + stage.path;
  }
  const auto again = ParseStageSpec(written);
  RequireOk(again.status(), "stages that were written can be read");
  Require(again->size() == stages->size(), "stages written and read are as many");
  for (size_t i = 0; i < stages->size(); ++i) {
    Require((*again)[i].path == (*stages)[i].path, "a stage's path stays");
  }
}

// A part of a mix: what MakeMix takes has the velocities that it promises.
void CheckMixPart(std::string_view text) {
  RequireWords(ParseMixRange("sector", text).status());
  const auto part = ParseMixPart(text);
  RequireWords(part.status());
  if (!part.ok()) return;
  MixRequest request;
  request.count = 8;
  request.parts = {*part};
  if (part->share < 1) {
    request.parts.push_back(MixPart());
    request.parts.back().share = 1 - part->share;
  }
  for (int i = 0; i < 32; ++i) request.deaths.push_back({0.3 * (i % 8) - 1, 0.3 * (i / 8) - 0.5});
  const auto mix = MakeMix(request);
  RequireWords(mix.status());
}

void TestOneInput(std::string_view bytes) {
  const char letter = static_cast<char>(fuzzing::TakeByte(&bytes));
  if (letter == 'm') return CheckMixPart(bytes);
  for (const auto& option : kOptions) {
    if (option.letter != letter) continue;
    v1::RunOptions options;
    const auto field = FindRunOption(option.name);
    RequireOk(field.status(), "the option's name");
    const absl::Status set = SetOption(*field, bytes, options);
    RequireWords(set);
    if (set.ok()) fuzzing::CheckOptions(options);
  }
  CheckLists(bytes);
  CheckBias(bytes);
  CheckStages(bytes);
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::TestOneInput(shoal::fuzzing::Input(data, size));
  return 0;
}
