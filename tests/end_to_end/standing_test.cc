// A standing cluster of real programs: runs are sent, wait in line, and come to the same results as
// runs of one machine, whatever dies meanwhile.

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/hash.h"
#include "coordinator/store/run_store.h"
#include "tests/end_to_end/small_run.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// Long enough for what a test does while it is on.
constexpr char kLong[] = "9:30,12:10";

class Standing : public Train {
 protected:
  void SetUp() override {
    Train::SetUp();
    address_ = absl::StrCat("unix:", place_.Path("c.sock"));
    Start("coordinator");
    Start("learner");
    Start("actor-0");
    Start("actor-1");
  }
  void TearDown() override {
    programs_.clear();
    if (!HasFailure()) return;
    for (const char* name : {"coordinator", "learner", "actor-0", "actor-1"}) {
      std::printf("--- %s\n%s", name, place_.Read(absl::StrCat(name, ".log")).c_str());
    }
  }

  std::vector<std::string> CommandLine(const std::string& name) const {
    const std::string to = absl::StrCat("--coordinator=", address_);
    if (name == "coordinator") {
      std::vector<std::string> argv = {BinFolder() + "/shoal-coordinator",
                                       "--runs=" + place_.Path("cluster"), "--listen=" + address_};
      if (!begin_with_.empty()) argv.push_back("--begin_with=" + begin_with_);
      return argv;
    }
    if (name == "learner") {
      return {BinFolder() + "/shoal-learner", to, "--runs=" + place_.Path("cluster"),
              "--listen=unix:" + place_.Path("l.sock"), "--threads=2"};
    }
    return {BinFolder() + "/shoal-actor", to, "--name=" + name};
  }
  void Start(const std::string& name) {
    SubprocessOptions options;
    options.argv = CommandLine(name);
    options.stdout_path = options.stderr_path = place_.Path(name + ".log");
    auto process = Subprocess::Start(options);
    ASSERT_TRUE(process.ok()) << process.status();
    programs_[name] = *std::move(process);
  }
  void Kill(const std::string& name) {
    ASSERT_TRUE(programs_.at(name)->Signal(SIGKILL).ok());
    ASSERT_TRUE(programs_.at(name)->WaitFor(kPatience).has_value());
    programs_.erase(name);
  }
  bool Runs(const std::string& name) { return !programs_.at(name)->Poll().has_value(); }

