// Whole runs through the real programs: the same policy whoever computes it and whatever stops it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/str_join.h"
#include "common/rpc.h"
#include "nlohmann/json.hpp"
#include "tests/end_to_end/small_run.h"

namespace shoal {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(Train, SamePolicyWithAnyNumberOfActorsAndLearnerThreads) {
  const std::string one = Sha("one", {"--actors", "1", "--learner_threads", "1"});
  EXPECT_EQ(one.size(), 64u);
  EXPECT_EQ(one, Sha("three", {"--actors", "3", "--learner_threads", "3"}));
  EXPECT_EQ(Lines("runs/one/eval_multi_history.jsonl"), Lines("runs/three/eval_multi_history.jsonl"));
  EXPECT_EQ(Lines("runs/one/eval_multi_history.jsonl").size(), 4u);
  EXPECT_EQ(place_.Read("runs/one/penalty_stage_debug.jsonl"),
            place_.Read("runs/three/penalty_stage_debug.jsonl"));
}

TEST_F(Train, WritesItsReportAtTheEndAndAgainWhenAsked) {
  const Finished trained = Shoal(place_, Small(place_, "told", {"--artifacts", "all"}));
  ASSERT_EQ(trained.code, 0) << trained.out << trained.error;
  const std::string page = place_.Read("runs/told/report.html");
  EXPECT_THAT(page, HasSubstr("<h2>Diagnosis</h2>"));
  EXPECT_THAT(page, HasSubstr("8 of 8 iterations"));
  const Finished again = Shoal(place_, {"report", place_.Path("runs/told"), "--out", place_.Path("again.html")});
  EXPECT_EQ(again.code, 0) << again.error;
  EXPECT_EQ(place_.Read("again.html"), page);
  const Finished text = Shoal(place_, {"report", place_.Path("runs/told"), "--text"});
  EXPECT_EQ(text.code, 0) << text.error;
  EXPECT_THAT(text.out, HasSubstr("tail slots were used"));
  EXPECT_EQ(Shoal(place_, {"report", place_.Path("runs/nobody")}).code == 0, false);
}

TEST_F(Train, LeavesWhatIsDrawnToFinishWhereOnlyDataIsAskedFor) {
  const std::string sha = Sha("bare", {"--artifacts", "data"});
  const auto there = [&](const char* name) {
    return std::filesystem::exists(place_.Path(absl::StrCat("runs/bare/", name)));
  };
  for (const char* name : {"run.db", "metrics.csv", "eval_multi_history.jsonl", "tb"}) {
    EXPECT_TRUE(there(name)) << name;
  }
  for (const char* name : {"report.html", "plots", "media"}) EXPECT_FALSE(there(name)) << name;
  EXPECT_THAT(place_.Read("runs/bare/config.textproto"), Not(HasSubstr("artifacts")));
  const Finished finished = Shoal(place_, {"finish", "bare", "--out", place_.Path("runs")});
  EXPECT_EQ(finished.code, 0) << finished.error;
  EXPECT_EQ(PolicySha256(finished.out), sha);
  for (const char* name : {"report.html", "plots/survival.png", "media/eval.mp4"}) {
    EXPECT_TRUE(there(name)) << name;
  }
}

TEST_F(Train, SamePolicyWithLagOneAndAnyNumberOfActors) {
  const std::string one = Sha("one", {"--actors", "1", "--policy_lag", "1"});
  EXPECT_EQ(one.size(), 64u);
  EXPECT_EQ(one, Sha("two", {"--actors", "2", "--policy_lag", "1"}));
}

class Resume : public Train, public testing::WithParamInterface<int> {
 protected:
  std::vector<std::string> Lag() { return {"--policy_lag", std::to_string(GetParam())}; }
  // Long enough to be disturbed in the middle.
  const std::string curriculum_ = "9:50,12:50";
};

TEST_P(Resume, StoppedRunGoesOnToTheSamePolicy) {
  const std::string whole = Sha("whole", Lag(), curriculum_);
  Running first(place_, Small(place_, "parts", Lag(), curriculum_));
  // Plain output has lines for commits.
  ASSERT_TRUE(first.WaitUntil([&] { return first.Out().find("rows/s") != std::string::npos; }))
      << first.Out();
  ASSERT_TRUE(first.process().Signal(SIGINT).ok());
  const Finished stopped = first.Finish();
  ASSERT_EQ(stopped.code, 130) << stopped.out << stopped.error;
  EXPECT_THAT(stopped.out, HasSubstr("--resume"));
  const Finished resumed = GoOn("parts");
  ASSERT_EQ(resumed.code, 0) << resumed.out << resumed.error;
  EXPECT_EQ(PolicySha256(resumed.out), whole);
  EXPECT_EQ(Lines("runs/whole/eval_multi_history.jsonl"), Lines("runs/parts/eval_multi_history.jsonl"));
  EXPECT_EQ(place_.Read("runs/whole/penalty_stage_debug.jsonl"),
            place_.Read("runs/parts/penalty_stage_debug.jsonl"));
}

TEST_P(Resume, KilledProgramsAreRestartedAndTheRunEndsTheSame) {
  const std::string whole = Sha("whole", Lag(), curriculum_);
  Running run(place_, Small(place_, "killed", Lag(), curriculum_));
  for (const char* program : {"shoal-actor", "shoal-learner", "shoal-coordinator"}) {
    std::vector<pid_t> pids;
    ASSERT_TRUE(run.WaitUntil([&] {
      pids = Processes(program, "killed");
      return !pids.empty() && run.Out().find("iteration") != std::string::npos;
    })) << program << "\n" << run.Out();
    const std::string before = run.Out();
    kill(pids.front(), SIGKILL);
    ASSERT_TRUE(run.WaitUntil([&] {
      return run.Out().substr(before.size()).find("signal 9") != std::string::npos;
    })) << program << "\n" << run.Out();
  }
  const Finished finished = run.Finish();
  ASSERT_EQ(finished.code, 0) << finished.out << finished.error;
  EXPECT_EQ(PolicySha256(finished.out), whole) << finished.out;
}

TEST_P(Resume, AKilledCommandLeavesARunThatCanBeResumed) {
  const std::string whole = Sha("whole", Lag(), curriculum_);
  Running first(place_, Small(place_, "orphan", Lag(), curriculum_));
  ASSERT_TRUE(first.WaitUntil([&] { return first.Out().find("rows/s") != std::string::npos; }));
  kill(first.process().pid(), SIGKILL);
  first.Finish();
  // Nothing outlives it for long: what is left of it lets go of the run.
  const absl::Time deadline = absl::Now() + kPatience;
  Finished resumed;
  do {
    resumed = GoOn("orphan");
  } while (resumed.code == 1 && absl::Now() < deadline);
  ASSERT_EQ(resumed.code, 0) << resumed.out << resumed.error;
  EXPECT_EQ(PolicySha256(resumed.out), whole);
}

INSTANTIATE_TEST_SUITE_P(Lag, Resume, testing::Values(0, 1));

TEST_F(Train, WritesEveryFileOfARun) {
  Sha("files", {});
  for (const char* name :
       {"config.textproto", "run.db", "logs/coordinator.log", "logs/learner.log", "logs/actor-0.log",
        "schedule_trace.json", "eval_multi_history.jsonl", "penalty_stage_debug.jsonl",
        "step_one_clusters.jsonl", "pre_roll_stats.jsonl", "step_one_worst_seeds.json", "metrics.csv",
        "checkpoints/iter_8/policy.safetensors", "checkpoints/iter_8/optimizer.safetensors",
        "checkpoints/iter_8/manifest.json", "checkpoints/iter_5/manifest.json"}) {
    EXPECT_TRUE(std::filesystem::exists(place_.Path(absl::StrCat("runs/files/", name)))) << name;
  }
  const auto trace = nlohmann::json::parse(place_.Read("runs/files/schedule_trace.json"));
  EXPECT_EQ(trace["trace"].size(), 8u);
  for (const auto& iteration : trace["trace"]) {
    EXPECT_EQ(iteration["rows"], 12 * 24);
    EXPECT_GT(iteration["tail_schedule_ratio"].get<double>(), 0);
  }
}

TEST_F(Train, AFinishedRunIsShownAndItsConfigurationRunsAgain) {
  const std::string sha = Sha("first", {});
  std::vector<std::string> again = Small(place_, "first", {"--continue"});
  const Finished shown = Shoal(place_, again);
  EXPECT_EQ(shown.code, 0) << shown.error;
  EXPECT_THAT(shown.out, HasSubstr("is done"));
  EXPECT_EQ(PolicySha256(shown.out), sha);
  const Finished copy = Shoal(place_, {"train", "--config", place_.Path("runs/first/config.textproto"),
                                       "--run_name", "copy", "--out", place_.Path("runs"),
                                       "--artifacts", "data"});
  EXPECT_EQ(copy.code, 0) << copy.out << copy.error;
  EXPECT_EQ(PolicySha256(copy.out), sha);
}

TEST_F(Train, ListsWhatIsRecorded) {
  const std::string sha = Sha("first", {});
  std::filesystem::create_directories(place_.Path("runs/other"));
  place_.Write("runs/other/run.db", "no database");
  const auto list = [&](std::vector<std::string> command, int code = 0) {
    for (const char* more : {"--out", "", "-o", "json"}) command.push_back(more);
    command[command.size() - 3] = place_.Path("runs");
    const Finished finished = Shoal(place_, command);
    EXPECT_EQ(finished.code, code) << finished.error;
    return std::pair(nlohmann::json::parse(finished.out, nullptr, false), finished.error);
  };
  const auto [runs, complaint] = list({"runs"});
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].at("run"), "first");
  EXPECT_EQ(runs[0].at("state"), "done");
  EXPECT_EQ(runs[0].at("iteration"), 8);
  EXPECT_EQ(runs[0].at("policy_sha256"), sha);
  EXPECT_THAT(complaint, HasSubstr("runs/other/run.db"));
  const auto iterations = list({"iterations", "first"}).first;
  ASSERT_EQ(iterations.size(), 8u);
  EXPECT_EQ(iterations[7].at("iteration"), 8);
  EXPECT_EQ(iterations[7].at("policy_sha256"), sha);
  const auto evaluations = list({"evals", "first"}).first;
  ASSERT_GE(evaluations.size(), 4u);
  const auto history = nlohmann::json::parse(Lines("runs/first/eval_multi_history.jsonl")[0]);
  EXPECT_EQ(evaluations[0].at("survival"), history["summary"]["avg_final_survival_rate"]);
  EXPECT_EQ(evaluations[0].at("gate"), history["penalty_gate"]["event"]);
  // The last one loses a bit.
  const std::string file = "runs/first/checkpoints/iter_8/policy.safetensors";
  std::string bytes = place_.Read(file);
  bytes[bytes.size() - 3] ^= 1;
  place_.Write(file, bytes);
  const auto checkpoints = list({"checkpoints", "first"}).first;
  ASSERT_GE(checkpoints.size(), 2u);
  EXPECT_EQ(checkpoints.front().at("whole"), true);
  EXPECT_EQ(checkpoints.back().at("iteration"), 8);
  EXPECT_EQ(checkpoints.back().at("whole"), false);
  list({"evals", "absent"}, 3);
  const Finished table = Shoal(place_, {"evals", "first", "--out", place_.Path("runs")});
  EXPECT_THAT(table.out, HasSubstr("freeze_until"));
}

