// shoal ceiling: what of a bank any policy could save at most.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "actor/world/fates.h"
#include "coordinator/cli/experiment_commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/scene_options.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using Json = nlohmann::ordered_json;

struct CeilingArguments {
  SceneArguments scenes;
  int threads = 0;
  std::string output = "table";
};

struct Ceiling {
  int64_t fish = 0;
  int64_t saved = 0;
  int64_t open = 0;
  // Fish that are lost whatever they do, by the step by which they are; index 0 is not used.
  std::vector<int64_t> lost = std::vector<int64_t>(kHorizon + 1, 0);
  // Saved and open of each scene.
  std::vector<int64_t> saved_by_scene;

  int64_t lost_later() const {
    int64_t sum = 0;
    for (size_t step = 2; step < lost.size(); ++step) sum += lost[step];
    return sum;
  }
  double share(int64_t count) const { return static_cast<double>(count) / static_cast<double>(fish); }
};

// Each scene is its own, so that the answer does not depend on the threads.
std::vector<std::vector<Fate>> AllFates(const WorldOptions& options,
                                        const std::vector<EpisodeStart>& starts, int num_fish,
                                        int threads) {
  std::vector<std::vector<Fate>> fates(starts.size());
  std::atomic<size_t> next{0};
  const auto work = [&] {
    World world(options, 1, num_fish);
    for (size_t scene = next++; scene < starts.size(); scene = next++) {
      world.Reset(0, starts[scene]);
      fates[scene] = FindFates(world, 0);
    }
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& thread : others) thread.join();
  return fates;
}

absl::StatusOr<Ceiling> ComputeCeiling(const CeilingArguments& arguments) {
  WorldOptions world = StandardWorldOptions();
  world.include_neighbor_features = false;
  absl::Status applied = ApplySceneOptions(arguments.scenes, world);
  if (!applied.ok()) return applied;
  auto starts = SceneStarts(arguments.scenes);
  if (!starts.ok()) return starts.status();
  const int cores = std::max(1u, std::thread::hardware_concurrency());
  const int threads = std::min<int>(arguments.threads > 0 ? arguments.threads : cores,
                                    static_cast<int>(starts->size()));
  Ceiling ceiling;
  for (const std::vector<Fate>& scene :
       AllFates(world, *starts, arguments.scenes.num_fish, threads)) {
    const int64_t before = ceiling.saved;
    for (const Fate& fate : scene) {
      ++ceiling.fish;
      ceiling.saved += fate.kind == FateKind::kSaved;
      ceiling.open += fate.kind == FateKind::kOpen;
      if (fate.kind == FateKind::kDoomed) ++ceiling.lost[fate.last_step];
    }
    ceiling.saved_by_scene.push_back(ceiling.saved - before);
  }
  return ceiling;
}

Json CeilingJson(const CeilingArguments& arguments, const Ceiling& ceiling) {
  Json lost = Json::array();
  for (size_t step = 1; step < ceiling.lost.size(); ++step) {
    if (ceiling.lost[step] > 0) lost.push_back({{"step", step}, {"fish", ceiling.lost[step]}});
  }
  return {{"bank", arguments.scenes.bank},
          {"episodes", arguments.scenes.episodes},
          {"num_fish", arguments.scenes.num_fish},
          {"escape_boost_speed", arguments.scenes.boost},
          {"ceiling", ceiling.share(ceiling.saved + ceiling.open)},
          {"ceiling_at_least", ceiling.share(ceiling.saved)},
          {"step_one_ceiling", 1 - ceiling.share(ceiling.lost[1])},
          {"fish", ceiling.fish},
          {"saved", ceiling.saved},
          {"open", ceiling.open},
          {"lost_by_step", lost},
          {"saved_by_scene", ceiling.saved_by_scene}};
}

int RunCeiling(const CeilingArguments& arguments) {
  auto ceiling = ComputeCeiling(arguments);
  if (!ceiling.ok()) return ReportError(ceiling.status());
  if (arguments.output == "json") {
    std::printf("%s\n", CeilingJson(arguments, *ceiling).dump().c_str());
    return kExitDone;
  }
  std::printf("%10s %8s %6s  %7s  %8s %8s %8s %6s\n", "bank", "scenes", "fish", "ceiling", "saved",
              "lost at 1", "later", "open");
  std::printf("%10llu %8d %6d  %7.4f  %8lld %9lld %8lld %6lld\n",
              static_cast<unsigned long long>(arguments.scenes.bank), arguments.scenes.episodes,
              arguments.scenes.num_fish, ceiling->share(ceiling->saved + ceiling->open),
              static_cast<long long>(ceiling->saved), static_cast<long long>(ceiling->lost[1]),
              static_cast<long long>(ceiling->lost_later()),
              static_cast<long long>(ceiling->open));
  if (ceiling->open > 0) {
    std::printf("the search left %lld fish open; the ceiling lies between %.4f and %.4f\n",
                static_cast<long long>(ceiling->open), ceiling->share(ceiling->saved),
                ceiling->share(ceiling->saved + ceiling->open));
  }
  return kExitDone;
}

}  // namespace

Command AddCeilingCommand(CLI::App& app) {
  auto arguments = std::make_shared<CeilingArguments>();
  CLI::App* ceiling = app.add_subcommand(
      "ceiling", "the share of a bank's fish that some sequence of actions saves, by search");
  AddSceneOptions(*ceiling, arguments->scenes);
  ceiling->add_option("--threads", arguments->threads,
                      "threads; the answer does not depend on it (default: the cores)")
      ->check(CLI::Range(1, 256));
  ceiling->add_option("-o,--output", arguments->output, "table or json, which has more")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  return Command{ceiling, [arguments] { return RunCeiling(*arguments); }};
}

}  // namespace shoal