  // Small(), sent to the cluster.
  std::vector<std::string> Sent(const std::string& name, std::vector<std::string> more = {},
                                const std::string& curriculum = "9:4,12:4") const {
    more.insert(more.end(), {"--coordinator", address_});
    return Small(place_, name, more, curriculum);
  }
  Finished Send(const std::string& name, const std::string& curriculum = "9:4,12:4") {
    return Shoal(place_, Sent(name, {"--detach"}, curriculum));
  }
  std::map<std::string, Json> Line() {
    std::map<std::string, Json> line;
    const Finished listed = Shoal(place_, {"runs", "--coordinator", address_, "-o", "json"});
    EXPECT_EQ(listed.code, 0) << listed.error;
    for (const Json& row : Json::parse(listed.out, nullptr, false)) {
      line[row.value("run", "")] = row;
    }
    return line;
  }
  // Until the coordinator answers: one that was killed leaves its socket, and the next puts another there.
  bool AwaitAnswer() {
    const absl::Time deadline = absl::Now() + kPatience;
    while (Shoal(place_, {"runs", "--coordinator", address_}).code != 0) {
      if (absl::Now() > deadline || !Runs("coordinator")) return false;
    }
    return true;
  }
  // Until the run is in this state, with the programs' ends as failures.
  bool Await(const std::string& run, const std::string& state) {
    const absl::Time deadline = absl::Now() + kPatience;
    std::string seen;
    while (absl::Now() < deadline) {
      seen = Line()[run].value("state", "");
      if (seen == state) return true;
    }
    ADD_FAILURE() << run << " is " << seen << ", not " << state;
    return false;
  }
  // Until the coordinator's log has this text.
  bool AwaitLog(const std::string& text) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      if (absl::StrContains(place_.Read("coordinator.log"), text)) return true;
      // Paces the loop, and no coordinator says nothing more.
      if (programs_.at("coordinator")->WaitFor(absl::Milliseconds(1))) break;
    }
    ADD_FAILURE() << "the coordinator does not say: " << text;
    return false;
  }
  // Until a file is there, which `shoal train` waits for no longer than two minutes.
  bool AwaitFile(const std::string& file) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      if (fs::exists(place_.Path(file))) return true;
      // Paces the loop.
      if (programs_.at("coordinator")->WaitFor(absl::Milliseconds(20))) break;
    }
    ADD_FAILURE() << "there is no " << file;
    return false;
  }
  // Until the first run that this coordinator serves has this commit; then nothing is committed any
  // more until the learner goes on.
  bool HoldAtCommit(int iteration) {
    if (!AwaitLog(absl::StrCat("iteration committed iteration=", iteration, " "))) return false;
    Hold();
    return true;
  }
  void Hold() { EXPECT_TRUE(programs_.at("learner")->Signal(SIGSTOP).ok()); }
  void Release() { EXPECT_TRUE(programs_.at("learner")->Signal(SIGCONT).ok()); }
  bool Done() { return absl::StrContains(place_.Read("coordinator.log"), "run done"); }

  // Every record of every shard, every policy, plan and evaluation of two finished runs.
  void ExpectEqualRuns(const std::string& a, const std::string& b) {
    auto one = RunStore::OpenReadOnly(place_.Path(a + "/run.db"));
    auto two = RunStore::OpenReadOnly(place_.Path(b + "/run.db"));
    ASSERT_TRUE(one.ok() && two.ok()) << one.status() << two.status();
    auto last = one->LastCommitted();
    ASSERT_TRUE(last.ok()) << last.status();
    EXPECT_EQ(last->iteration, two->LastCommitted()->iteration);
    for (int64_t i = 1; i <= last->iteration; ++i) {
      EXPECT_EQ(*one->PolicySha256(i), *two->PolicySha256(i)) << i;
      EXPECT_EQ(one->LoadPlan(i)->plan.SerializeAsString(), two->LoadPlan(i)->plan.SerializeAsString())
          << i;
      for (int shard = 0; shard < 3; ++shard) {
        EXPECT_EQ(*one->ShardChecksum(i, shard), *two->ShardChecksum(i, shard)) << i << ", " << shard;
      }
    }
    auto evaluations = one->FinishedEvaluations();
    ASSERT_TRUE(evaluations.ok());
    EXPECT_GT(evaluations->size(), 10u);
    const auto others = *two->FinishedEvaluations();
    ASSERT_EQ(evaluations->size(), others.size());
    for (size_t i = 0; i < others.size(); ++i) {
      EXPECT_EQ((*evaluations)[i].summary, others[i].summary) << i;
    }
  }
  std::string Reference() {
    if (reference_.empty()) reference_ = Sha("reference", {"--actors", "1"});
    EXPECT_EQ(reference_.size(), 64u);
    return reference_;
  }

  std::string address_;
  std::string begin_with_;
  std::string reference_;
  std::map<std::string, std::unique_ptr<Subprocess>> programs_;
};

TEST_F(Standing, RunsOneAfterAnotherAsOnOneMachine) {
  ASSERT_EQ(Send("first").code, 0);
  const Finished second = Shoal(place_, Sent("second"));
  EXPECT_EQ(second.code, 0) << second.error;
  EXPECT_EQ(PolicySha256(second.out), Reference()) << second.out;
  auto line = Line();
  EXPECT_EQ(line["first"]["state"], "finished");
  EXPECT_EQ(line["first"]["policy_sha256"], Reference());
  // The workers have stayed.
  for (const auto& [name, process] : programs_) EXPECT_TRUE(Runs(name)) << name;
  // The run ended with what a local one ends with.
  EXPECT_TRUE(AwaitFile("cluster/second/report.html"));
  EXPECT_TRUE(AwaitFile("cluster/second/media/eval.mp4"));
}

