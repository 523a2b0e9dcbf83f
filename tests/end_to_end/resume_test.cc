// A run in one piece and the same run in five are equal in everything but times.
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>

#include "tests/end_to_end/small_run.h"

namespace shoal {
namespace {

using testing::HasSubstr;

struct Case {
  const char* lag;
  // Evaluations are judged so many iterations later, so that some are pending at every stop.
  const char* gate_delay;
};

class Pieces : public Train, public testing::WithParamInterface<Case> {
 protected:
  // Long after the last stop, which comes at 36: a fast machine goes on while the test looks.
  const std::string curriculum_ = "9:70,12:70";
  std::vector<std::string> More() const {
    return {"--policy_lag",  GetParam().lag,          "--gate_delay",       GetParam().gate_delay,
            "--row_filter",  "quiet",                 "--train_fish_per_env", "0",
            "--adaptive_boost_min_iteration", "5",    "--checkpoint_interval", "7",
            "--best_checkpoint_max_step_one", "-1",   "--best_checkpoint_max_early_death", "1",
            "--penalty_gate_lock_iteration", "3",     "--penalty_gate_success_step_one", "-1",
            "--penalty_gate_success_early_death", "1", "--penalty_gate_success_p10", "0",
            "--penalty_gate_failure_p10", "40",       "--penalty_gate_failure_min_final", "0.2",
            // The last --gate_delay of Small would be given twice.
            "--tail_seed_stage_refill_interval", "9"};
  }
  std::vector<std::string> Arguments(const std::string& name) const {
    std::vector<std::string> arguments = Small(place_, name, {}, curriculum_);
    const auto delay = std::find(arguments.begin(), arguments.end(), "--gate_delay");
    arguments.erase(delay, delay + 2);
    for (const std::string& argument : More()) arguments.push_back(argument);
    return arguments;
  }
  int64_t Committed() const {
    const std::string csv = place_.Read("runs/pieces/metrics.csv");
    return std::max<int64_t>(0, std::count(csv.begin(), csv.end(), '\n') - 1);
  }
  // One piece: until so many iterations are committed, then stopped in its own way.
  void Piece(Running& run, int64_t until, int number) {
    ASSERT_TRUE(run.WaitUntil([&] { return Committed() >= until; })) << run.Out();
    switch (number) {
      case 0:
        (void)run.process().Signal(SIGINT);
        EXPECT_EQ(run.Finish().code, 130);
        break;
      case 1:
        (void)run.process().Signal(SIGKILL);
        run.Finish();
        break;
      case 2:
        (void)run.process().Signal(SIGTERM);
        EXPECT_EQ(run.Finish().code, 130);
        break;
      default:
        // At once: what is being computed is lost.
        (void)run.process().Signal(SIGINT);
        (void)run.process().Signal(SIGINT);
        EXPECT_EQ(run.Finish().code, 130);
    }
  }
  // Resumes; what a kill has left of the programs lets go of the run soon.
  std::unique_ptr<Running> Resume() {
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      auto run = std::make_unique<Running>(
          place_, std::vector<std::string>{"train", "--resume", "pieces", "--out", place_.Path("runs"),
                                           "--artifacts", "data"});
      // What it says itself: a killed command's programs may commit once more meanwhile.
      if (run->WaitUntil([&] { return run->Out().find("rows/s") != std::string::npos; })) return run;
      const Finished refused = run->Finish();
      if (refused.code == 0) return nullptr;
      EXPECT_THAT(refused.error, HasSubstr("in use")) << refused.out;
    }
    return nullptr;
  }
};

TEST_P(Pieces, OneAndFiveAreEqual) {
  const Finished whole = Shoal(place_, Arguments("whole"));
  ASSERT_EQ(whole.code, 0) << whole.out << whole.error;
  auto run = std::make_unique<Running>(place_, Arguments("pieces"));
  for (int number = 0; number < 4; ++number) {
    Piece(*run, 9 * (number + 1), number);
    run = Resume();
    ASSERT_NE(run, nullptr) << "piece " << number;
  }
  const Finished last = run->Finish();
  ASSERT_EQ(last.code, 0) << last.out << last.error;
  EXPECT_EQ(PolicySha256(last.out), PolicySha256(whole.out));
  const Finished same =
      Shoal(place_, {"verify", "pieces", "--same_as", "whole", "--out", place_.Path("runs")});
  EXPECT_EQ(same.code, 0) << same.out << same.error;
}

INSTANTIATE_TEST_SUITE_P(LagAndDelay, Pieces,
                         testing::Values(Case{"0", "0"}, Case{"0", "2"}, Case{"1", "1"}));

class Verify : public Train {
 protected:
  Finished Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "verify");
    arguments.insert(arguments.end(), {"--out", place_.Path("runs")});
    return Shoal(place_, arguments);
  }
};