TEST_F(Train, BadInputIsRefusedBeforeAnythingStarts) {
  const std::string runs = place_.Path("runs");
  const std::string bad_tail = place_.Write("bad.json", "{\"velocities\": [[1, 99]]}");
  ServerOptions server_options;
  server_options.listen = "127.0.0.1:0";
  auto server = StartServer(server_options, {});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto& in_use = *server;
  struct Case {
    std::vector<std::string> more;
    int code;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{"--n_stepz", "3"}, 2, "n_steps"},
      {{"--lr_schedule", "wobble"}, 2, "accepted are constant, linear, cosine, warm_cosine"},
      {{"--gamma", "1.5"}, 2, "gamma"},
      {{"--total_iterations", "9"}, 2, "total_iterations"},
      {{"--density_penalty_phase_targets", "0,0.1,0.2"}, 2, "density_penalty_phase_targets"},
      {{"--ent_coef_final", "0", "--entropy_coef_schedule", "1-2:0.1"}, 2, "ent_coef_final"},
      {{"--predator_heading_bias", "60-0:1"}, 2, "predator_heading_bias"},
      {{"--tail_seed_replay_path", "x.json"}, 2, "tail_seed"},
      {{"--listen", "0.0.0.0:5000"}, 2, "other machines"},
      {{"--artifacts", "some"}, 2, "artifacts"},
      {{"--artifacts", "data", "--coordinator", "unix:/nowhere"}, 2, "artifacts"},
      {{"--listen", in_use->address()}, 2, "is in use"},
  };
  for (const Case& c : cases) {
    const Finished finished = Shoal(place_, Small(place_, "refused", c.more));
    EXPECT_EQ(finished.code, c.code) << absl::StrJoin(c.more, " ") << finished.out << finished.error;
    EXPECT_THAT(finished.error, HasSubstr(c.message)) << absl::StrJoin(c.more, " ");
  }
  const std::vector<std::string> base = {"train", "--out", runs, "--run_name", "refused",
                                         "--tail_seed_stage_spec"};
  auto with_tail = [&](const std::string& spec) {
    std::vector<std::string> arguments = base;
    arguments.push_back(spec);
    return Shoal(place_, arguments);
  };
  EXPECT_EQ(with_tail("3:" + place_.Path("absent.json")).code, 3);
  const Finished bad = with_tail("3:" + bad_tail);
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.error, HasSubstr("bad.json"));
  if (std::filesystem::exists(runs)) {
    EXPECT_TRUE(std::filesystem::is_empty(runs)) << "something was left behind";
  }
}