TEST_F(Standing, FetchedFilesAreEqual) {
  ASSERT_EQ(Shoal(place_, Sent("run")).code, 0);
  fs::create_symlink("/etc/passwd", place_.Path("cluster/run/link"));
  const std::string out = place_.Path("fetched");
  const std::vector<std::string> fetch = {"fetch", "run", "--coordinator", address_, "--out", out};
  // What an attempt that was cut short left: one file whole, one damaged, one that is not the run's.
  ASSERT_TRUE(CreateDirectories(out + "/.run.fetching").ok());
  fs::copy(place_.Path("cluster/run/config.textproto"), out + "/.run.fetching/config.textproto");
  place_.Write("fetched/.run.fetching/run.db", "half");
  place_.Write("fetched/.run.fetching/other", "x");
  const Finished fetched = Shoal(place_, fetch);
  ASSERT_EQ(fetched.code, 0) << fetched.error;
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(place_.Path("cluster/run"))) {
    const std::string path = entry.path().lexically_relative(place_.Path("cluster/run")).string();
    if (!entry.is_regular_file() || entry.is_symlink() || path[0] == '.') continue;
    // What SQLite keeps while a database is open.
    if (path == "run.db-shm") continue;
    ++files;
    EXPECT_EQ(Sha256Hex(place_.Read("fetched/run/" + path)),
              Sha256Hex(place_.Read("cluster/run/" + path)))
        << path;
  }
  EXPECT_GT(files, 10u);
  EXPECT_FALSE(fs::exists(out + "/run/link"));
  EXPECT_FALSE(fs::exists(out + "/run/other"));
  EXPECT_EQ(Shoal(place_, fetch).code, 2) << "it is there already";
  EXPECT_EQ(Shoal(place_, {"fetch", "../cluster", "--coordinator", address_, "--out", out}).code, 2);
  EXPECT_EQ(Shoal(place_, {"fetch", "none", "--coordinator", address_, "--out", out}).code, 3);
}

TEST_F(Standing, ACoordinatorThatIsKilledGoesOn) {
  Running following(place_, Sent("first", {}, kLong));
  ASSERT_EQ(Send("second").code, 0);
  ASSERT_TRUE(HoldAtCommit(3));
  Kill("coordinator");
  EXPECT_FALSE(Done());
  Start("coordinator");
  Release();
  // The command has gone on following.
  const Finished first = following.Finish();
  EXPECT_EQ(first.code, 0) << first.error;
  EXPECT_EQ(PolicySha256(first.out), Sha("long", {"--actors", "1"}, kLong));
  ExpectEqualRuns("cluster/first", "runs/long");
  // Between runs, or as the second begins.
  Kill("coordinator");
  Start("coordinator");
  ASSERT_TRUE(AwaitAnswer());
  ASSERT_TRUE(Await("second", "finished"));
  EXPECT_EQ(Line()["second"]["policy_sha256"], Reference());
}

TEST_F(Standing, ARollingRestartOfActorsChangesNothing) {
  Running following(place_, Sent("run", {}, kLong));
  int iteration = 3;
  for (const char* actor : {"actor-0", "actor-1"}) {
    ASSERT_TRUE(HoldAtCommit(iteration));
    iteration += 10;
    Kill(actor);
    ASSERT_TRUE(AwaitLog(absl::StrCat("actor left worker=", actor)));
    Start(actor);
    EXPECT_FALSE(Done());
    Release();
  }
  const Finished finished = following.Finish();
  EXPECT_EQ(finished.code, 0) << finished.error;
  EXPECT_EQ(PolicySha256(finished.out), Sha("long", {"--actors", "1"}, kLong));
  ExpectEqualRuns("cluster/run", "runs/long");
}

TEST_F(Standing, WhatWaitsIsCancelledAndWhatIsOnIsStopped) {
  ASSERT_EQ(Send("first", "9:400,12:4").code, 0);
  ASSERT_EQ(Send("second").code, 0);
  ASSERT_EQ(Send("third").code, 0);
  ASSERT_TRUE(HoldAtCommit(1));
  EXPECT_EQ(Shoal(place_, {"stop", "second", "--coordinator", address_}).code, 0);
  EXPECT_EQ(Line()["second"]["state"], "stopped");
  EXPECT_EQ(Shoal(place_, {"fetch", "first", "--coordinator", address_, "--out", place_.Path("f")}).code,
            1)
      << "it is on";
  EXPECT_EQ(Shoal(place_, {"stop", "first", "--coordinator", address_}).code, 0);
  EXPECT_EQ(Line()["first"]["state"], "stopping");
  Release();
  ASSERT_TRUE(Await("first", "stopped"));
  ASSERT_TRUE(Await("third", "finished"));
  EXPECT_EQ(Line()["third"]["policy_sha256"], Reference());
  EXPECT_FALSE(fs::exists(place_.Path("cluster/second/run.db")));
  // And on again.
  const Finished resumed = Shoal(place_, {"train", "--resume", "second", "--coordinator", address_});
  EXPECT_EQ(resumed.code, 0) << resumed.error;
  EXPECT_EQ(PolicySha256(resumed.out), Reference());
}

