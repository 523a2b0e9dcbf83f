// Peers that remember what they were sent, and records that workers could have made.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/hash.h"
#include "coordinator/run/ports.h"
#include "shoal/v1/items.pb.h"

namespace shoal {

class FakeWorker final : public WorkerPort {
 public:
  void Send(v1::WorkResponse response) override {
    if (response.has_lease()) leases.push_back(response.lease());
    if (response.has_welcome()) welcome = response.welcome();
    if (response.has_dismissal()) dismissal = response.dismissal(), dismissed = true;
  }
  void Abort() override { aborted = true; }

  v1::WorkerWelcome welcome;
  std::vector<v1::Lease> leases;
  v1::Dismissal dismissal;
  bool dismissed = false;
  bool aborted = false;
};

class FakeLearner final : public LearnerPort {
 public:
  void Send(v1::LearnResponse response) override {
    if (response.has_welcome()) welcome = response.welcome();
    if (response.has_begin_update()) updates.push_back(response.begin_update());
    if (response.has_retain()) {
      retain = response.retain();
      ++retains;
    }
    if (response.has_dismissal()) dismissal = response.dismissal(), dismissed = true;
  }
  void Abort() override { aborted = true; }

  v1::LearnerWelcome welcome;
  std::vector<v1::BeginUpdate> updates;
  v1::Retain retain;
  int retains = 0;  // not answered
  v1::Dismissal dismissal;
  bool dismissed = false;
  bool aborted = false;
};

inline std::string FakePolicy(int64_t version) { return Sha256Hex(absl::StrCat("policy ", version)); }

// A record of an item in which nothing happened but rows: a pure function of the item.
inline v1::RolloutRecord FakeRecord(const v1::RolloutItem& item) {
  v1::RolloutRecord record;
  record.set_iteration(item.plan().iteration());
  record.set_shard(item.shard());
  record.set_policy_sha256(item.policy_sha256());
  record.set_rows(10);
  record.set_rows_checksum(Sha256Hex(item.policy_sha256()).substr(0, 32));
  record.set_next_state(absl::StrCat("state ", item.plan().iteration(), ".", item.shard()));
  record.set_unfiltered_rows(10);
  record.set_advantage_sum(1);
  record.set_advantage_square_sum(2);
  record.set_environment_steps(10);
  record.set_fish_steps(20);
  for (int e = 0; e < item.environments_size(); ++e) {
    v1::EnvironmentUse* use = record.add_environments();
    if (item.plan().fresh_episodes()) use->set_episodes_begun(1);
    if (item.plan().fresh_episodes() && item.environments(e).tail_velocities_size() > 0) {
      use->set_overrides(1);
    }
  }
  return record;
}

// A scene that every fish survives.
inline v1::EvaluationEpisode FakeEpisode(const v1::EvaluationItem& item) {
  v1::EvaluationEpisode episode;
  episode.set_seed(item.seed());
  episode.set_num_fish(item.num_fish());
  episode.set_length(500);
  for (int fish = 0; fish < item.num_fish(); ++fish) episode.add_death_step(0);
  episode.mutable_start()->set_initial_speed(1.5);
  return episode;
}

}  // namespace shoal
