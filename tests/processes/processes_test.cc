// The real programs around a fake learner: the same run whoever computes it and whatever is killed
// or stopped. Needs no LibTorch, so that ThreadSanitizer can watch all of it.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/common/temporary_directory.h"
#include "tests/processes/program_set.h"

namespace shoal {
namespace {

// Short enough for a test to outlast, long enough for a sanitizer's slow second.
constexpr double kLeaseSeconds = 3;

class Processes : public testing::TestWithParam<int> {
 protected:
  int lag() const { return GetParam(); }

  ProgramSet::Options NewRun(const std::string& name, int iterations) {
    v1::RunOptions options = SmallRun(place_.path(), iterations);
    options.set_policy_lag(lag());
    ProgramSet::Options set;
    set.run_dir = MakeRun(place_.path(), name, options);
    set.lease_seconds = kLeaseSeconds;
    return set;
  }

  static void StartAll(ProgramSet& set, int actors) {
    set.Start("coordinator");
    set.Start("learner");
    for (int i = 0; i < actors; ++i) set.Start(absl::StrCat("actor-", i));
  }

  // The outcome of a run that nothing disturbs.
  std::string Undisturbed(int iterations, int actors) {
    const ProgramSet::Options options = NewRun(absl::StrCat("whole-", actors), iterations);
    ProgramSet set(options);
    StartAll(set, actors);
    EXPECT_TRUE(set.AwaitEnd());
    return OutcomeOf(options);
  }

  static std::string OutcomeOf(const ProgramSet::Options& options) {
    const auto outcome = Outcome(options.run_dir);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.value_or("");
  }

  TemporaryDirectory place_;
};

TEST_P(Processes, OneActorAndThreeGiveTheSameRun) {
  const std::string one = Undisturbed(8, 1);
  EXPECT_NE(one.find("iterations: 8 of 8"), std::string::npos) << one;
  EXPECT_NE(one.find("policy_sha256 "), std::string::npos) << one;
  EXPECT_EQ(one, Undisturbed(8, 3));
}

// Between two disturbances something is committed; from a kill until the programs are back the run
// stands still, so it cannot end before they are all through.
TEST_P(Processes, KilledAndRestartedInTheMiddle) {
  const int iterations = 40;
  const std::string whole = Undisturbed(iterations, 2);
  const ProgramSet::Options options = NewRun("killed", iterations);
  ProgramSet set(options);
  StartAll(set, 2);
  const std::vector<std::vector<std::string>> disturbances = {
      {"actor-0", "actor-1"},       {"learner"},           {"coordinator"},
      {"learner", "coordinator"},   {"coordinator", "actor-1"}, {"learner"},
      {"actor-1", "learner", "coordinator", "actor-0"}};
  int64_t reached = 0;
  for (const std::vector<std::string>& killed : disturbances) {
    ASSERT_TRUE(set.Await("a commit", [&](const v1::RunStatus& status) {
      const bool more = status.committed_iteration() > reached;
      reached = status.committed_iteration();
      return more;
    })) << killed.front();
    for (const std::string& name : killed) set.Kill(name);
    for (const std::string& name : killed) set.Start(name);
  }
  ASSERT_LT(reached, iterations);
  ASSERT_TRUE(set.AwaitEnd());
  EXPECT_EQ(OutcomeOf(options), whole);
}

// What is stopped for longer than a lease is given up; what it has when it goes on is of no use to
// anybody, and harms nobody. The run cannot end meanwhile: all actors, or the learner, are stopped.
TEST_P(Processes, StoppedForLongerThanALease) {
  const int iterations = 20;
  const std::string whole = Undisturbed(iterations, 2);
  const ProgramSet::Options options = NewRun("stopped", iterations);
  ProgramSet set(options);
  StartAll(set, 2);
  const std::vector<std::vector<std::string>> disturbances = {{"actor-0", "actor-1"}, {"learner"}};
  int64_t reached = 0;
  for (const std::vector<std::string>& stopped : disturbances) {
    ASSERT_TRUE(set.AwaitCommitted(++reached));
    for (const std::string& name : stopped) set.Signal(name, SIGSTOP);
    EXPECT_TRUE(set.Await("the stopped programs are given up", [&](const v1::RunStatus& status) {
      // Those that are given up are still named, as missing.
      return stopped.size() == 1 ? !status.learner_connected()
                                 : std::none_of(status.workers().begin(), status.workers().end(),
                                                [](const auto& w) { return w.connected(); });
    }));
    for (const std::string& name : stopped) set.Signal(name, SIGCONT);
  }
  ASSERT_TRUE(set.AwaitEnd());
  EXPECT_EQ(OutcomeOf(options), whole);
}

INSTANTIATE_TEST_SUITE_P(Lag, Processes, testing::Values(0, 1),
                         [](const auto& info) { return absl::StrCat("lag", info.param); });

}  // namespace
}  // namespace shoal
