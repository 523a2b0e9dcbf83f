#include "coordinator/store/run_store.h"

#include <filesystem>
#include <optional>
#include <string>

#include "common/hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/store/run_store_fixture.h"

namespace shoal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(RunStoreTest, KeepsTheRun) {
  ASSERT_TRUE(store_->SetStatus(RunState::kStopped, "by order").ok());
  Reopen();
  const auto info = store_->Info();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->id, "id-1");
  EXPECT_EQ(info->name, "run");
  EXPECT_EQ(info->options, "seed: 3\n");
  EXPECT_EQ(info->build, "0.1.0");
  EXPECT_EQ(info->created_at, At(0));
  EXPECT_EQ(info->kernel_id, "");
  EXPECT_EQ(info->status, RunState::kStopped);
  EXPECT_EQ(info->message, "by order");
}

TEST_F(RunStoreTest, IsCreatedOnce) {
  const auto again = RunStore::Create(path(), InfoOf("other"));
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(again.status().message(), HasSubstr("resume that run"));
  EXPECT_EQ(store_->Info()->name, "run");
}

TEST_F(RunStoreTest, IsCreatedOverWhatACrashDuringCreationLeaves) {
  folder_.Write("new.db", "");
  EXPECT_FALSE(RunStore::Open(folder_.Path("new.db")).ok());
  const auto store = RunStore::Create(folder_.Path("new.db"), InfoOf("new"));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(store->Info()->name, "new");
}

