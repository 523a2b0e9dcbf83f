// Tail files: mixes for the queue, recorded deaths that mixes are made from, and mixes made of what
// was read. Input: the file's text.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "coordinator/tail/clusters.h"
#include "coordinator/tail/make_mix.h"
#include "coordinator/tail/mix_file.h"
#include "coordinator/tail/tail_queue.h"
#include "nlohmann/json.hpp"
#include "tests/fuzz/fuzzing.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

void CheckVelocities(const std::vector<Velocity>& velocities) {
  Require(!velocities.empty(), "a file without velocities is refused");
  for (const Velocity& velocity : velocities) {
    Require(std::isfinite(velocity.x) && std::isfinite(velocity.y), "velocities are finite");
    Require(Speed(velocity) <= kMaxTailSpeed, "no velocity is faster than 10");
  }
}

// The velocities as a mix file are the same velocities.
void CheckWriting(const std::vector<Velocity>& velocities) {
  nlohmann::json pairs = nlohmann::json::array();
  for (const Velocity& velocity : velocities) pairs.push_back({velocity.x, velocity.y});
  const auto again = ReadMix(nlohmann::json({{"velocities", pairs}}).dump(), "again.json");
  RequireOk(again.status(), "a mix that was written can be read");
  Require(*again == velocities, "a mix written and read is the same");
}

// A queue of one stage of them gives every environment its slots.
void CheckQueue(const std::vector<Velocity>& velocities) {
  v1::RunOptions options;
  options.set_num_envs(3);
  auto shared = std::make_shared<const std::vector<Velocity>>(velocities);
  auto queue = TailQueue::Create(options, {TailStage{2, "mix.json", shared}});
  RequireOk(queue.status(), "a mix that was read makes a stage");
  Require(queue->length() == 6, "slots of a stage");
  Require(queue->Upcoming(1, 5).size() == 2, "slots of an environment");
}

void CheckMix(std::string_view text) {
  const auto mix = ReadMix(text, "mix.json");
  RequireWords(mix.status());
  if (!mix.ok()) return;
  CheckVelocities(*mix);
  if (mix->size() > 1000) return;
  CheckWriting(*mix);
  CheckQueue(*mix);
}

void CheckDeaths(std::string_view text) {
  const auto deaths = ReadDeaths(text, "deaths.jsonl");
  RequireWords(deaths.status());
  if (!deaths.ok()) return;
  CheckVelocities(*deaths);
  if (deaths->size() > 1000) return;
  const std::vector<VelocityCluster> clusters = ClusterVelocities(*deaths);
  int64_t sum = 0;
  for (const VelocityCluster& cluster : clusters) sum += cluster.count;
  Require(sum == static_cast<int64_t>(deaths->size()), "every death is in one cluster");
  MixRequest request;
  request.count = 16;
  request.deaths = *deaths;
  MixPart slow;
  slow.source = MixPart::Source::kDeaths;
  slow.speed = {0, 2};
  slow.share = 0.5;
  MixPart others;
  others.source = MixPart::Source::kOthers;
  others.share = 0.5;
  request.parts = {slow, others};
  const auto mix = MakeMix(request);
  RequireWords(mix.status());
  if (!mix.ok()) return;
  const auto read = ReadMix(*mix, "made.json");
  RequireOk(read.status(), "a mix that was made can be read");
  Require(read->size() == 16, "a mix has as many velocities as were asked for");
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::CheckMix(shoal::fuzzing::Input(data, size));
  shoal::CheckDeaths(shoal::fuzzing::Input(data, size));
  return 0;
}