TEST_F(Train, ExistingMissingAndDamagedRunsAreRefused) {
  Sha("there", {});
  const std::string runs = place_.Path("runs");
  const Finished twice = Shoal(place_, Small(place_, "there"));
  EXPECT_EQ(twice.code, 2);
  EXPECT_THAT(twice.error, HasSubstr("exists"));
  EXPECT_EQ(Shoal(place_, {"train", "--resume", "nobody", "--out", runs}).code, 3);
  EXPECT_EQ(Shoal(place_, {"train", "--resume", "there", "--out", runs, "--seed", "1"}).code, 2);
  EXPECT_EQ(Shoal(place_, {"eval", "--policy", "run:there@999", "--out", runs}).code, 3);
  // A truncated checkpoint is noticed by its hash.
  const std::string policy = place_.Path("runs/there/checkpoints/iter_8/policy.safetensors");
  std::filesystem::resize_file(policy, std::filesystem::file_size(policy) - 4);
  const Finished damaged = Shoal(place_, {"eval", "--policy", "run:there", "--out", runs});
  EXPECT_EQ(damaged.code, 2);
  EXPECT_THAT(damaged.error, HasSubstr("policy.safetensors"));
  EXPECT_EQ(Shoal(place_, {"eval", "--policy", policy}).code, 2);
}