TEST_F(RunStoreTest, SettlesKernelAndInitialPolicyOnce) {
  EXPECT_EQ(store_->LastCommitted()->policy_sha256, "");
  EXPECT_TRUE(store_->SetKernelId("fused-1").ok());
  EXPECT_TRUE(store_->SetKernelId("fused-1").ok());
  const absl::Status other = store_->SetKernelId("torch");
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(other.message(), HasSubstr("fused-1, not torch"));
  EXPECT_EQ(store_->SetKernelId("").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(store_->SetInitialPolicy(kPolicy0).ok());
  EXPECT_FALSE(store_->SetInitialPolicy(PolicyOf(0)).ok());
  Reopen();
  EXPECT_EQ(store_->Info()->kernel_id, "fused-1");
  EXPECT_EQ(store_->LastCommitted()->iteration, 0);
  EXPECT_EQ(store_->LastCommitted()->policy_sha256, kPolicy0);
  EXPECT_EQ(*store_->PolicySha256(0), kPolicy0);
}

TEST_F(RunStoreTest, FencingNumbersGrowAcrossRestarts) {
  EXPECT_EQ(*store_->NextFencing(100), 1u);
  EXPECT_EQ(*store_->NextFencing(1), 101u);
  Reopen();
  EXPECT_EQ(*store_->NextFencing(5), 102u);
  EXPECT_FALSE(store_->NextFencing(0).ok());
  EXPECT_EQ(*store_->NextFencing(1), 107u);
}

TEST_F(RunStoreTest, APlanOnceMadeStands) {
  EXPECT_EQ(*store_->LastPlan(), 0);
  EXPECT_EQ(store_->LoadPlan(1).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(store_->SavePlan(PlanOf(1), "t1").ok());
  ASSERT_TRUE(store_->SavePlan(PlanOf(1), "t1").ok());
  EXPECT_EQ(store_->SavePlan(PlanOf(1), "t2").code(), absl::StatusCode::kAlreadyExists);
  v1::IterationPlan other = PlanOf(1);
  other.set_num_fish(16);
  const absl::Status status = store_->SavePlan(other, "t1");
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(status.message(),
              testing::AllOf(HasSubstr("num_fish: 15"), HasSubstr("num_fish: 16")));
  EXPECT_EQ(store_->SavePlan(PlanOf(3), "t").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store_->SavePlan(PlanOf(0), "t").code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(store_->SavePlan(PlanOf(2), "t").ok());
  Reopen();
  EXPECT_EQ(*store_->LastPlan(), 2);
  EXPECT_EQ(store_->LoadPlan(1)->plan.SerializeAsString(), PlanOf(1).SerializeAsString());
  EXPECT_EQ(store_->LoadPlan(1)->tail_hash, "t1");
}

TEST_F(RunStoreTest, ACommitComesBackWhole) {
  Commit(1);
  Commit(2);
  Reopen();
  EXPECT_EQ(store_->LastCommitted()->iteration, 2);
  EXPECT_EQ(store_->LastCommitted()->policy_sha256, PolicyOf(2));
  EXPECT_EQ(*store_->PolicySha256(1), PolicyOf(1));
  EXPECT_EQ(store_->PolicySha256(3).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(*store_->LoadPlannerState(2), "planner 2");
  EXPECT_THAT(*store_->LoadShardStates(2), ElementsAre("state 2/0", "state 2/1"));
  EXPECT_THAT(*store_->LoadTailUsed(), ElementsAre(2, 4));
  const auto iteration = store_->LoadIteration(2);
  ASSERT_TRUE(iteration.ok());
  EXPECT_EQ(iteration->measurements, "{\"iteration\": 2}");
  EXPECT_EQ(iteration->committed_at, At(2000));
  const auto records = store_->LoadShardRecords(2);
  ASSERT_TRUE(records.ok());
  ASSERT_EQ(records->size(), 2u);
  EXPECT_EQ((*records)[1].shard(), 1);
  EXPECT_EQ((*records)[1].episodes(0).length(), 17);
  EXPECT_EQ((*records)[1].next_state(), "");
  EXPECT_EQ(Query("SELECT count(*) FROM leases WHERE outcome = 'done'"), 2);
}

TEST_F(RunStoreTest, WithoutACommitThePlanIsAllThatIsLeft) {
  Commit(1);
  ASSERT_TRUE(store_->SavePlan(PlanOf(2), "tail").ok());
  Reopen();  // as after a crash between plan and commit
  EXPECT_EQ(store_->LastCommitted()->iteration, 1);
  EXPECT_EQ(store_->LastCommitted()->policy_sha256, PolicyOf(1));
  EXPECT_THAT(*store_->LoadTailUsed(), ElementsAre(1, 2));
  EXPECT_EQ(*store_->LastPlan(), 2);
  EXPECT_EQ(store_->LoadIteration(2).status().code(), absl::StatusCode::kNotFound);
  // The same plan again, and on.
  Commit(2);
  EXPECT_EQ(store_->LastCommitted()->iteration, 2);
}

TEST_F(RunStoreTest, ACopyTakenAtAnyMomentIsWhole) {
  Commit(1);
  // What the disk holds while the writer is there is what a crash leaves: file and log.
  std::filesystem::create_directory(folder_.Path("crash"));
  for (const char* name : {"run.db", "run.db-wal"}) {
    std::filesystem::copy_file(folder_.Path(name), folder_.Path("crash/") + name);
  }
  const auto store = RunStore::Open(folder_.Path("crash/run.db"));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(store->LastCommitted()->iteration, 1);
  EXPECT_THAT(*store->LoadShardStates(1), ElementsAre("state 1/0", "state 1/1"));
}

TEST_F(RunStoreTest, AFailedCommitChangesNothing) {
  Commit(1);
  ASSERT_TRUE(store_->SavePlan(PlanOf(2), "tail").ok());
  IterationCommit commit = CommitOf(2);
  commit.shards[1] = ShardOf(1, 1);
  const absl::Status status = store_->CommitIteration(commit);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("iteration 2, shard 1"));
  commit = CommitOf(2);
  std::swap(commit.shards[0], commit.shards[1]);
  EXPECT_FALSE(store_->CommitIteration(commit).ok());
  commit = CommitOf(2);
  commit.shards[0].record = "\xff";
  EXPECT_FALSE(store_->CommitIteration(commit).ok());
  commit = CommitOf(2);
  commit.states = std::make_shared<const States>(States{"one"});
  EXPECT_EQ(store_->CommitIteration(commit).code(), absl::StatusCode::kInvalidArgument);
  commit.states = nullptr;
  EXPECT_EQ(store_->CommitIteration(commit).code(), absl::StatusCode::kInvalidArgument);
  commit = CommitOf(2);
  commit.policy_sha256 = "abc";
  EXPECT_FALSE(store_->CommitIteration(commit).ok());
  EXPECT_EQ(store_->LastCommitted()->iteration, 1);
  EXPECT_EQ(Query("SELECT count(*) FROM shard_results"), 2);
  EXPECT_EQ(Query("SELECT count(*) FROM leases"), 1);
  EXPECT_EQ(Query("SELECT next_sequence FROM run"), 2);
  EXPECT_TRUE(store_->CommitIteration(CommitOf(2)).ok());
}

TEST_F(RunStoreTest, IterationsAreCommittedInOrderAndOnce) {
  EXPECT_EQ(store_->CommitIteration(CommitOf(1)).code(), absl::StatusCode::kFailedPrecondition);
  Commit(1);
  EXPECT_EQ(store_->CommitIteration(CommitOf(1)).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store_->CommitIteration(CommitOf(3)).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RunStoreTest, DropsTheStatesThatItIsToldToAndKeepsRecords) {
  for (int64_t i = 1; i <= 4; ++i) Commit(i);
  ASSERT_TRUE(store_->SavePlan(PlanOf(5), "").ok());
  IterationCommit commit = CommitOf(5);
  commit.states_to_drop = {2};
  ASSERT_TRUE(store_->CommitIteration(commit).ok());
  EXPECT_TRUE(store_->LoadPlannerState(1).ok());
  EXPECT_THAT(*store_->LoadShardStates(3), ElementsAre("state 3/0", "state 3/1"));
  EXPECT_EQ(store_->LoadPlannerState(2).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->LoadShardStates(2).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->LoadShardRecords(1)->size(), 2u);
}

TEST_F(RunStoreTest, AnEmptyStateIsAState) {
  ASSERT_TRUE(store_->SavePlan(PlanOf(1), "").ok());
  IterationCommit commit = CommitOf(1);
  commit.planner_state = "";
  commit.shards = {ShardOf(1, 0)};
  commit.states = std::make_shared<const States>(States{""});
  ASSERT_TRUE(store_->CommitIteration(commit).ok());
  EXPECT_EQ(*store_->LoadPlannerState(1), "");
  EXPECT_THAT(*store_->LoadShardStates(1), ElementsAre(""));
}

TEST_F(RunStoreTest, RecordsLeases) {
  std::vector<LeaseRow> leases = {LeaseOf(7, "expired"), LeaseOf(8, "active")};
  leases[1].ended_at.reset();
  ASSERT_TRUE(store_->RecordLeases(leases).ok());
  EXPECT_EQ(Query("SELECT count(*) FROM leases WHERE ended_at IS NULL"), 1);
  leases[1] = LeaseOf(8, "done");
  ASSERT_TRUE(store_->RecordLeases({&leases[1], 1}).ok());
  EXPECT_EQ(Query("SELECT count(*) FROM leases WHERE ended_at IS NULL"), 0);
  EXPECT_EQ(Query("SELECT count(*) FROM leases"), 2);
  EXPECT_TRUE(store_->RecordLeases({}).ok());
}

EvaluationRow EvaluationOf(int64_t id, std::string kind) {
  EvaluationRow row;
  row.id = id;
  row.kind = std::move(kind);
  row.iteration = 10 * (id + 1);
  row.spec = "12 scenes";
  row.created_at = At(id);
  return row;
}

TEST_F(RunStoreTest, KeepsEvaluations) {
  ASSERT_TRUE(store_->AddEvaluation(EvaluationOf(0, "multi")).ok());
  ASSERT_TRUE(store_->AddEvaluation(EvaluationOf(0, "multi")).ok());
  EXPECT_EQ(store_->AddEvaluation(EvaluationOf(0, "final")).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(store_->AddEvaluation(EvaluationOf(2, "multi")).code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(store_->SaveEvaluationScene(0, 1, "one", "actor-1").ok());
  ASSERT_TRUE(store_->SaveEvaluationScene(0, 0, "zero", "actor-0").ok());
  ASSERT_TRUE(store_->SaveEvaluationScene(0, 1, "one", "actor-2").ok());
  EXPECT_EQ(store_->SaveEvaluationScene(0, 1, "other", "actor-2").code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(store_->SaveEvaluationScene(5, 0, "x", "actor-1").code(), absl::StatusCode::kNotFound);
  Reopen();
  ASSERT_EQ(store_->PendingEvaluations()->size(), 1u);
  EXPECT_THAT(*store_->FinishedEvaluations(), IsEmpty());
  const auto scenes = store_->LoadEvaluationScenes(0);
  ASSERT_EQ(scenes->size(), 2u);
  EXPECT_EQ((*scenes)[0].record, "zero");
  EXPECT_EQ((*scenes)[0].worker, "actor-0");
  EXPECT_EQ((*scenes)[1].scene, 1);
  EXPECT_EQ((*scenes)[1].worker, "actor-1") << "the first of two equal ones";

  ASSERT_TRUE(store_->FinishEvaluation(0, "{\"a\":1}", "{\"event\":\"noop\"}", At(77)).ok());
  EXPECT_EQ(store_->FinishEvaluation(0, "{}", std::nullopt, At(78)).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store_->FinishEvaluation(1, "{}", std::nullopt, At(78)).code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->SaveEvaluationScene(0, 2, "late", "actor-1").code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(store_->SaveEvaluationScene(0, 1, "one", "actor-1").ok());
  Reopen();
  EXPECT_THAT(*store_->PendingEvaluations(), IsEmpty());
  const auto finished = store_->FinishedEvaluations();
  ASSERT_EQ(finished->size(), 1u);
  EXPECT_EQ((*finished)[0].summary, "{\"a\":1}");
  EXPECT_EQ((*finished)[0].gate_event, "{\"event\":\"noop\"}");
  EXPECT_EQ((*finished)[0].finished_at, At(77));
  EXPECT_EQ((*finished)[0].iteration, 10);
}

TEST_F(RunStoreTest, MultiEvaluationsFinishInOrder) {
  ASSERT_TRUE(store_->AddEvaluation(EvaluationOf(0, "multi")).ok());
  ASSERT_TRUE(store_->AddEvaluation(EvaluationOf(1, "final")).ok());
  ASSERT_TRUE(store_->AddEvaluation(EvaluationOf(2, "multi")).ok());
  EXPECT_TRUE(store_->FinishEvaluation(1, "{}", std::nullopt, At(1)).ok());
  const absl::Status status = store_->FinishEvaluation(2, "{}", std::nullopt, At(1));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("evaluation 2 cannot finish before 0"));
  EXPECT_TRUE(store_->FinishEvaluation(0, "{}", std::nullopt, At(1)).ok());
  EXPECT_TRUE(store_->FinishEvaluation(2, "{}", std::nullopt, At(1)).ok());
  EXPECT_FALSE(store_->LoadEvaluation(2)->gate_event.has_value());
}

TEST_F(RunStoreTest, TheJournalHasTheOrderOfCommits) {
  ASSERT_TRUE(store_->AddEvaluation(EvaluationOf(0, "multi")).ok());
  Commit(1);
  Commit(2);
  ASSERT_TRUE(store_->FinishEvaluation(0, "{}", std::nullopt, At(1)).ok());
  Commit(3);
  const auto journal = store_->Journal(0, 100);
  ASSERT_TRUE(journal.ok()) << journal.status();
  std::string order;
  for (const JournalEntry& entry : *journal) {
    order += entry.kind == JournalEntry::Kind::kIteration ? "i" : "e";
    order += std::to_string(entry.id) + " ";
  }
  EXPECT_EQ(order, "i1 i2 e0 i3 ");
  const auto page = store_->Journal((*journal)[1].sequence, 1);
  ASSERT_EQ(page->size(), 1u);
  EXPECT_EQ((*page)[0].kind, JournalEntry::Kind::kEvaluation);
}

TEST_F(RunStoreTest, ToolsReadAndCannotWrite) {
  Commit(1);
  auto reader = RunStore::OpenReadOnly(path());
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->LastCommitted()->iteration, 1);
  Commit(2);
  EXPECT_EQ(reader->LastCommitted()->iteration, 2);
  EXPECT_EQ(reader->SetStatus(RunState::kDone, "").code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(RunStoreTest, RefusesTablesOfAnotherVersion) {
  store_.reset();
  ASSERT_TRUE(
      Database::Open(path(), Database::Mode::kWrite)->Execute("PRAGMA user_version = 99").ok());
  const auto store = RunStore::Open(path());
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(store.status().message(),
              testing::AllOf(HasSubstr("version 99"), HasSubstr("reads versions 2 to 7")));
  EXPECT_FALSE(RunStore::OpenReadOnly(path()).ok());
}

// Odd ones have orders.
TEST_F(RunStoreTest, GoesOnWithTablesOfEveryOlderVersion) {
  Commit(1);
  ASSERT_TRUE(store_->AddEvaluation(EvaluationOf(0, "multi")).ok());
  ASSERT_TRUE(store_->SaveEvaluationScene(0, 0, "zero", "actor-0").ok());
  for (const int64_t version : {2, 3, 4, 5}) {
    SCOPED_TRACE(version);
    const bool workers = version >= 4;
    store_.reset();
    {
      auto database = Database::Open(path(), Database::Mode::kWrite);
      ASSERT_TRUE(database.ok()) << database.status();
      std::string sql =
          "UPDATE shard_results SET next_state = CAST('state 1/' || shard AS BLOB);"
          "DROP TABLE shard_states;";
      if (!workers) absl::StrAppend(&sql, "ALTER TABLE evaluation_episodes DROP COLUMN worker;");
      ASSERT_TRUE(database->Execute(absl::StrCat(sql, "PRAGMA user_version = ", version)).ok());
    }
    const std::string old_worker = workers ? "actor-0" : "";
    if (workers) {
      auto database = Database::Open(path(), Database::Mode::kWrite);
      ASSERT_TRUE(database->Execute("UPDATE evaluation_episodes SET worker = 'actor-0'").ok());
    }
    {
      const auto reader = RunStore::OpenReadOnly(path());
      ASSERT_TRUE(reader.ok()) << reader.status();
      EXPECT_TRUE(reader->CheckContent().ok());
      EXPECT_THAT(*reader->LoadShardStates(1), ElementsAre("state 1/0", "state 1/1"));
      EXPECT_TRUE(absl::IsNotFound(reader->LoadShardStates(2).status()));
      const auto scenes = reader->LoadEvaluationScenes(0);
      ASSERT_TRUE(scenes.ok()) << scenes.status();
      ASSERT_FALSE(scenes->empty());
      EXPECT_EQ(scenes->front().record, "zero");
      EXPECT_EQ(scenes->front().worker, old_worker);
    }
    Reopen();
    EXPECT_EQ(Query("SELECT count(next_state) FROM shard_results"), 0);
    EXPECT_THAT(*store_->LoadShardStates(1), ElementsAre("state 1/0", "state 1/1"));
    const int32_t scene = static_cast<int32_t>(version);
    ASSERT_TRUE(store_->SaveEvaluationScene(0, scene, "more", "actor-1").ok());
    Reopen();
    EXPECT_THAT(*store_->LoadShardStates(1), ElementsAre("state 1/0", "state 1/1"));
    EXPECT_EQ(store_->LoadEvaluationScenes(0)->front().worker, old_worker);
    EXPECT_EQ(store_->LoadEvaluationScenes(0)->back().worker, "actor-1");
    EXPECT_EQ(*Database::Open(path(), Database::Mode::kReadOnly)->QueryInt("PRAGMA user_version"),
              version % 2 == 0 ? 6 : 7);
  }
}

TEST_F(RunStoreTest, AnOlderVersionWithADamagedStateIsRefused) {
  Commit(1);
  store_.reset();
  {
    auto database = Database::Open(path(), Database::Mode::kWrite);
    ASSERT_TRUE(database->Execute("UPDATE shard_results SET next_state = x'00';"
                                  "DROP TABLE shard_states; PRAGMA user_version = 4").ok());
  }
  EXPECT_EQ(RunStore::Open(path()).status().code(), absl::StatusCode::kDataLoss);
}

// States of many shards take several rows.
TEST_F(RunStoreTest, KeepsLargeStatesInOrder) {
  ASSERT_TRUE(store_->SavePlan(PlanOf(1), "").ok());
  IterationCommit commit = CommitOf(1);
  commit.shards.clear();
  States states;
  for (int32_t shard = 0; shard < 40; ++shard) {
    commit.shards.push_back(ShardOf(1, shard));
    states.push_back(std::string(20000, static_cast<char>('0' + shard)));
  }
  commit.states = std::make_shared<const States>(states);
  ASSERT_TRUE(store_->CommitIteration(commit).ok());
  EXPECT_GT(Query("SELECT count(*) FROM shard_states"), 2);
  Reopen();
  EXPECT_EQ(*store_->LoadShardStates(1), states);
  store_.reset();
  ASSERT_TRUE(Database::Open(path(), Database::Mode::kWrite)
                  ->Execute("DELETE FROM shard_states WHERE first_shard = "
                            "(SELECT max(first_shard) FROM shard_states)").ok());
  EXPECT_EQ(RunStore::Open(path()).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RunStoreTest, RefusesADatabaseOfSomethingElse) {
  {
    auto other = Database::Open(folder_.Path("other.db"), Database::Mode::kCreate);
    ASSERT_TRUE(other->Execute("CREATE TABLE t (i INTEGER)").ok());
  }
  const auto store = RunStore::Open(folder_.Path("other.db"));
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(store.status().message(), HasSubstr("not of a run"));
}

TEST_F(RunStoreTest, RecognisesDamage) {
  for (int64_t i = 1; i <= 20; ++i) Commit(i);
  store_.reset();
  std::string bytes = folder_.Read("run.db");
  ASSERT_GT(bytes.size(), 5u * 4096);
  // A page in the middle overwritten, and a file cut short.
  std::string damaged = bytes;
  damaged.replace(2 * 4096, 2 * 4096, std::string(2 * 4096, '\xa5'));
  folder_.Write("damaged.db", damaged);
  folder_.Write("short.db", bytes.substr(0, bytes.size() / 2));
  for (const char* name : {"damaged.db", "short.db"}) {
    const auto store = RunStore::Open(folder_.Path(name));
    EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << name << store.status();
    EXPECT_THAT(store.status().message(),
                testing::AllOf(HasSubstr(name), HasSubstr("put a copy of it back")));
  }
}

TEST_F(RunStoreTest, NoticesOptionsThatWereChanged) {
  store_.reset();
  ASSERT_TRUE(Database::Open(path(), Database::Mode::kWrite)
                  ->Execute("UPDATE run SET options = 'seed: 4'")
                  .ok());
  EXPECT_EQ(RunStore::Open(path()).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(RunStore::OpenReadOnly(path())->Info().status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace shoal
