#include "coordinator/evaluation/measurements.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "coordinator/evaluation/statistics.h"
#include "coordinator/evaluation/step_one.h"
#include "coordinator/tail/tail_queue.h"

namespace shoal {
namespace {

// Samples of the episodes that ended, in order.
struct EpisodeSamples {
  std::vector<double> survival;
  std::vector<double> reward;
  std::vector<double> length;
  std::vector<double> average_alive;
  std::vector<double> final_alive;
  std::vector<double> first_death;
};

// Far more than a shard has of anything, and far less than sums of them can hold.
constexpr int64_t kMaxCount = 1'000'000'000'000;

absl::Status CheckCounts(const v1::RolloutRecord& record) {
  const struct {
    const char* name;
    int64_t value;
  } counts[] = {
      {"rows", record.rows()},
      {"unfiltered_rows", record.unfiltered_rows()},
      {"environment_steps", record.environment_steps()},
      {"fish_steps", record.fish_steps()},
  };
  for (const auto& count : counts) {
    if (count.value < 0 || count.value > kMaxCount) {
      return absl::InvalidArgumentError(absl::StrCat(count.name, " is ", count.value, "; 0 to ",
                                                     kMaxCount, " are possible"));
    }
  }
  if (record.unfiltered_rows() < record.rows()) {
    return absl::InvalidArgumentError(
        absl::StrCat(record.rows(), " rows of ", record.unfiltered_rows(), " before the filter"));
  }
  return absl::OkStatus();
}

// Advantages are float32, so that sums of them have limits; within these moments are finite.
absl::Status CheckAdvantages(const v1::RolloutRecord& record) {
  constexpr double kMost = std::numeric_limits<float>::max();
  const double rows = static_cast<double>(record.unfiltered_rows());
  const double sum = record.advantage_sum(), squares = record.advantage_square_sum();
  if (!std::isfinite(sum) || !std::isfinite(squares)) {
    return absl::InvalidArgumentError("a sum of advantages is not finite");
  }
  if (std::abs(sum) <= rows * kMost && squares >= 0 && squares <= rows * kMost * kMost) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("the advantages of ", record.unfiltered_rows(),
                                                 " rows add up to ", sum, " and their squares to ",
                                                 squares, ", which is not possible"));
}

absl::Status CheckEpisode(const v1::EpisodeRecord& episode) {
  if (episode.num_fish() < 1) return absl::InvalidArgumentError("has no fish");
  if (episode.length() < 1) return absl::InvalidArgumentError("has no step");
  if (episode.final_alive() < 0 || episode.final_alive() > episode.num_fish()) {
    return absl::InvalidArgumentError(absl::StrCat("ends with ", episode.final_alive(), " of ",
                                                   episode.num_fish(), " fish alive"));
  }
  const int64_t fish_steps = int64_t{episode.num_fish()} * episode.length();
  if (episode.alive_sum() < 0 || episode.alive_sum() > fish_steps) {
    return absl::InvalidArgumentError(absl::StrCat("has ", episode.alive_sum(),
                                                   " alive, summed over steps; 0 to ", fish_steps,
                                                   " are possible"));
  }
  if (episode.first_death_step() < 0 || episode.first_death_step() > episode.length()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has its first death at step ", episode.first_death_step(), " of ", episode.length()));
  }
  if ((episode.first_death_step() == 1) != !episode.step_one_deaths().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("has its first death at step ", episode.first_death_step(), " and lists ",
                     episode.step_one_deaths_size(), " step-one deaths"));
  }
  if (!std::isfinite(episode.reward_sum())) {
    return absl::InvalidArgumentError("has a reward that is not finite");
  }
  for (const v1::StepOneDeath& death : episode.step_one_deaths()) {
    if (!IsSound(death)) {
      return absl::InvalidArgumentError("has a step-one death that is not finite");
    }
  }
  return absl::OkStatus();
}

void AddEpisode(const v1::EpisodeRecord& episode, EpisodeSamples& samples,
                IterationMeasurements& result) {
  const double length = episode.length();
  ++result.episodes_ended;
  samples.survival.push_back(static_cast<double>(episode.final_alive()) / episode.num_fish());
  samples.reward.push_back(episode.reward_sum());
  samples.length.push_back(length);
  samples.average_alive.push_back(static_cast<double>(episode.alive_sum()) / length);
  samples.final_alive.push_back(episode.final_alive());
  if (episode.first_death_step() > 0) samples.first_death.push_back(episode.first_death_step());
  for (const v1::StepOneDeath& death : episode.step_one_deaths()) {
    result.step_one_deaths.push_back({episode.environment(), episode.episode(), death});
  }
}

absl::Status AddUses(const v1::RolloutRecord& record, IterationMeasurements& result) {
  for (const v1::EnvironmentUse& use : record.environments()) {
    if (use.episodes_begun() < 0 || use.overrides() < 0 || use.forced_resets() < 0 ||
        use.overrides() > use.episodes_begun()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "an environment began ", use.episodes_begun(), " episodes, ", use.overrides(),
          " of them with a tail slot, after ", use.forced_resets(), " forced resets"));
    }
    result.prewarm_override_episodes += use.episodes_begun();
    result.prewarm_override_hits += use.overrides();
    result.tail_forced_resets += use.forced_resets();
  }
  return absl::OkStatus();
}

