// A run.db that has less than the run's folder shows: never a silent beginning.
#include <gmock/gmock.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "shoal/v1/records.pb.h"
#include "tests/run/run_loop_fixture.h"

namespace shoal {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class LostCommitsTest : public RunLoopTest {
 protected:
  // Opens the run, which commits its next iteration, this one, and is closed again.
  void CommitOne(int64_t iteration) {
    Open();
    FakeLearner learner;
    Arrive(learner, "one");
    FakeWorker worker;
    Work(Arrive(worker), worker, "one");
    Learn(learner);
    ASSERT_EQ(Committed(), iteration);
    loop_.reset();
  }
};

TEST_F(LostCommitsTest, ALostDatabaseIsNoBeginning) {
  CommitOne(1);
  RunLoopOptions options;
  options.run_dir = folder_;
  const std::string database = folder_ + "/run.db";
  for (const bool empty : {true, false}) {
    std::filesystem::remove(database);
    if (empty) {
      ASSERT_TRUE(WriteFileAtomically(database, "").ok());
    }
    const absl::Status status = RunLoop::Open(options, now_).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(empty ? "is empty" : "is missing"), HasSubstr("metrics.csv")));
    EXPECT_THAT(ReadFile(folder_ + "/metrics.csv").value_or(""), HasSubstr("\n1,")) << "it stays";
  }
  // Checkpoints and a log tell, too.
  std::filesystem::remove(folder_ + "/metrics.csv");
  for (const std::string trace : {"checkpoints/iter_2", "run.db-wal"}) {
    const std::string path = absl::StrCat(folder_, "/", trace);
    ASSERT_TRUE(CreateDirectories(folder_ + "/checkpoints").ok());
    ASSERT_TRUE(WriteFileAtomically(path, "x").ok());
    const absl::Status status = RunLoop::Open(options, now_).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(trace));
    std::filesystem::remove(path);
  }
  EXPECT_TRUE(RunLoop::Open(options, now_).ok());
}

// Which is what is left where SQLite finds a page of its log that is not whole, in front of others.
TEST_F(LostCommitsTest, LostCommitsAreNoticed) {
  CommitOne(1);
  const std::string earlier = *ReadFile(folder_ + "/run.db");
  CommitOne(2);
  std::filesystem::remove(folder_ + "/run.db-wal");
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/run.db", earlier).ok());
  RunLoopOptions options;
  options.run_dir = folder_;
  const absl::Status status = RunLoop::Open(options, now_).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("ends with iteration 1"), HasSubstr("metrics.csv beside it has 2")));
  // A row that cannot follow the others is damage of the view alone.
  const std::string csv = *ReadFile(folder_ + "/metrics.csv");
  std::string damaged = csv;
  damaged[csv.find("\n2,") + 1] = '7';
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/metrics.csv", damaged).ok());
  Open();
  EXPECT_EQ(Committed(), 1);
  loop_.reset();
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/metrics.csv", csv).ok());
  // The way on that the message names.
  std::filesystem::rename(folder_ + "/metrics.csv", folder_ + "/aside.csv");
  Open();
  EXPECT_EQ(Committed(), 1);
}

// A shard that is gone from every table leaves each row as it was written.
TEST_F(LostCommitsTest, ALostShardIsNoticed) {
  CommitOne(1);
  {
    auto store = RunStore::Open(folder_ + "/run.db");
    ASSERT_TRUE(store.ok()) << store.status();
    const auto loaded = store->LoadShardStates(1);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    ASSERT_EQ(loaded->size(), 3u);
    v1::ShardStates states;
    for (size_t shard = 0; shard < 2; ++shard) states.add_states((*loaded)[shard]);
    auto database = Database::Open(folder_ + "/run.db", Database::Mode::kWrite);
    ASSERT_TRUE(database.ok()) << database.status();
    ASSERT_TRUE(database->Execute("DELETE FROM shard_results WHERE shard = 2").ok());
    auto update = database->Prepare("UPDATE shard_states SET states = ?");
    ASSERT_TRUE(update.ok() && update->BindBlob(1, states.SerializeAsString()).Run().ok());
  }
  RunLoopOptions options;
  options.run_dir = folder_;
  const absl::Status status = RunLoop::Open(options, now_).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("states of 2 shards after iteration 1, and the run has 3"));
}

// SQLite takes the first page of its log that is not whole for the log's end.
TEST_F(LostCommitsTest, NoFlippedBitOfTheLogGivesAWrongStart) {
  Open();
  FakeLearner learner;
  Arrive(learner, "one");
  FakeWorker worker;
  const WorkerId id = Arrive(worker);
  for (int i = 0; i < 3; ++i) {
    Work(id, worker, "one");
    Learn(learner);
  }
  ASSERT_EQ(Committed(), 3);
  // As a SIGKILL leaves it: the log has commits that run.db has not.
  const std::string log = *ReadFile(folder_ + "/run.db-wal");
  ASSERT_GT(log.size(), 3u * 4096);
  const std::string copy = folder_ + "-copy";
  std::mt19937 random(11);
  int refused = 0;
  for (int i = 0; i < 60; ++i) {
    std::filesystem::remove_all(copy);
    std::filesystem::copy(folder_, copy, std::filesystem::copy_options::recursive);
    std::filesystem::remove(copy + "/run.db-shm");
    std::string damaged = log;
    const size_t bit = random() % (8 * damaged.size());
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    ASSERT_TRUE(WriteFileAtomically(copy + "/run.db-wal", damaged).ok());
    RunLoopOptions options;
    options.run_dir = copy;
    const auto opened = RunLoop::Open(options, now_);
    if (opened.ok()) {
      EXPECT_EQ((*opened)->Status(now_).committed_iteration(), 3) << "bit " << bit;
    } else {
      ++refused;
      EXPECT_TRUE(absl::IsDataLoss(opened.status())) << "bit " << bit << ": " << opened.status();
    }
  }
  std::filesystem::remove_all(copy);
  EXPECT_GT(refused, 10);
}

}  // namespace
}  // namespace shoal