TEST_F(Verify, ComputesEveryIterationOnceMore) {
  Sha("run", {"--checkpoint_interval", "1"});
  const Finished all = Run({"run"});
  EXPECT_EQ(all.code, 0) << all.out << all.error;
  EXPECT_THAT(all.out, HasSubstr("8 iterations (24 shards) and 7 evaluations"));
  EXPECT_THAT(all.out, HasSubstr("0 differences; 0 left out"));
  const Finished one = Run({"run", "--iteration", "5", "--shard", "2"});
  EXPECT_EQ(one.code, 0) << one.error;
  EXPECT_THAT(one.out, HasSubstr("1 iterations (1 shards)"));
  EXPECT_EQ(Run({"run", "--iteration", "9"}).code, 2);
  EXPECT_EQ(Run({"run", "--iteration", "8", "--shard", "3"}).code, 2);
  EXPECT_EQ(Run({"absent"}).code, 3);
}

TEST_F(Verify, SaysWhatItCannotComputeAgain) {
  Sha("run", {});
  const Finished all = Run({"run"});
  EXPECT_EQ(all.code, 0) << all.out << all.error;
  const Finished gone = Run({"run", "--iteration", "3"});
  EXPECT_EQ(gone.code, 3);
  EXPECT_THAT(gone.error, HasSubstr("--checkpoint_interval 1"));
}

TEST_F(Verify, NoticesAPolicyThatIsNotTheOneThatActed) {
  Sha("run", {"--checkpoint_interval", "1"});
  Sha("other", {"--checkpoint_interval", "1", "--learning_rate", "0.001"});
  EXPECT_EQ(Run({"run", "--same_as", "run"}).code, 0);
  const Finished differ = Run({"run", "--same_as", "other"});
  EXPECT_EQ(differ.code, 1);
  EXPECT_THAT(differ.out, HasSubstr("plan 1: ")) << "where they parted";
  // A checkpoint of another run in its place is damage, not a result.
  std::filesystem::remove_all(place_.Path("runs/run/checkpoints/iter_4"));
  std::filesystem::copy(place_.Path("runs/other/checkpoints/iter_4"),
                        place_.Path("runs/run/checkpoints/iter_4"));
  const Finished damaged = Run({"run", "--iteration", "5"});
  EXPECT_EQ(damaged.code, 2) << damaged.out << damaged.error;
  EXPECT_THAT(damaged.error, HasSubstr("iter_4"));
}

TEST_F(Train, ALostCheckpointIsComputedAgain) {
  const std::string curriculum = "9:40,12:40";
  const std::string whole = Sha("whole", {}, curriculum);
  Running run(place_, Small(place_, "lost", {}, curriculum));
  ASSERT_TRUE(run.WaitUntil([&] { return run.Out().find("rows/s") != std::string::npos; }));
  (void)run.process().Signal(SIGINT);
  ASSERT_EQ(run.Finish().code, 130);
  // The newest checkpoint loses a bit; the one before is whole.
  std::string newest;
  for (const auto& entry :
       std::filesystem::directory_iterator(place_.Path("runs/lost/checkpoints"))) {
    const std::string name = entry.path().filename();
    if (name.rfind("iter_", 0) == 0 && (newest.empty() || std::stoi(name.substr(5)) > std::stoi(newest.substr(5)))) {
      newest = name;
    }
  }
  const std::string file = "runs/lost/checkpoints/" + newest + "/policy.safetensors";
  std::string bytes = place_.Read(file);
  bytes[bytes.size() - 3] ^= 1;
  place_.Write(file, bytes);
  const Finished resumed = GoOn("lost");
  ASSERT_EQ(resumed.code, 0) << resumed.out << resumed.error;
  EXPECT_THAT(resumed.out, HasSubstr("ALARM: going back to iteration"));
  EXPECT_EQ(PolicySha256(resumed.out), whole);
  const Finished same =
      Shoal(place_, {"verify", "lost", "--same_as", "whole", "--out", place_.Path("runs")});
  EXPECT_EQ(same.code, 0) << same.out << same.error;
}

}  // namespace
}  // namespace shoal
