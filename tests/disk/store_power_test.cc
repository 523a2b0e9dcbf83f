// run.db after syncs that failed: what SQLite has acknowledged since, on the same connection, must be
// on the disk, though the system has forgotten what those syncs should have written.
#include <functional>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/disk/child.h"
#include "tests/faults/file_faults.h"
#include "tests/store/run_store_fixture.h"

namespace shoal {
namespace {

std::string Db(const std::string& root) { return root + "/run.db"; }

// Bytes of a planner's state: many pages, so that twelve commits fill the log once over and it is
// written back into the database in between.
constexpr size_t kStateBytes = 400000;
constexpr int64_t kCommits = 12;

void Prepare(const std::string& root) {
  auto store = RunStore::Create(Db(root), InfoOf("run"));
  ASSERT_TRUE(store.ok()) << store.status();
}

IterationCommit LargeCommit(int64_t iteration) {
  IterationCommit commit = CommitOf(iteration);
  commit.planner_state = std::string(kStateBytes, static_cast<char>('a' + iteration));
  return commit;
}

// Commits one iteration; where that fails, once more.
absl::Status CommitOrRetry(RunStore& store, int64_t iteration, int& failures) {
  absl::Status status;
  for (int attempt = 0; attempt < 2; ++attempt) {
    status = store.SavePlan(PlanOf(iteration), "tail");
    if (status.ok()) status = store.CommitIteration(LargeCommit(iteration));
    if (status.ok()) return status;
    ++failures;
  }
  return status;
}

// Everything that was committed, page by page.
void ExpectCommitted(const std::string& root, int64_t iterations) {
  auto store = RunStore::Open(Db(root));
  ASSERT_TRUE(store.ok()) << store.status();
  auto last = store->LastCommitted();
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->iteration, iterations);
  for (int64_t iteration = 1; iteration <= iterations; ++iteration) {
    auto state = store->LoadPlannerState(iteration);
    ASSERT_TRUE(state.ok()) << state.status();
    EXPECT_EQ(*state, LargeCommit(iteration).planner_state) << iteration;
  }
}

// Runs all commits with this rule, with one connection, and loses the power with it still open.
// False: the rule did not act.
bool TestRun(const std::string& fault, const std::string& path, int which, int& failures) {
  TemporaryFolder folder;
  Prepare(folder.path());
  const std::string rule = absl::StrCat(fault, ":", folder.path(), "/", path, ":", which);
  SCOPED_TRACE(rule);
  const Ended ended = InChild(folder.path(), rule, /*lose_power=*/true, [&](Witness& witness) {
    // Opening may fail; that is another test's matter.
    auto store = RunStore::Open(Db(folder.path()));
    if (!store.ok()) store = RunStore::Open(Db(folder.path()));
    absl::Status status = store.status();
    int failed = 0;
    for (int64_t iteration = 1; status.ok() && iteration <= kCommits; ++iteration) {
      status = CommitOrRetry(*store, iteration, failed);
    }
    if (status.ok()) witness.Acknowledge();
    witness.Say(status.ok() ? absl::StrCat(file_faults::Fired(), " ", failed) : status.ToString());
    // The power goes with the connection open.
    if (status.ok()) new RunStore(*std::move(store));
  });
  EXPECT_TRUE(ended.acknowledged) << ended.words;
  ExpectCommitted(folder.path(), kCommits);
  failures += ended.words == "1 1";
  return ended.words != "0 0";
}

// Of the log, where a commit fails and is made once more, and of the database while the log is written
// back into it, where the commit that set that off is durable already.
TEST(RunStoreAfterFailedSyncs, EveryOneInTurn) {
  int failures = 0, which = 1;
  // The log's path begins with that of the database.
  while (TestRun("eio:sync", "run.db", which, failures)) {
    if (HasFailure()) return;
    ASSERT_LT(++which, 200);
  }
  EXPECT_GT(which, kCommits) << "syncs are missing";
  EXPECT_GE(failures, kCommits) << "commits passed over a sync that failed";
}

}  // namespace
}  // namespace shoal
