#include "coordinator/evaluation/summary.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "coordinator/evaluation/step_one.h"

namespace shoal {
namespace {

absl::Status CheckEpisode(const v1::EvaluationEpisode& episode, int32_t num_fish) {
  if (episode.num_fish() < 1 || episode.num_fish() != num_fish) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", episode.num_fish(), " fish, the first scene ", num_fish));
  }
  if (episode.death_step_size() != episode.num_fish()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has ", episode.death_step_size(), " death steps for ", episode.num_fish(), " fish"));
  }
  if (episode.length() < 1 || episode.length() > kEvaluationSteps) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", episode.length(), " steps; 1 to ", kEvaluationSteps, " are possible"));
  }
  std::vector<int32_t> at_step_one, listed;
  for (int32_t fish = 0; fish < episode.num_fish(); ++fish) {
    const int64_t step = episode.death_step(fish);
    if (step > episode.length()) {
      return absl::InvalidArgumentError(
          absl::StrCat("has fish ", fish, " die at step ", step, " of ", episode.length()));
    }
    if (step == 1) at_step_one.push_back(fish);
  }
  for (const v1::StepOneDeath& death : episode.step_one_deaths()) {
    listed.push_back(death.fish_index());
    if (!IsSound(death)) {
      return absl::InvalidArgumentError("has a step-one death that is not finite");
    }
  }
  if (listed != at_step_one) {
    return absl::InvalidArgumentError(
        absl::StrCat("lists ", listed.size(), " step-one deaths that are not the ",
                     at_step_one.size(), " fish with death step 1, in their order"));
  }
  const v1::SceneStart& start = episode.start();
  for (const double value : {start.spawn_radius(), start.spawn_angle(), start.initial_speed(),
                             start.initial_heading(), start.final_speed(), start.final_heading()}) {
    if (!std::isfinite(value)) {
      return absl::InvalidArgumentError("has a start that is not finite");
    }
  }
  return absl::OkStatus();
}

void AddEpisode(const v1::EvaluationEpisode& episode, std::vector<double>& death_steps,
                EvaluationSummary& result) {
  int32_t alive = 0;
  for (const uint32_t step : episode.death_step()) {
    if (step == 0) ++alive;
    death_steps.push_back(step == 0 ? kEvaluationSteps : step);
  }
  result.final_survival.push_back(static_cast<double>(alive) / episode.num_fish());
  result.episode_seeds.push_back(episode.seed());
  for (const v1::StepOneDeath& death : episode.step_one_deaths()) {
    result.step_one_deaths.push_back(death);
    if (death.unavoidable()) ++result.step_one_unavoidable_count;
  }
}

void DescribeDeathSteps(std::vector<double> death_steps, EvaluationSummary& result) {
  std::sort(death_steps.begin(), death_steps.end());
  const double count = static_cast<double>(death_steps.size());
  const auto share_below = [&](double step) {
    const auto end = std::lower_bound(death_steps.begin(), death_steps.end(), step);
    return static_cast<double>(end - death_steps.begin()) / count;
  };
  const auto survivors = death_steps.end() -
                         std::lower_bound(death_steps.begin(), death_steps.end(), kEvaluationSteps);
  result.total_fish_samples = static_cast<int64_t>(death_steps.size());
  result.survival_fraction = static_cast<double>(survivors) / count;
  result.mean_death_step = *MeanValue(death_steps);
  result.median_death_step = SortedPercentile(death_steps, 50);
  result.p10 = SortedPercentile(death_steps, 10);
  result.p25 = SortedPercentile(death_steps, 25);
  result.p75 = SortedPercentile(death_steps, 75);
  result.p90 = SortedPercentile(death_steps, 90);
  result.early_death_fraction_100 = share_below(100);
  result.early_death_fraction_150 = share_below(150);
}

void DescribeSurvival(EvaluationSummary& result) {
  const std::vector<double>& survival = result.final_survival;
  result.avg_final_survival_rate = *MeanValue(survival);
  result.min_final_survival_rate = *std::min_element(survival.begin(), survival.end());
  // The number alive never grows, so a scene's lowest share is its final one.
  result.avg_min_survival_rate = result.avg_final_survival_rate;
  result.min_of_min_survival_rate = result.min_final_survival_rate;
  result.median_min_survival_rate = *LinearPercentile(survival, 50);
}

void DescribeStepOne(EvaluationSummary& result) {
  const double fish = static_cast<double>(result.total_fish_samples);
  result.step_one_death_count = static_cast<int64_t>(result.step_one_deaths.size());
  result.step_one_avoidable_count = result.step_one_death_count - result.step_one_unavoidable_count;
  result.step_one_death_ratio = static_cast<double>(result.step_one_death_count) / fish;
  result.step_one_avoidable_ratio = static_cast<double>(result.step_one_avoidable_count) / fish;
  if (!result.step_one_deaths.empty()) {
    result.step_one_ne_high_speed_share =
        SummarizeStepOne(VelocitiesOf(result.step_one_deaths)).ne_high_speed_share;
  }
}

PreRollSummary DescribePreRoll(std::span<const v1::EvaluationEpisode> episodes) {
  const auto describe = [episodes](double (v1::SceneStart::*value)() const) {
    std::vector<double> samples;
    for (const v1::EvaluationEpisode& episode : episodes) {
      samples.push_back((episode.start().*value)());
    }
    return Describe(samples);
  };
  return {describe(&v1::SceneStart::spawn_radius),  describe(&v1::SceneStart::spawn_angle),
          describe(&v1::SceneStart::initial_speed), describe(&v1::SceneStart::initial_heading),
          describe(&v1::SceneStart::final_speed),   describe(&v1::SceneStart::final_heading)};
}

}  // namespace

absl::StatusOr<EvaluationSummary> SummarizeEvaluation(
    std::span<const v1::EvaluationEpisode> episodes) {
  if (episodes.empty()) {
    return absl::InvalidArgumentError("an evaluation without episodes has no summary");
  }
  EvaluationSummary result;
  result.episodes = static_cast<int64_t>(episodes.size());
  result.num_fish = episodes[0].num_fish();
  std::vector<double> death_steps;
  for (size_t scene = 0; scene < episodes.size(); ++scene) {
    if (absl::Status status = CheckEpisode(episodes[scene], result.num_fish); !status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("scene ", scene, " (seed ", episodes[scene].seed(), ") ", status.message()));
    }
    AddEpisode(episodes[scene], death_steps, result);
  }
  DescribeDeathSteps(std::move(death_steps), result);
  DescribeSurvival(result);
  DescribeStepOne(result);
  result.pre_roll = DescribePreRoll(episodes);
  return result;
}

std::vector<int32_t> WorstScenes(const EvaluationSummary& summary, int count) {
  std::vector<int32_t> scenes(summary.final_survival.size());
  std::iota(scenes.begin(), scenes.end(), 0);
  std::stable_sort(scenes.begin(), scenes.end(), [&](int32_t a, int32_t b) {
    return summary.final_survival[a] < summary.final_survival[b];
  });
  scenes.resize(std::min<size_t>(scenes.size(), std::max(count, 0)));
  return scenes;
}

}  // namespace shoal
