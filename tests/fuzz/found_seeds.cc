// Seeds for what once went wrong: the name says what.
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "actor/policy/weights.h"
#include "common/files.h"
#include "shoal/v1/items.pb.h"
#include "shoal/v1/records.pb.h"
#include "tests/fuzz/seed_corpus.h"
#include "tests/policy/random_policy.h"

namespace shoal::fuzzing {
namespace {

// The first frame's message of a seed, changed, with the rest as it was.
template <typename Message>
std::string Changed(std::string_view bytes, void (*change)(Message&)) {
  std::string_view rest = bytes.substr(1);
  Message message;
  Require(ParseMessage(TakeFrame(&rest), &message), "a seed's message");
  change(message);
  return std::string(bytes.substr(0, 1)) + MakeFrame(message.SerializeAsString()) +
         std::string(rest);
}

std::string ReadSeed(const std::string& folder, const std::string& name) {
  const auto bytes = ReadFile(absl::StrCat(folder, "/", name));
  RequireOk(bytes.status(), name);
  return *bytes;
}

void AddFoundRecords(const Corpus& corpus, const std::string& folder) {
  const std::string records = ReadSeed(folder, "rollout_records_fuzz/ends");
  using Record = v1::RolloutRecord;
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  corpus.Add("rollout_records_fuzz", "found_sum_of_steps_overflows",
             Changed<Record>(records, [](Record& r) { r.set_environment_steps(kMost); }));
  // Both records, as the sum of one is a number; with the row filter, which uses the moments.
  using Change = void (*)(Record&);
  const Change endless = [](Record& r) { r.set_advantage_sum(1.5e308); };
  const std::string first = Changed<Record>(records, endless);
  std::string_view second = std::string_view(first).substr(1);
  const std::string frame = MakeFrame(TakeFrame(&second));
  corpus.Add("rollout_records_fuzz", "found_moments_not_finite",
             Byte(8) + frame + Changed<Record>(Byte(0) + std::string(second), endless).substr(1));
  std::string looping = Changed<Record>(records, [](Record& r) {
    for (v1::EnvironmentUse& use : *r.mutable_environments()) {
      use.set_episodes_begun(std::numeric_limits<int32_t>::max());
      use.set_overrides(std::numeric_limits<int32_t>::max());
    }
  });
  looping[0] = 16;
  corpus.Add("rollout_records_fuzz", "found_slots_without_end", looping);

  // The state lies behind the item's frame.
  const std::string item = ReadSeed(folder, "rollout_item_fuzz/later");
  std::string_view rest = std::string_view(item).substr(1);
  const std::string before = item.substr(0, 1) + MakeFrame(TakeFrame(&rest));
  v1::ShardState state;
  Require(ParseMessage(rest, &state), "a seed's state");
  for (v1::EnvironmentState& environment : *state.mutable_environments()) {
    if (environment.has_record()) environment.mutable_record()->set_alive_sum(kMost - 1);
  }
  corpus.Add("rollout_item_fuzz", "found_alive_sum_overflows", before + state.SerializeAsString());
  corpus.Add("rollout_item_fuzz", "found_boost_not_finite",
             Changed<v1::RolloutItem>(item, [](v1::RolloutItem& i) {
               i.mutable_plan()->set_escape_boost_speed(1e300);
               i.mutable_plan()->set_fresh_episodes(true);
             }));
}

}  // namespace

void AddFound(const Corpus& corpus, const std::string& folder) {
  AddFoundRecords(corpus, folder);
  const std::string planner = ReadSeed(folder, "planner_state_fuzz/every_fish");
  std::string_view rest = std::string_view(planner).substr(1);
  const std::string before = planner.substr(0, 1) + MakeFrame(TakeFrame(&rest));
  v1::PlannerState state;
  Require(ParseMessage(rest, &state), "a seed's state");
  state.set_advantage_std(-1e-5);
  corpus.Add("planner_state_fuzz", "found_negative_deviation", before + state.SerializeAsString());

  corpus.Add("options_text_fuzz", "found_freeze_overflows.textproto",
             "penalty_gate_freeze_iterations: 9223372036854775807\n"
             "penalty_gate_success_freeze_iterations: 9223372036854775807\n");
  corpus.Add("options_text_fuzz", "found_radius_vanishes.textproto", "neighbor_radius: 1e-50\n");
  corpus.Add("schedule_strings_fuzz", "heading_beyond_a_circle", "b0-1e308:1");
  corpus.Add("schedule_strings_fuzz", "found_speed_not_finite", "v1-1e308:1");
  // Counts that ask for gigabytes have no seed, only a test: nearly all of its mutants ask for many
  // megabytes, rightly, and the target would do little else.
  PolicyWeights weights = RandomPolicy({2}, false, Activation::kTanh, 5);
  std::string policy = WithoutLength(*SerializePolicy(weights));
  const std::pair<absl::string_view, absl::string_view> count = {
      R"("neighbor_average_count":"6")", R"("neighbor_average_count":"4294967296")"};
  corpus.Add("safetensors_fuzz", "found_count_of_0_as_int", absl::StrReplaceAll(policy, {count}));
}

}  // namespace shoal::fuzzing
