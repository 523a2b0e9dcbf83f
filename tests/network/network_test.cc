// The same run whatever the network does: machines cut off and back, frames lost, slow links, and
// programs that die without a word reaching the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "coordinator/cli/progress.h"
#include "tests/network/lab.h"
#include "tests/network/lab_run.h"
#include "tests/network/small_run.h"

namespace shoal {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr double kLeaseSeconds = 3;

const v1::MissingPeer* FindMissing(const v1::RunStatus& status, const std::string& name) {
  for (const v1::MissingPeer& peer : status.missing()) {
    if (peer.name() == name) return &peer;
  }
  return nullptr;
}

// How long the coordinator has not heard the peer; negative: it does not know of it.
double SilentSeconds(const v1::RunStatus& status, const std::string& name) {
  if (name == "learner") return status.learner_silent_seconds();
  for (const v1::WorkerStatus& worker : status.workers()) {
    if (worker.name() == name) return worker.silent_seconds();
  }
  return -1;
}

class NetworkTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    missing_ = new std::string(NetworkLab::Missing());
    runs_ = new SmallRuns();
  }
  static void TearDownTestSuite() {
    delete missing_;
    delete runs_;
  }

  void SetUp() override {
    if (!missing_->empty()) GTEST_SKIP() << "no network lab here: " << *missing_;
    auto lab = NetworkLab::Create({"coordinator", "learner", "actor-a", "actor-b", "spare"});
    ASSERT_TRUE(lab.ok()) << lab.status();
    lab_ = *std::move(lab);
  }
  void TearDown() override {
    run_.reset();
    lab_.reset();
  }

  // Makes the run, after the undisturbed one that it will be compared with.
  void Prepare(const SmallRun& small) {
    auto expected = runs_->Reference(small);
    ASSERT_TRUE(expected.ok()) << expected.status();
    expected_ = *expected;
    const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    auto folder = runs_->Prepare(name, small);
    ASSERT_TRUE(folder.ok()) << folder.status();
    folder_ = *folder;
    run_ = std::make_unique<LabRun>(folder_);
  }

  On At(const std::string& machine) const {
    return [this, machine](std::vector<std::string> command) {
      return lab_->On(machine, std::move(command));
    };
  }
  std::string CoordinatorAddress() const { return lab_->Address("coordinator") + ":5000"; }

  void StartCoordinator() {
    ASSERT_EQ(run_->Start("coordinator", At("coordinator"), "shoal-coordinator",
                          {"--run_dir=" + folder_, "--listen=" + CoordinatorAddress(),
                           "--allow_insecure", absl::StrCat("--lease_seconds=", kLeaseSeconds)}),
              absl::OkStatus());
  }
  void StartLearner(const std::string& machine) {
    ASSERT_EQ(run_->Start(machine == "learner" ? "learner" : "learner-on-" + machine, At(machine),
                          "shoal-learner",
                          {"--coordinator=" + CoordinatorAddress(), "--run_dir=" + folder_,
                           "--listen=" + lab_->Address(machine) + ":5001", "--allow_insecure",
                           "--threads=2"}),
              absl::OkStatus());
  }
  // On the machine of its name.
  void StartActor(const std::string& name) {
    ASSERT_EQ(run_->Start(name, At(name), "shoal-actor",
                          {"--coordinator=" + CoordinatorAddress(), "--name=" + name,
                           "--allow_insecure"}),
              absl::OkStatus());
  }

  // Waits, as one who asks on the coordinator's machine.
  v1::RunStatus WaitFor(const std::string& what,
                        const std::function<bool(const v1::RunStatus&)>& condition) {
    auto status = run_->WaitFor(what, At("coordinator"), condition);
    EXPECT_TRUE(status.ok()) << status.status();
    return status.ok() ? *status : v1::RunStatus();
  }
  void WaitForProgress() {
    int64_t before = -1;
    WaitFor("another commit", [&](const v1::RunStatus& status) {
      if (before < 0) before = status.committed_iteration();
      return status.committed_iteration() > before;
    });
  }
  // Whoever is cut off must be named by the time a lease has passed, by the coordinator's own clock,
  // and goes on being named.
  void ExpectMissingWithinALease(const std::string& name) {
    const v1::RunStatus status = WaitFor(name + " to be missed", [&](const v1::RunStatus& status) {
      return FindMissing(status, name) != nullptr || SilentSeconds(status, name) > kLeaseSeconds;
    });
    ASSERT_NE(FindMissing(status, name), nullptr) << status.DebugString();
    EXPECT_THAT(ProgressText(status), HasSubstr("missing: "));
    EXPECT_THAT(ProgressText(status), HasSubstr(name + " ("));
    EXPECT_THAT(StatusTableOf(), HasSubstr(name + " ("));
    WaitFor(name + " to be missed for longer than a lease", [&](const v1::RunStatus& status) {
      const v1::MissingPeer* peer = FindMissing(status, name);
      EXPECT_NE(peer, nullptr) << status.DebugString();
      return peer == nullptr || (peer->silent_seconds() > kLeaseSeconds && !peer->connected());
    });
  }
  std::string StatusTableOf() {
    auto table = RunTool(lab_->On("coordinator", {ProgramFolder() + "/shoal", "status",
                                                  "--coordinator", CoordinatorAddress(),
                                                "--allow_insecure"}));
    EXPECT_TRUE(table.ok()) << table.status();
    return table.value_or("");
  }
  void ExpectNobodyMissing() {
    WaitFor("everybody to be back", [](const v1::RunStatus& status) {
      return status.missing_size() == 0 && status.learner_connected();
    });
  }
  void Cut(const std::string& machine) { ASSERT_EQ(lab_->Cut(machine), absl::OkStatus()); }
  void Heal(const std::string& machine) { ASSERT_EQ(lab_->Heal(machine), absl::OkStatus()); }

  void ExpectTheSameEnd() {
    ASSERT_EQ(run_->WaitForEnd("coordinator"), absl::OkStatus());
    auto record = RecordOf(folder_);
    ASSERT_TRUE(record.ok()) << record.status();
    EXPECT_THAT(Differences(expected_, *record), IsEmpty());
  }

  static std::string* missing_;
  static SmallRuns* runs_;
  std::unique_ptr<NetworkLab> lab_;
  std::string folder_;
  RunRecord expected_;
  std::unique_ptr<LabRun> run_;
};