TEST_F(Standing, CtrlCLeavesTheRunGoing) {
  Running following(place_, Sent("run", {}, kLong));
  ASSERT_TRUE(HoldAtCommit(1));
  ASSERT_TRUE(following.process().Signal(SIGINT).ok());
  const Finished left = following.Finish();
  Release();
  EXPECT_EQ(left.code, 130);
  EXPECT_TRUE(absl::StrContains(left.out, "goes on")) << left.out;
  const std::vector<std::string> resume = {"train", "--resume", "run", "--coordinator", address_};
  const Finished again = Shoal(place_, resume);
  EXPECT_EQ(again.code, 0) << again.error;
  EXPECT_EQ(PolicySha256(again.out), Sha("long", {"--actors", "1"}, kLong));
  // It is finished, and shown so.
  const Finished shown = Shoal(place_, resume);
  EXPECT_EQ(shown.code, 0) << shown.error;
  EXPECT_EQ(PolicySha256(shown.out), PolicySha256(again.out));
}

TEST_F(Standing, BadSubmissionsAreRefused) {
  EXPECT_EQ(Send("../run").code, 2);
  place_.Write("large.json", std::string((16 << 20) + 1, ' '));
  const Finished large = Shoal(
      place_, {"train", "--run_name", "large", "--coordinator", address_, "--tail_seed_stage_spec",
               "3:" + place_.Path("large.json")});
  EXPECT_EQ(large.code, 2) << large.error;
  EXPECT_TRUE(Line().empty());
  ASSERT_EQ(Send("run").code, 0);
  EXPECT_EQ(Send("run").code, 2) << "the name is taken";
}

// Made by hand as shoal-entry makes it, put in line at the start, and known at the next ones.
TEST_F(Standing, BeginsWithARunThatIsThere) {
  Kill("coordinator");
  std::vector<std::string> init = Small(place_, "first");
  init[0] = "init";
  const auto artifacts = std::find(init.begin(), init.end(), "--artifacts");
  init.erase(artifacts, artifacts + 2);  // Of `train` alone.
  *std::next(std::find(init.begin(), init.end(), "--out")) = place_.Path("cluster");
  ASSERT_EQ(Shoal(place_, init).code, 0);
  begin_with_ = "none";
  Start("coordinator");
  ASSERT_TRUE(programs_.at("coordinator")->WaitFor(kPatience).has_value());
  EXPECT_TRUE(absl::StrContains(place_.Read("coordinator.log"), "shoal init --out"));
  begin_with_ = "first";
  Start("coordinator");
  ASSERT_TRUE(Await("first", "finished"));
  EXPECT_EQ(Line()["first"]["policy_sha256"], Reference());
  Kill("coordinator");
  Start("coordinator");
  EXPECT_EQ(Line().size(), 1u);
  EXPECT_EQ(Line()["first"]["state"], "finished");
  // One that a coordinator of its own has brought to its end.
  Kill("coordinator");
  fs::copy(place_.Path("runs/reference"), place_.Path("cluster/reference"),
           fs::copy_options::recursive);
  begin_with_ = "reference";
  Start("coordinator");
  ASSERT_TRUE(Await("reference", "finished"));
  EXPECT_EQ(Line()["reference"]["policy_sha256"], Reference());
}

// The coordinator of a single run ends with it, and tells nobody who comes later.
TEST_F(Train, ProgramsThatComeWhenASingleRunIsOverEndWithWords) {
  ASSERT_EQ(Sha("run", {"--actors", "1"}).size(), 64u);
  const std::string coordinator = "--coordinator=unix:" + place_.Path("gone.sock");
  for (const std::vector<std::string>& argv : std::vector<std::vector<std::string>>{
           {BinFolder() + "/shoal-actor", coordinator, "--patience=0.5"},
           {BinFolder() + "/shoal-learner", coordinator, "--run_dir=" + place_.Path("runs/run"),
            "--listen=unix:" + place_.Path("l.sock"), "--patience=0.5"}}) {
    SubprocessOptions options;
    options.argv = argv;
    options.stdout_path = options.stderr_path = place_.Path("late.log");
    auto late = Subprocess::Start(options);
    ASSERT_TRUE(late.ok()) << late.status();
    const auto ended = (*late)->WaitFor(kPatience);
    ASSERT_TRUE(ended.has_value()) << argv[0];
    EXPECT_EQ(ended->code, 1);
    EXPECT_TRUE(absl::StrContains(place_.Read("late.log"), "no coordinator has answered for 500ms"))
        << place_.Read("late.log");
  }
}

}  // namespace
}  // namespace shoal
