// shoal eval: policies on a bank of scenes; shoal eval now: an order to a running run.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "actor/evaluation/evaluation.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/find_policy.h"
#include "coordinator/cli/order_command.h"
#include "coordinator/cli/scene_options.h"
#include "coordinator/evaluation/statistics.h"
#include "coordinator/evaluation/summary.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

struct EvalArguments {
  std::vector<std::string> policies;
  SceneArguments scenes;
  std::string out = "runs";
  bool json = false;
};

struct Evaluated {
  std::string policy;
  std::vector<int> final_alive;
  std::vector<int> step_one;
  EvaluationSummary summary;
  ConfidenceInterval interval;
};

absl::StatusOr<Evaluated> Evaluate(const EvalArguments& arguments, const std::string& policy) {
  auto player = FindPlayer(policy, arguments.out);
  if (!player.ok()) return player.status();
  absl::Status applied = ApplySceneOptions(arguments.scenes, player->world);
  if (!applied.ok()) return applied;
  auto starts = SceneStarts(arguments.scenes);
  if (!starts.ok()) return starts.status();
  Evaluated result;
  result.policy = policy;
  std::vector<v1::EvaluationEpisode> episodes;
  for (const EpisodeStart& start : *starts) {
    auto episode = PlayScene(player->world, start, arguments.scenes.num_fish, *player->player);
    if (!episode.ok()) return episode.status();
    int alive = 0;
    for (uint32_t step : episode->death_step()) alive += step == 0 ? 1 : 0;
    result.final_alive.push_back(alive);
    result.step_one.push_back(episode->step_one_deaths_size());
    episodes.push_back(*std::move(episode));
  }
  auto summary = SummarizeEvaluation(episodes);
  if (!summary.ok()) return summary.status();
  result.summary = *std::move(summary);
  auto interval = BootstrapMean(result.summary.final_survival, BootstrapOptions{});
  if (!interval.ok()) return interval.status();
  result.interval = *interval;
  return result;
}

nlohmann::ordered_json EvaluatedJson(const EvalArguments& arguments, const Evaluated& evaluated) {
  return {{"policy", evaluated.policy},
          {"bank", arguments.scenes.bank},
          {"episodes", arguments.scenes.episodes},
          {"num_fish", arguments.scenes.num_fish},
          {"escape_boost_speed", arguments.scenes.boost},
          {"mean_final_survival", evaluated.summary.avg_final_survival_rate},
          {"min_final_survival", evaluated.summary.min_final_survival_rate},
          {"interval_95", {evaluated.interval.low, evaluated.interval.high}},
          {"final_alive", evaluated.final_alive},
          {"step_one_deaths", evaluated.step_one},
          {"death_stats", ToJson(evaluated.summary)["death_stats"]}};
}

nlohmann::ordered_json ComparisonJson(const std::string& policy, const PairedComparison& paired) {
  return {{"policy", policy},
          {"mean_difference", paired.difference.mean},
          {"interval_95", {paired.difference.low, paired.difference.high}},
          {"better", paired.second_better},
          {"equal", paired.equal},
          {"worse", paired.first_better}};
}

void PrintTable(const EvalArguments& arguments, const std::vector<Evaluated>& all) {
  std::printf("bank %llu, %d scenes of %d fish, boost %g\n",
              static_cast<unsigned long long>(arguments.scenes.bank), arguments.scenes.episodes,
              arguments.scenes.num_fish, arguments.scenes.boost);
  std::printf("%-36s %8s %8s  %-18s %9s %7s %11s\n", "policy", "survival", "minimum",
              "95 % interval", "step one", "p10", "early death");
  for (const Evaluated& e : all) {
    std::printf("%-36s %8.4f %8.4f  [%.4f, %.4f]   %9.4f %7.1f %11.4f\n", e.policy.c_str(),
                e.summary.avg_final_survival_rate, e.summary.min_final_survival_rate,
                e.interval.low, e.interval.high, e.summary.step_one_death_ratio, e.summary.p10,
                e.summary.early_death_fraction_100);
  }
}

// What every further policy has more than the first.
absl::Status Compare(const EvalArguments& arguments, const std::vector<Evaluated>& all,
                     nlohmann::ordered_json& json) {
  for (size_t i = 1; i < all.size(); ++i) {
    auto paired = ComparePaired(all[0].summary.final_survival, all[i].summary.final_survival,
                                BootstrapOptions{});
    if (!paired.ok()) return paired.status();
    if (arguments.json) {
      json.push_back(ComparisonJson(all[i].policy, *paired));
    } else {
      std::printf("%s against %s on the same scenes: %+.4f  [%+.4f, %+.4f], better on %lld, equal on "
                  "%lld, worse on %lld\n",
                  all[i].policy.c_str(), all[0].policy.c_str(), paired->difference.mean,
                  paired->difference.low, paired->difference.high,
                  static_cast<long long>(paired->second_better),
                  static_cast<long long>(paired->equal),
                  static_cast<long long>(paired->first_better));
    }
  }
  return absl::OkStatus();
}

absl::Status RunEval(const EvalArguments& arguments) {
  if (arguments.policies.empty()) {
    return absl::InvalidArgumentError(
        "shoal eval needs --policy: rule:NAME, a policy.safetensors, or run:NAME[@ITERATION] "
        "(`shoal eval now RUN` has a run that is on evaluate its own)");
  }
  std::vector<Evaluated> all;
  for (const std::string& policy : arguments.policies) {
    auto evaluated = Evaluate(arguments, policy);
    if (!evaluated.ok()) return evaluated.status();
    all.push_back(*std::move(evaluated));
  }
  nlohmann::ordered_json differences = nlohmann::ordered_json::array();
  if (!arguments.json) PrintTable(arguments, all);
  if (absl::Status status = Compare(arguments, all, differences); !status.ok()) return status;
  if (!arguments.json) return absl::OkStatus();
  nlohmann::ordered_json json;
  if (all.size() == 1) {
    json = EvaluatedJson(arguments, all[0]);
  } else {
    for (const Evaluated& e : all) json["policies"].push_back(EvaluatedJson(arguments, e));
    json["differences_from_first"] = differences;
  }
  std::printf("%s\n", json.dump().c_str());
  return absl::OkStatus();
}

}  // namespace

Command AddEvalCommand(CLI::App& app) {
  auto a = std::make_shared<EvalArguments>();
  auto order = std::make_shared<OrderArguments>();
  CLI::App* eval = app.add_subcommand("eval", "play a bank of scenes with a policy");
  eval->add_option("--policy", a->policies,
                   "rule:NAME, a policy.safetensors, or run:NAME[@ITERATION]; several are compared on "
                   "the same scenes")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("POLICY");
  AddSceneOptions(*eval, a->scenes);
  eval->add_option("--out", a->out, "folder of all runs")->type_name("DIR")->capture_default_str();
  eval->add_flag("--json", a->json, "print one JSON object");
  eval->require_subcommand(0, 1);
  CLI::App* now = eval->add_subcommand(
      "now", "have a run that is on evaluate the policy of its next iteration, beside training");
  AddOrderOptions(*now, *order, v1::Order::KIND_EVALUATE, true);
  return Command{eval, [a, order, now] {
                   if (now->parsed()) return GiveOrder(*order, "eval now");
                   const absl::Status status = RunEval(*a);
                   return status.ok() ? kExitDone : ReportError(status);
                 }};
}

}  // namespace shoal