std::string* NetworkTest::missing_ = nullptr;
SmallRuns* NetworkTest::runs_ = nullptr;

// Long enough that nothing that follows a commit at once comes after the end.
const SmallRun kLong{"9:30,12:30", 24};

// While one of these is cut off the run stands still, so that it cannot end before the network heals.
TEST_F(NetworkTest, PartitionsHeal) {
  Prepare(kLong);
  if (HasFatalFailure()) return;
  StartCoordinator();
  StartLearner("learner");
  StartActor("actor-a");
  WaitForProgress();

  Cut("actor-a");
  ExpectMissingWithinALease("actor-a");
  const v1::RunStatus waiting = WaitFor("the actor", [](const v1::RunStatus& status) {
    return status.state() == v1::RunStatus::STATE_WAITING_FOR_ACTORS;
  });
  EXPECT_THAT(waiting.message(), HasSubstr("gone: actor-a"));
  Heal("actor-a");
  ExpectNobodyMissing();
  WaitForProgress();

  Cut("learner");
  ExpectMissingWithinALease("learner");
  Heal("learner");
  ExpectNobodyMissing();
  WaitForProgress();

  // From everybody: the programs' reconnecting is all that brings it back. Whoever asks from
  // elsewhere is told that it cannot be reached.
  Cut("coordinator");
  ExpectMissingWithinALease("learner");
  ExpectMissingWithinALease("actor-a");
  const auto asked = RunTool(lab_->On("spare", {ProgramFolder() + "/shoal", "status", "--timeout", "1",
                                                "--coordinator", CoordinatorAddress(),
                                                "--allow_insecure"}));
  EXPECT_THAT(std::string(asked.status().message()), HasSubstr("exit code 4"));
  EXPECT_THAT(std::string(asked.status().message()), HasSubstr("does not answer"));
  Heal("coordinator");
  ExpectNobodyMissing();
  ExpectTheSameEnd();
}

TEST_F(NetworkTest, OneActorIsEnoughWhileAnotherIsCutOff) {
  Prepare(kLong);
  if (HasFatalFailure()) return;
  StartCoordinator();
  StartLearner("learner");
  StartActor("actor-a");
  WaitForProgress();
  Cut("actor-a");
  ExpectMissingWithinALease("actor-a");
  StartActor("actor-b");
  WaitForProgress();
  Heal("actor-a");
  ExpectTheSameEnd();
}

TEST_F(NetworkTest, LostFramesChangeNothing) {
  Prepare({"9:6,12:6", 24});
  if (HasFatalFailure()) return;
  ASSERT_EQ(lab_->Lose(5), absl::OkStatus());
  StartCoordinator();
  StartLearner("learner");
  StartActor("actor-a");
  StartActor("actor-b");
  ExpectTheSameEnd();
  auto lost = lab_->Lost();
  ASSERT_TRUE(lost.ok()) << lost.status();
  EXPECT_GT(*lost, 20);
  RecordProperty("frames_lost", static_cast<int>(*lost));
}

// The rows of a shard are on their way for longer than keepalive waits for an answer.
TEST_F(NetworkTest, ASlowLinkIsNoBrokenOne) {
  Prepare({"9:1,12:1", 1000});
  if (HasFatalFailure()) return;
  ASSERT_EQ(lab_->SlowDown("learner", "2mbit"), absl::OkStatus());
  StartCoordinator();
  StartLearner("learner");
  StartActor("actor-a");
  StartActor("actor-b");
  ExpectTheSameEnd();
  // Nor was any connection given up and its work done again.
  const std::string log = ReadFile(folder_ + "/logs/coordinator.out").value_or("");
  EXPECT_THAT(log, HasSubstr("run done"));
  EXPECT_THAT(log, Not(HasSubstr("item failed")));
}

// Neither FIN nor RST gets out of a machine that is cut off.
TEST_F(NetworkTest, ProgramsThatDieUnheardAreReplaced) {
  Prepare(kLong);
  if (HasFatalFailure()) return;
  StartCoordinator();
  StartLearner("learner");
  StartActor("actor-a");
  WaitForProgress();

  Cut("actor-a");
  ASSERT_EQ(run_->Kill("actor-a"), absl::OkStatus());
  ExpectMissingWithinALease("actor-a");
  StartActor("actor-b");
  WaitForProgress();

  // The actor at work is left with a half-open connection of its own.
  Cut("learner");
  ASSERT_EQ(run_->Kill("learner"), absl::OkStatus());
  ExpectMissingWithinALease("learner");
  StartLearner("spare");
  const v1::RunStatus status = WaitFor("the new learner", [](const v1::RunStatus& status) {
    return status.learner_connected() && status.state() != v1::RunStatus::STATE_WAITING_FOR_LEARNER;
  });
  EXPECT_EQ(FindMissing(status, "learner"), nullptr) << status.DebugString();
  EXPECT_NE(FindMissing(status, "actor-a"), nullptr) << "it never came back";
  WaitForProgress();
  ExpectTheSameEnd();
}

}  // namespace
}  // namespace shoal