TEST_F(Train, EvaluatesPoliciesOnABank) {
  Sha("run", {});
  const Finished finished =
      Shoal(place_, {"eval", "--policy", "run:run@5", "--bank", "481001", "--episodes", "2",
                     "--num_fish", "24", "--out", place_.Path("runs"), "--json"});
  ASSERT_EQ(finished.code, 0) << finished.error;
  const auto json = nlohmann::json::parse(finished.out);
  EXPECT_EQ(json["policy"], "run:run@5");
  EXPECT_EQ(json["final_alive"].size(), 2u);
  EXPECT_EQ(json["step_one_deaths"].size(), 2u);
  for (const char* name : {"bank", "episodes", "num_fish", "mean_final_survival", "min_final_survival",
                           "death_stats"}) {
    EXPECT_TRUE(json.contains(name)) << name;
  }
  const Finished rules =
      Shoal(place_, {"eval", "--policy", "rule:flee", "--policy", "rule:hold", "--bank", "481001",
                     "--episodes", "12"});
  EXPECT_EQ(rules.code, 0);
  EXPECT_THAT(rules.out, HasSubstr("0.9826"));
  EXPECT_THAT(rules.out, HasSubstr("0.7613"));
  EXPECT_THAT(rules.out, HasSubstr("rule:hold against rule:flee"));
}

