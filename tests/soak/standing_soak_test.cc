// A standing coordinator, a learner and an actor, and many short runs.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "coordinator/cli/cluster_train.h"
#include "coordinator/cli/exit_codes.h"
#include "tests/common/temporary_directory.h"
#include "tests/processes/program_set.h"
#include "tests/soak/figures.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;

constexpr int kWarmUp = 20;

RunRequest ShortRun(const std::string& folder, int number) {
  RunRequest request;
  request.command_line = SmallRun(folder, 3);
  request.command_line.set_run_name(absl::StrCat("run-", number));
  request.command_line.set_num_envs(4);
  request.command_line.set_envs_per_shard(2);
  request.command_line.set_n_steps(12);
  request.command_line.set_multi_eval_interval(1);
  request.command_line.set_policy_lag(1);
  return request;
}

// A copy of the coordinator with a `shoal` beside it that finishes at once: plots and videos of every
// run would take most of the time, and leave nothing in the processes that are looked at.
std::string CoordinatorWithIdleFinisher(const std::string& folder) {
  const fs::path built = fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "bin";
  fs::create_directories(folder);
  fs::copy_file(built / "shoal-coordinator", folder + "/shoal-coordinator");
  EXPECT_TRUE(WriteFileAtomically(folder + "/shoal", "#!/bin/sh\n").ok());
  fs::permissions(folder + "/shoal", fs::perms::owner_all);
  return folder + "/shoal-coordinator";
}

TEST(Soak, OneStandingCoordinatorAndManyRuns) {
  const TemporaryDirectory place;
  ProgramSet::Options options;
  options.run_dir = place / "programs";
  options.runs = place / "runs";
  options.coordinator_program = CoordinatorWithIdleFinisher(place / "bin");
  ASSERT_TRUE(CreateDirectories(options.run_dir + "/logs").ok());
  const std::vector<std::string> names = {"coordinator", "learner", "actor"};
  const auto ports = ServeMetrics(names, options);
  ProgramSet set(options);
  std::vector<Watched> programs;
  for (const std::string& name : names) {
    set.Start(name);
    programs.push_back({set.Pid(name), ports.at(name)});
  }
  ClusterTrainOptions train;
  train.coordinator = set.coordinator_address();
  std::string outcome;
  int runs = 0;

  // A run is sent and followed as by `shoal train`, and always comes to the same.
  const auto cycle = [&] {
    const RunRequest request = ShortRun(place.path(), runs++);
    const std::atomic<int> interrupts = 0;
    ASSERT_EQ(TrainOnCluster(request, train, interrupts), kExitDone);
    const auto said = Outcome(absl::StrCat(options.runs, "/", request.command_line.run_name()));
    ASSERT_TRUE(said.ok()) << said.status();
    if (outcome.empty()) outcome = *said;
    EXPECT_EQ(*said, outcome);
    ASSERT_TRUE(set.Check());
  };

  for (int i = 0; i < kWarmUp && !testing::Test::HasFailure(); ++i) cycle();
  std::vector<SoakLine> lines;
  for (size_t k = 0; k < names.size(); ++k) {
    lines.push_back({"standing " + names[k], SoakCycles(25), FiguresAtRest(programs[k]), {}, {}});
  }
  const int cycles = lines[0].cycles;
  for (int i = 0; i < cycles && !testing::Test::HasFailure(); ++i) {
    cycle();
    for (size_t k = 0; k < names.size(); ++k) lines[k].Sample(i + 1, programs[k]);
  }
  for (size_t k = 0; k < names.size(); ++k) {
    lines[k].end = AwaitFiguresDownTo(lines[k].warm, programs[k]);
  }
  PrintTable(lines);
  // A run holds some hundred KiB, each of its streams and policies more than 1. What the coordinator
  // keeps of a run that is over, its place in line and SQLite's page with it, is about half of that.
  for (const SoakLine& line : lines) ExpectFlat(line, 1);
  for (const char* name : {"actor", "learner", "coordinator"}) set.End(name);
}

}  // namespace
}  // namespace shoal
