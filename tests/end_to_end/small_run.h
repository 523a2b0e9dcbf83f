// A small run through the built `shoal`, for tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "tests/end_to_end/shoal_program.h"

namespace shoal {

// A run of a few seconds with everything in it: two phases, evaluations that the gate waits for, a
// tail queue with forced resets. What is drawn at the end takes longer than the run itself, and is left
// out unless `more` asks for it with --artifacts; a standing coordinator decides that itself.
inline std::vector<std::string> Small(const Workplace& place, const std::string& name,
                               std::vector<std::string> more = {},
                               const std::string& curriculum = "9:4,12:4") {
  std::vector<std::string> arguments = {
      "train",           "--run_name", name,          "--out",     place.Path("runs"),
      "--curriculum",    curriculum,   "--num_envs",  "12",        "--envs_per_shard",
      "5",               "--n_steps",  "24",          "--batch_size", "100",
      "--n_epochs",      "2",          "--policy_hidden_sizes", "32,16", "--multi_eval_interval",
      "2",               "--multi_eval_probe_episodes", "2", "--eval_multi_fish", "12",
      "--eval_multi_episodes", "3",    "--eval_episodes", "1", "--best_checkpoint_eval_episodes",
      "2",               "--gate_delay", "0",         "--episode_limit", "60",
      "--tail_seed_stage_spec", "3:" + place.Path("tail.json"), "--tail_inject", "every_rollout",
      "--tail_inject_fraction", "0.5", "--seed", "11"};
  const auto given = [&more](const char* option) {
    return std::find(more.begin(), more.end(), option) != more.end();
  };
  if (!given("--artifacts") && !given("--coordinator")) {
    arguments.insert(arguments.end(), {"--artifacts", "data"});
  }
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

class Train : public testing::Test {
 protected:
  void SetUp() override {
    const Finished made = Shoal(place_, {"tail", "make", "--sector", "180-270", "--speed", "0.2-1.35",
                                         "--count", "40", "--seed", "7", "--out", place_.Path("tail.json")});
    ASSERT_EQ(made.code, 0) << made.error;
  }
  // The processes of a program that work on this run.
  std::vector<pid_t> Processes(const std::string& program, const std::string& run) const {
    std::vector<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string pid = entry.path().filename();
      if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
      std::ifstream file(entry.path() / "cmdline");
      std::stringstream line;
      line << file.rdbuf();
      if (line.str().find("/" + program) != std::string::npos &&
          line.str().find(place_.Path("runs/" + run)) != std::string::npos) {
        found.push_back(std::stoi(pid));
      }
    }
    return found;
  }
  // Goes on with a run of the folder "runs".
  Finished GoOn(const std::string& name) const {
    return Shoal(place_, {"train", "--resume", name, "--out", place_.Path("runs"), "--artifacts", "data"});
  }
  std::string Sha(const std::string& name, std::vector<std::string> more,
                  const std::string& curriculum = "9:4,12:4") {
    const Finished finished = Shoal(place_, Small(place_, name, std::move(more), curriculum));
    EXPECT_EQ(finished.code, 0) << finished.out << finished.error;
    return PolicySha256(finished.out);
  }
  // Lines of a JSONL file without their timestamps.
  std::vector<std::string> Lines(const std::string& file) {
    std::vector<std::string> lines;
    for (absl::string_view line : absl::StrSplit(place_.Read(file), '\n', absl::SkipEmpty())) {
      auto json = nlohmann::ordered_json::parse(line.begin(), line.end());
      json.erase("timestamp");
      lines.push_back(json.dump());
    }
    return lines;
  }
  Workplace place_;
};

}  // namespace shoal