TEST_F(Train, ReplaysTheOriginalGate) {
  const double p10[] = {90.2, 77.1, 80.2, 59.1, 101.1};
  const double minimum[] = {0.427, 0.354, 0.448, 0.396, 0.510};
  const double early[] = {0.1189, 0.1224, 0.1146, 0.1337, 0.0964};
  const int step_one[] = {22, 22, 19, 30, 15};
  std::string history;
  for (int i = 0; i < 5; ++i) {
    nlohmann::json line = {{"iteration", 12 * (i + 1)},
                           {"summary", {{"min_final_survival_rate", minimum[i]}}},
                           {"death_stats", {{"p10", p10[i]}, {"early_death_fraction_100", early[i]}}},
                           {"step_one_death_count", step_one[i]},
                           {"step_one_death_ratio", step_one[i] / 1152.0},
                           {"multi_eval_num_fish", 96},
                           {"multi_eval_episodes", 12}};
    history += line.dump() + "\n";
  }
  const std::string file = place_.Write("history.jsonl", history);
  const Finished finished = Shoal(
      place_, {"gate", "replay", "--history", file, "--json", "--penalty_gate_phase_allowance", "4,5,6",
               "--penalty_gate_required_successes", "2", "--penalty_gate_success_step_one", "18",
               "--penalty_gate_success_step_one_ratio", "0.02", "--penalty_gate_freeze_iterations", "5",
               "--penalty_gate_success_freeze_iterations", "2", "--penalty_gate_success_median_window",
               "2", "--penalty_gate_failure_tolerance", "2"});
  ASSERT_EQ(finished.code, 0) << finished.error;
  std::vector<nlohmann::json> records;
  for (absl::string_view line : absl::StrSplit(finished.out, '\n', absl::SkipEmpty())) {
    records.push_back(nlohmann::json::parse(line.begin(), line.end()));
  }
  ASSERT_EQ(records.size(), 5u);
  const int freeze[] = {17, 29, 41, 53, 53};
  const double median[] = {0, 83.65, 78.65, 69.65, 80.1};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(records[i]["event"], i < 4 ? "failure_hold" : "noop");
    EXPECT_EQ(records[i]["freeze_until"], freeze[i]);
    EXPECT_EQ(records[i]["phase_limit"], 3);
    EXPECT_EQ(records[i]["stage"], 0);
    EXPECT_EQ(records[i].contains("rolling_p10_median"), i > 0);
    if (i > 0) {
      EXPECT_NEAR(records[i]["rolling_p10_median"].get<double>(), median[i], 1e-9);
    }
  }
}

}  // namespace
}  // namespace shoal