absl::Status AddRecord(const v1::RolloutRecord& record, EpisodeSamples& samples,
                       IterationMeasurements& result) {
  int64_t last_environment = -1, last_episode = -1;
  for (const v1::EpisodeRecord& episode : record.episodes()) {
    if (episode.environment() < last_environment ||
        (episode.environment() == last_environment && episode.episode() <= last_episode)) {
      return absl::InvalidArgumentError(absl::StrCat("environment ", episode.environment(),
                                                     ", episode ", episode.episode(),
                                                     " is out of order"));
    }
    last_environment = episode.environment();
    last_episode = episode.episode();
    if (absl::Status status = CheckEpisode(episode); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("environment ", episode.environment(),
                                                     ", episode ", episode.episode(), " ",
                                                     status.message()));
    }
    AddEpisode(episode, samples, result);
  }
  if (absl::Status status = AddUses(record, result); !status.ok()) return status;
  if (absl::Status status = CheckCounts(record); !status.ok()) return status;
  if (absl::Status status = CheckAdvantages(record); !status.ok()) return status;
  result.rows += record.rows();
  result.unfiltered_rows += record.unfiltered_rows();
  result.advantage_sum += record.advantage_sum();
  result.advantage_square_sum += record.advantage_square_sum();
  result.environment_steps += record.environment_steps();
  result.fish_steps += record.fish_steps();
  return absl::OkStatus();
}

void CopyPlan(const v1::IterationPlan& plan, IterationMeasurements& result) {
  result.iteration = plan.iteration();
  result.phase = plan.phase();
  result.num_fish = plan.num_fish();
  result.policy_version = plan.policy_version();
  result.density_penalty_coef = plan.density_penalty_coef();
  result.entropy_coef = plan.entropy_coef();
  result.escape_boost_speed = plan.escape_boost_speed();
  result.learning_rate = plan.learning_rate();
  result.gate_phase_limit = plan.gate_phase_limit();
}

void Finish(EpisodeSamples samples, bool tail_slots_left, IterationMeasurements& result) {
  result.survival_rate = MeanValue(samples.survival);
  result.avg_reward = MeanValue(samples.reward);
  result.episode_length = MeanValue(samples.length);
  result.avg_num_alive = MeanValue(samples.average_alive);
  result.final_num_alive = MeanValue(samples.final_alive);
  result.first_death_step = MeanValue(samples.first_death);
  result.first_death_sample_size = static_cast<int64_t>(samples.first_death.size());
  result.first_death_p10 = LinearPercentile(std::move(samples.first_death), 10);
  if (!result.step_one_deaths.empty()) {
    const StepOneSummary summary = SummarizeStepOne(VelocitiesOf(result.step_one_deaths));
    result.step_one_top_share = summary.top_share;
    result.step_one_ne_high_speed_share = summary.ne_high_speed_share;
  }
  result.prewarm_override_ratio = PrewarmOverrideRatio(
      result.prewarm_override_hits, result.prewarm_override_episodes, tail_slots_left);
}

}  // namespace

absl::StatusOr<IterationMeasurements> FoldIteration(const v1::IterationPlan& plan,
                                                    std::span<const v1::RolloutRecord> records,
                                                    bool tail_slots_left) {
  if (records.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("iteration ", plan.iteration(), " has no records to fold"));
  }
  IterationMeasurements result;
  CopyPlan(plan, result);
  EpisodeSamples samples;
  for (size_t i = 0; i < records.size(); ++i) {
    const v1::RolloutRecord& record = records[i];
    const std::string where = absl::StrCat("iteration ", plan.iteration(), ", shard ", i, ": ");
    if (record.shard() != static_cast<int32_t>(i) || record.iteration() != plan.iteration()) {
      return absl::InvalidArgumentError(absl::StrCat(
          where, "found the record of iteration ", record.iteration(), ", shard ", record.shard()));
    }
    if (record.policy_sha256() != records[0].policy_sha256()) {
      return absl::InvalidArgumentError(absl::StrCat(where, "acted with policy ",
                                                     record.policy_sha256(), ", shard 0 with ",
                                                     records[0].policy_sha256()));
    }
    if (absl::Status status = AddRecord(record, samples, result); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(where, status.message()));
    }
  }
  Finish(std::move(samples), tail_slots_left, result);
  return result;
}

AdvantageMoments MomentsOfAdvantages(const IterationMeasurements& measurements) {
  if (measurements.unfiltered_rows == 0) return {};
  const double count = static_cast<double>(measurements.unfiltered_rows);
  const double mean = measurements.advantage_sum / count;
  // Rounding can push the variance of equal advantages below 0.
  const double variance = std::max(measurements.advantage_square_sum / count - mean * mean, 0.0);
  return {mean, std::sqrt(variance)};
}

}  // namespace shoal
