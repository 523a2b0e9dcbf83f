// shoal sweep as a user runs it: killed, gone on with, with a row that fails, and the table at the end.
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>

#include "nlohmann/json.hpp"
#include "tests/end_to_end/shoal_program.h"

namespace shoal {
namespace {

using testing::HasSubstr;
using nlohmann::json;

// Runs of a second, but for their start.
constexpr const char* kFile =
    "# small\n"
    "base --curriculum 9:12 --num_envs 8 --envs_per_shard 8 --n_steps 16 --batch_size 64\n"
    "base --n_epochs 1 --policy_hidden_sizes 16 --include_neighbor_features off\n"
    "base --multi_eval_interval 0 --checkpoint_interval 4\n"
    "seeds 1-2\n"
    "bank 7:2 --num_fish 12\n"
    "row plain\n"
    "row tanh --activation relu\n"
    "row broken --training_mode nothing\n";

class Sweep : public testing::Test {
 protected:
  std::vector<std::string> Arguments(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"sweep", "--file", place_.Path("small.sweep"), "--out",
                                          place_.Path("sweep")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  json Table() const { return json::parse(place_.Read("sweep/table.json")); }
  void SetUp() override { place_.Write("small.sweep", kFile); }
  Workplace place_;
};

TEST_F(Sweep, IsKilledAndGoneOnWithAndReportsWhatFailed) {
  Running first(place_, Arguments());
  const std::string csv = "sweep/plain_s1/metrics.csv";
  ASSERT_TRUE(first.WaitUntil([&] {
    const std::string text = place_.Read(csv);
    return std::count(text.begin(), text.end(), '\n') >= 3;
  })) << first.Finish().error;
  (void)first.process().Signal(SIGINT);
  const Finished stopped = first.Finish();
  EXPECT_EQ(stopped.code, 130) << stopped.out << stopped.error;
  EXPECT_THAT(stopped.error, HasSubstr("the same command goes on"));
  EXPECT_EQ(place_.Read("sweep/table.json"), "");

  Running second(place_, Arguments());
  ASSERT_TRUE(second.WaitUntil([&] { return !place_.Read("sweep/tanh_s1/metrics.csv").empty(); }));
  (void)second.process().Signal(SIGKILL);
  second.Finish();

  // What the kill has left of the programs lets go of its run soon; until then that run fails, and is
  // tried again.
  Finished last;
  const absl::Time deadline = absl::Now() + kPatience;
  do {
    last = Shoal(place_, Arguments());
  } while (last.error.find("in use") != std::string::npos && absl::Now() < deadline);
  EXPECT_EQ(last.code, 1) << "a row of it failed";
  EXPECT_THAT(last.error, HasSubstr("plain_s1  is done"));
  EXPECT_THAT(last.out, HasSubstr("| plain | 2 | "));
  EXPECT_THAT(last.out, HasSubstr("| broken | 0 | - "));
  EXPECT_THAT(last.out, HasSubstr("No result: broken, seed 2: exit code 2"));
  const json table = Table();
  ASSERT_EQ(table["runs"].size(), 6u);

  // Nothing of a sweep in pieces differs from one in a single piece, two runs at a time.
  const Finished whole = Shoal(place_, {"sweep", "--file", place_.Path("small.sweep"), "--out",
                                        place_.Path("whole"), "--jobs", "2"});
  EXPECT_EQ(whole.code, 1) << whole.error;
  const json other = json::parse(place_.Read("whole/table.json"));
  for (int run : {0, 1, 3, 4}) {
    EXPECT_EQ(table["runs"][run], other["runs"][run]);
    EXPECT_EQ(table["runs"][run]["policy_sha256"].get<std::string>().size(), 64u);
  }
  EXPECT_EQ(table["rows"][1], other["rows"][1]);
  const Finished eval =
      Shoal(place_, {"eval", "--policy", "run:tanh_s2", "--out", place_.Path("sweep"), "--bank", "7",
                     "--episodes", "2", "--num_fish", "12", "--json"});
  ASSERT_EQ(eval.code, 0) << eval.error;
  EXPECT_EQ(json::parse(eval.out)["mean_final_survival"], table["runs"][4]["survival"][0]);
}

TEST_F(Sweep, RefusesBeforeItTrains) {
  const auto refused = [&](std::vector<std::string> arguments, const char* words) {
    const Finished finished = Shoal(place_, std::move(arguments));
    EXPECT_EQ(finished.code, 2) << words;
    EXPECT_THAT(finished.error, HasSubstr(words));
  };
  refused(Arguments({"--bank", "7"}), "expected is BANK:EPISODES");
  refused(Arguments({"--bank", "7:2 --num_fishes 3"}), "num_fishes");
  refused(Arguments({"--seeds", "2-1"}), "seeds 2-1");
  refused(Arguments({"--", "--seed", "3"}), "--seed is the sweep's own");
  EXPECT_FALSE(std::filesystem::exists(place_.Path("sweep")));
}

TEST_F(Sweep, CeilingOfABankIsThePublishedOne) {
  const Finished table = Shoal(place_, {"ceiling", "--bank", "412000", "--episodes", "40"});
  ASSERT_EQ(table.code, 0) << table.error;
  EXPECT_THAT(table.out, HasSubstr(" 0.9862 "));
  const Finished text = Shoal(
      place_, {"ceiling", "--bank", "700001", "--episodes", "160", "--threads", "2", "-o", "json"});
  ASSERT_EQ(text.code, 0) << text.error;
  const json ceiling = json::parse(text.out);
  EXPECT_NEAR(ceiling["step_one_ceiling"].get<double>(), 0.9837, 5e-5);
  EXPECT_EQ(ceiling["saved"], 15108);
  EXPECT_EQ(ceiling["open"], 0);
  EXPECT_EQ(ceiling["lost_by_step"][1]["step"], 2);
}

}  // namespace
}  // namespace shoal
