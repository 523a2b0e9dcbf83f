// Commands that ask a run, order it and show its logs: with a run that is on, and with input that is wrong.
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/end_to_end/looking.h"

namespace shoal {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A run that is paused stands still, so that everything can be compared with everything.
class Paused : public Looking {
 protected:
  void SetUp() override {
    Looking::SetUp();
    run_ = std::make_unique<Running>(place_, Small(place_, "on", {"--actors", "1"}, "9:300,12:300"));
    ASSERT_TRUE(run_->WaitUntil([&] { return run_->Out().find("rows/s") != std::string::npos; })) << run_->Out();
    const Finished paused = Look({"pause", "on"});
    ASSERT_EQ(paused.code, 0) << paused.error;
    EXPECT_THAT(paused.out, HasSubstr("order 1: pause, before iteration "));
    ASSERT_TRUE(run_->WaitUntil([&] { return Status()["state"] == "STATE_PAUSED"; })) << run_->Out();
  }
  json Status() { return Json({"status", "--coordinator", Address("on")}); }
  int64_t Committed() { return std::stoll(Status().value("committedIteration", "0")); }
  void Stop() {
    (void)run_->process().Signal(SIGINT);
    EXPECT_EQ(run_->Finish().code, 130);
  }
  std::unique_ptr<Running> run_;
};

TEST_F(Paused, IsShownAlikeByAllWhoLook) {
  const int64_t committed = Committed();
  ASSERT_GE(committed, 1);
  const std::string runs = place_.Path("runs");
  EXPECT_EQ(Json({"iterations", "on", "--out", runs}).size(), static_cast<size_t>(committed));
  const json checkpoints = Json({"checkpoints", "on", "--out", runs});
  ASSERT_FALSE(checkpoints.empty());
  EXPECT_EQ(checkpoints.back()["iteration"], committed);
  EXPECT_EQ(checkpoints.back()["whole"], true);
  EXPECT_EQ(checkpoints.back()["policy_sha256"], Status()["policySha256"]);
  const json actors = Json({"actors", "on", "--out", runs});
  ASSERT_EQ(actors["workers"].size(), 1u);
  EXPECT_EQ(actors["workers"][0]["name"], "actor-0");
  EXPECT_EQ(actors["missing"].size(), 0u);
  const json described = Json({"describe", "run", "on", "--out", runs});
  EXPECT_EQ(described, Json({"describe", "run", "--coordinator", Address("on")}))
      << "from the folder and from the coordinator";
  ASSERT_EQ(described["orders"].size(), 1u);
  EXPECT_EQ(described["orders"][0]["kind"], "KIND_PAUSE");
  EXPECT_EQ(Json({"gate", "on", "--out", runs}), Json({"gate", "--coordinator", Address("on")}));
  EXPECT_EQ(Json({"tail", "on", "--out", runs}), Json({"tail", "--coordinator", Address("on")}));
  EXPECT_EQ(Json({"runs", "--out", runs})[0]["iteration"], committed);
  const std::vector<std::vector<std::string>> commands = {
      {"status", "on"}, {"actors", "on"}, {"describe", "run", "on"}, {"gate", "on"},
      {"tail", "on"}, {"iterations", "on"}, {"evals", "on"}, {"checkpoints", "on"}};
  for (const std::vector<std::string>& command : commands) {
    const Finished table = Look(command);
    EXPECT_EQ(table.code, 0) << absl::StrJoin(command, " ") << table.error;
    EXPECT_THAT(table.out, AllOf(Not(IsEmpty()), Not(HasSubstr("\033")))) << absl::StrJoin(command, " ");
    EXPECT_THAT(table.error, IsEmpty()) << absl::StrJoin(command, " ");
  }
  Stop();
}

TEST_F(Paused, IsWatchedThroughAPipeLineByLine) {
  Running watch(place_, {"watch", "on", "--out", place_.Path("runs")});
  ASSERT_TRUE(watch.WaitUntil([&] { return watch.Out().find("/600") != std::string::npos; })) << watch.Out();
  (void)watch.process().Signal(SIGINT);
  const Finished watched = watch.Finish();
  EXPECT_EQ(watched.code, 130) << "its own interrupt ends it, and not the run";
  EXPECT_THAT(watched.out, Not(HasSubstr("\033")));
  EXPECT_EQ(Status()["state"], "STATE_PAUSED");
  Stop();
}

TEST_F(Paused, ColoursAreForTerminalsAndOnlyWhereTheyAreWanted) {
  const std::string shoal = BinFolder() + "/shoal status on --out " + place_.Path("runs");
  // A terminal, as far as the program can see.
  const auto on_terminal = [&](const std::string& environment) {
    const std::string file = place_.Path("typescript");
    const std::string command =
        environment + " script -qec '" + shoal + "' " + file + " >" + place_.Path("screen") + " </dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return place_.Read("screen");
  };
  if (std::system("command -v script >/dev/null") != 0) GTEST_SKIP() << "script (package bsdutils) is not installed";
  EXPECT_THAT(on_terminal("NO_COLOR= TERM=xterm"), HasSubstr("\033["));
  EXPECT_THAT(on_terminal("NO_COLOR=1 TERM=xterm"), AllOf(HasSubstr("paused"), Not(HasSubstr("\033["))));
  EXPECT_THAT(on_terminal("NO_COLOR= TERM=dumb"), AllOf(HasSubstr("paused"), Not(HasSubstr("\033["))));
  Stop();
}

TEST_F(Paused, IsEvaluatedByOrder) {
  const int64_t next = Committed() + 1;
  const auto words = [](const Finished& finished) { return finished.out + finished.error; };
  const Finished now = Look({"eval", "now", "on"});
  EXPECT_EQ(now.code, 0) << now.error;
  EXPECT_THAT(now.out, HasSubstr("order 2: eval now, with the next iteration that is planned"));
  const Finished later = Look({"eval", "now", "on", "--at", std::to_string(next + 3), "-o", "json"});
  EXPECT_EQ(later.code, 0) << later.error;
  EXPECT_EQ(json::parse(later.out, nullptr, false)["kind"], "KIND_EVALUATE");
  const Finished late = Look({"eval", "now", "on", "--at", "1"});
  EXPECT_EQ(late.code, 1) << words(late);
  EXPECT_THAT(late.error, HasSubstr("iteration 1 is planned already"));
  EXPECT_EQ(Look({"eval", "now", "on", "--at", "601"}).code, 2);
  EXPECT_EQ(Look({"set", "on", "adaptive_boost_low_speed", "0.7"}).code, 0);
  const Finished fixed = Look({"set", "on", "adaptive_boost_window", "3"});
  EXPECT_EQ(fixed.code, 2);
  EXPECT_THAT(fixed.error, HasSubstr("adaptive_boost_low_speed"));

  EXPECT_EQ(Look({"resume", "on"}).code, 0);
  std::vector<int64_t> ordered;
  ASSERT_TRUE(run_->WaitUntil([&] {
    ordered.clear();
    for (const json& row : Json({"evals", "on", "--out", place_.Path("runs")})) {
      if (row["kind"] == "ordered") ordered.push_back(row["iteration"]);
    }
    return ordered.size() == 2;
  })) << run_->Out();
  EXPECT_THAT(ordered, testing::ElementsAre(next, next + 3));
  Stop();
  for (const json& row : Json({"evals", "on", "--out", place_.Path("runs")})) {
    EXPECT_EQ(row["gate"].is_null(), row["kind"] == "ordered") << row;
  }
  // What the gate saw is in this file.
  EXPECT_THAT(place_.Read("runs/on/eval_multi_history.jsonl"),
              Not(HasSubstr(absl::StrCat("{\"iteration\":", next + (next % 2 == 0 ? 3 : 0), ","))));
  const Finished described = Look({"describe", "run", "on"});
  EXPECT_THAT(described.out, AllOf(HasSubstr("eval now"), HasSubstr("set adaptive_boost_low_speed 0.7")));
  const Finished verified = Look({"verify", "on"});
  EXPECT_EQ(verified.code, 0) << words(verified);
}

TEST_F(Paused, ShowsItsLogsMergedAndFollowsThemToItsEnd) {
  const Finished all = Look({"logs", "on"});
  EXPECT_EQ(all.code, 0) << all.error;
  EXPECT_THAT(all.out, AllOf(HasSubstr(" coordinator run opened"), HasSubstr(" learner "), HasSubstr(" actor-0 "),
                             HasSubstr("order taken"), Not(HasSubstr("\033"))));
  std::vector<std::string> times;
  for (const absl::string_view line : absl::StrSplit(all.out, '\n', absl::SkipEmpty())) {
    times.emplace_back(line.substr(0, 24));
  }
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));

  const Finished learner = Look({"logs", "on", "--component", "learner", "-o", "json"});
  EXPECT_EQ(learner.code, 0) << learner.error;
  ASSERT_FALSE(learner.out.empty());
  for (const absl::string_view line : absl::StrSplit(learner.out, '\n', absl::SkipEmpty())) {
    const json event = json::parse(line.begin(), line.end(), nullptr, false);
    ASSERT_TRUE(event.is_object()) << line;
    EXPECT_EQ(event["component"], "learner");
    EXPECT_EQ(event["run"], "on");
  }
  EXPECT_THAT(Look({"logs", "on", "--level", "error"}).out, IsEmpty());
  EXPECT_THAT(Look({"logs", "on", "--component", "actor"}).out, HasSubstr(" actor-0 "));
  const Finished nobody = Look({"logs", "on", "--component", "nobody"});
  EXPECT_EQ(nobody.code, 3);
  EXPECT_THAT(nobody.error, HasSubstr("actor-0, coordinator, learner"));

  Running left(place_, {"logs", "on", "-f", "--out", place_.Path("runs")});
  ASSERT_TRUE(left.WaitUntil([&] { return left.Out().find("order taken") != std::string::npos; }));
  (void)left.process().Signal(SIGINT);
  EXPECT_EQ(left.Finish().code, 130);

  Running follow(place_, {"logs", "on", "--follow", "--component", "coordinator", "--out", place_.Path("runs")});
  ASSERT_TRUE(follow.WaitUntil([&] { return follow.Out().find("order taken") != std::string::npos; }));
  EXPECT_EQ(Look({"resume", "on"}).code, 0);
  Stop();
  const Finished followed = follow.Finish();
  EXPECT_EQ(followed.code, 0) << followed.error;
  EXPECT_THAT(followed.out, HasSubstr("run stopped"));
  for (const absl::string_view line : absl::StrSplit(followed.out, '\n', absl::SkipEmpty())) {
    EXPECT_THAT(std::string(line), HasSubstr(" coordinator "));
  }
  EXPECT_THAT(Look({"logs", "on", "--component", "coordinator"}).out, testing::EndsWith(followed.out))
      << "nothing was missed";
  EXPECT_EQ(Look({"logs", "on", "-f", "--component", "nobody"}).code, 3) << "not even at the end";
}

TEST_F(Looking, WrongInputIsRefusedByEveryCommand) {
  std::filesystem::create_directories(place_.Path("runs"));
  const std::vector<std::vector<std::string>> asking = {
      {"status"}, {"actors"}, {"describe", "run"}, {"gate"}, {"tail"}, {"watch"}, {"pause"}, {"resume"}, {"stop"},
      {"checkpoint"}, {"tail", "refill"}, {"eval", "now"}};
  const std::vector<std::vector<std::string>> reading = {{"iterations"}, {"evals"}, {"checkpoints"}, {"logs"}};
  const auto run = [&](std::vector<std::string> command, const std::vector<std::string>& more) {
    command.insert(command.end(), more.begin(), more.end());
    return Shoal(place_, command);
  };
  const std::string out = place_.Path("runs");
  for (const auto& commands : {asking, reading}) {
    for (const std::vector<std::string>& command : commands) {
      SCOPED_TRACE(absl::StrJoin(command, " "));
      const Finished absent = run(command, {"absent", "--out", out});
      EXPECT_EQ(absent.code, 3);
      EXPECT_THAT(absent.error, HasSubstr("absent"));
      EXPECT_THAT(absent.out, IsEmpty());
      EXPECT_EQ(run(command, {}).code, 2);
      EXPECT_EQ(run(command, {"absent", "--wrong", "--out", out}).code, 2);
    }
  }
  for (const std::vector<std::string>& command : asking) {
    SCOPED_TRACE(absl::StrJoin(command, " "));
    const Finished nobody = run(command, {"--coordinator", "unix:/nowhere/c", "--timeout", "0.5"});
    EXPECT_EQ(nobody.code, 4) << nobody.error;
    EXPECT_THAT(nobody.error, HasSubstr("unix:/nowhere/c"));
    EXPECT_THAT(nobody.out, IsEmpty());
    EXPECT_EQ(run(command, {"--coordinator", "no such address"}).code, 2);
    // `shoal stop RUN --coordinator` is for a run in a standing coordinator's line.
    if (command != std::vector<std::string>{"stop"}) {
      EXPECT_EQ(run(command, {"absent", "--coordinator", "unix:/nowhere/c"}).code, 2);
    }
    EXPECT_EQ(run(command, {"--coordinator", "unix:/nowhere/c", "--timeout", "0"}).code, 2);
    if (command != std::vector<std::string>{"watch"}) {
      EXPECT_EQ(run(command, {"absent", "-o", "yaml"}).code, 2);
    }
  }
  const Finished logs = run({"logs"}, {"on", "--coordinator", "127.0.0.1:1"});
  EXPECT_EQ(logs.code, 2);
  EXPECT_THAT(logs.error, HasSubstr("journalctl"));
  EXPECT_EQ(run({"logs"}, {"on", "--level", "loud"}).code, 2);
  const Finished eval = run({"eval"}, {});
  EXPECT_EQ(eval.code, 2);
  EXPECT_THAT(eval.error, HasSubstr("--policy"));
}

}  // namespace
}  // namespace shoal
