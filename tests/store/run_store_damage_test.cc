// Damage to run.db is noticed, and what was lost with a checkpoint is given up in one step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/store/run_store_fixture.h"

namespace shoal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RunStoreDamageTest : public RunStoreTest {
 protected:
  void Evaluate(int64_t id, const std::string& kind, int64_t iteration) {
    EvaluationRow row;
    row.id = id;
    row.kind = kind;
    row.iteration = iteration;
    row.spec = "spec";
    ASSERT_TRUE(store_->AddEvaluation(row).ok());
    for (int scene = 0; scene < 3; ++scene) {
      ASSERT_TRUE(
          store_->SaveEvaluationScene(id, scene, absl::StrCat("scene ", scene), "actor-1").ok());
    }
    std::optional<absl::string_view> gate;
    if (kind == RunStore::kMultiEvaluation) gate = "{\"event\": \"noop\"}";
    ASSERT_TRUE(store_->FinishEvaluation(id, "{}", gate, At(1)).ok());
  }
  void Fill() {
    ASSERT_TRUE(store_->SetInitialPolicy(kPolicy0).ok());
    ASSERT_TRUE(store_->SetKernelId("kernel").ok());
    for (int64_t i = 1; i <= 4; ++i) Commit(i);
    Evaluate(0, "multi", 2);
    Evaluate(1, "multi", 4);
    Evaluate(2, "best", 2);
  }
  // All that a run is resumed from, as text.
  static std::string Everything(const RunStore& store) {
    std::string all;
    const auto info = store.Info();
    if (!info.ok()) return "";
    absl::StrAppend(&all, info->id, info->name, info->options, info->kernel_id, "\n");
    const int64_t last = store.LastCommitted()->iteration;
    for (int64_t i = 1; i <= last; ++i) {
      const auto iteration = store.LoadIteration(i);
      const auto plan = store.LoadPlan(i);
      const auto planner = store.LoadPlannerState(i);
      const auto states = store.LoadShardStates(i);
      const auto records = store.LoadShardRecords(i);
      if (!iteration.ok() || !plan.ok() || !planner.ok() || !states.ok() || !records.ok()) return "";
      absl::StrAppend(&all, iteration->policy_sha256, iteration->measurements,
                      plan->plan.SerializeAsString(), plan->tail_hash, *planner);
      for (const std::string& state : *states) absl::StrAppend(&all, state, "\n");
      for (const auto& record : *records) absl::StrAppend(&all, record.SerializeAsString());
    }
    const auto evaluations = store.FinishedEvaluations();
    if (!evaluations.ok()) return "";
    for (const EvaluationRow& row : *evaluations) {
      absl::StrAppend(&all, row.id, row.kind, row.iteration, row.spec, row.summary,
                      row.gate_event.value_or("none"));
      const auto scenes = store.LoadEvaluationScenes(row.id);
      if (!scenes.ok()) return "";
      for (const EvaluationScene& scene : *scenes) absl::StrAppend(&all, scene.scene, scene.record);
    }
    return all;
  }
};

TEST_F(RunStoreDamageTest, EveryValueThatARunIsResumedFromIsChecked) {
  Fill();
  store_.reset();
  const std::string whole = folder_.Read("run.db");
  ASSERT_TRUE(RunStore::Open(path()).ok());
  for (const char* change :
       {"UPDATE run SET next_fencing = 77", "UPDATE run SET kernel_id = 'other'",
        "UPDATE run SET initial_policy_sha256 = ''", "UPDATE run SET next_sequence = 2",
        "UPDATE plans SET plan = x'0801' WHERE iteration = 3",
        "UPDATE plans SET tail_hash = 'x' WHERE iteration = 4",
        "UPDATE iterations SET policy_sha256 = 'x' WHERE iteration = 4",
        "UPDATE iterations SET measurements = '{}' WHERE iteration = 1",
        "UPDATE iterations SET planner_state = x'00' WHERE iteration = 4",
        "UPDATE shard_results SET record = x'00' WHERE iteration = 1 AND shard = 1",
        "UPDATE shard_results SET record_xxh3 = '' WHERE iteration = 1 AND shard = 1",
        "UPDATE shard_results SET state_xxh3 = '' WHERE iteration = 4 AND shard = 0",
        "UPDATE shard_states SET states = x'00' WHERE iteration = 4",
        "UPDATE shard_states SET states = x'0A0161' WHERE iteration = 4",
        "UPDATE shard_states SET states = x'0A01610A0162' WHERE iteration = 4",
        "UPDATE shard_states SET first_shard = 1 WHERE iteration = 4",
        "UPDATE evaluations SET summary = '{ }' WHERE id = 1",
        "UPDATE evaluations SET spec = '' WHERE id = 0",
        "UPDATE gate_events SET event = '{}' WHERE evaluation = 0",
        "DELETE FROM gate_events WHERE evaluation = 1",
        "UPDATE evaluation_episodes SET record = x'00' WHERE evaluation = 2 AND scene = 1"}) {
    folder_.Write("changed.db", whole);
    {
      auto database = Database::Open(folder_.Path("changed.db"), Database::Mode::kWrite);
      ASSERT_TRUE(database.ok()) << database.status();
      ASSERT_TRUE(database->Execute(change).ok()) << change;
      ASSERT_EQ(database->changes(), 1) << change;
    }
    const auto store = RunStore::Open(folder_.Path("changed.db"));
    EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << change << store.status();
    EXPECT_THAT(store.status().message(), HasSubstr("changed.db")) << change;
  }
}

TEST_F(RunStoreDamageTest, NoFlippedBitGivesAWrongStart) {
  Fill();
  store_.reset();
  const std::string whole = folder_.Read("run.db");
  std::string expected;
  {
    const auto store = RunStore::Open(path());
    ASSERT_TRUE(store.ok());
    expected = Everything(*store);
    ASSERT_FALSE(expected.empty());
  }
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 1600; ++i) {
    std::string damaged = whole;
    const size_t bit = random() % (8 * damaged.size());
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    folder_.Write("damaged.db", damaged);
    const auto store = RunStore::Open(folder_.Path("damaged.db"));
    if (!store.ok()) {
      ++refused;
      continue;
    }
    // A bit that nothing is read from: free space, statistics, times of leases.
    EXPECT_EQ(Everything(*store), expected) << "bit " << bit;
  }
  EXPECT_GT(refused, 30);
}

// quick_check does not read it, and another name of a column shows only once it is asked for.
TEST_F(RunStoreDamageTest, NoFlippedBitOfATablesTextIsLetPass) {
  Fill();
  store_.reset();
  const std::string whole = folder_.Read("run.db");
  for (const std::string word : {"committed_at INTEGER", "worker TEXT", "next_state BLOB", "states BLOB", "CHECK (one = 1)"}) {
    const size_t at = whole.find(word);
    ASSERT_NE(at, whole.npos) << word;
    for (size_t bit = 0; bit < 8 * word.size(); ++bit) {
      std::string damaged = whole;
      damaged[at + bit / 8] = static_cast<char>(damaged[at + bit / 8] ^ (1 << bit % 8));
      folder_.Write("damaged.db", damaged);
      const auto store = RunStore::Open(folder_.Path("damaged.db"));
      // One kind of white space may stand for another.
      if (store.ok() && word[bit / 8] == ' ') continue;
      EXPECT_FALSE(store.ok()) << word << ", bit " << bit;
    }
  }
}

TEST_F(RunStoreDamageTest, RewindsInOneStep) {
  Fill();
  const std::vector<int64_t> used = {2, 4};
  ASSERT_TRUE(store_->RewindTo(2, used, At(9)).ok());
  Reopen();
  EXPECT_EQ(store_->LastCommitted()->iteration, 2);
  EXPECT_THAT(*store_->LoadTailUsed(), ElementsAre(2, 4));
  ASSERT_EQ(store_->FinishedEvaluations()->size(), 1u);
  EXPECT_EQ(store_->FinishedEvaluations()->at(0).iteration, 2);
  EXPECT_TRUE(absl::IsNotFound(store_->LoadIteration(3).status()));
  EXPECT_EQ(*store_->RewoundPolicy(4), PolicyOf(4));
  EXPECT_THAT(*store_->RewoundPolicy(2), IsEmpty());
  // A plan stands, and the same can be committed again.
  EXPECT_TRUE(absl::IsAlreadyExists(store_->SavePlan(PlanOf(3), "another tail")));
  Commit(3);
  Commit(4);
  Evaluate(1, "multi", 4);
  EXPECT_TRUE(store_->CheckContent().ok());
  EXPECT_FALSE(store_->RewindTo(4, used, At(9)).ok()) << "nothing comes after it";
}

TEST_F(RunStoreDamageTest, RewindsToTheStart) {
  Fill();
  ASSERT_TRUE(store_->RewindTo(0, {}, At(9)).ok());
  Reopen();
  EXPECT_EQ(store_->LastCommitted()->iteration, 0);
  EXPECT_EQ(store_->LastCommitted()->policy_sha256, kPolicy0);
  EXPECT_THAT(*store_->LoadTailUsed(), IsEmpty());
  Commit(1);
}

TEST_F(RunStoreDamageTest, KnowsEachShardsChecksumAndWorker) {
  Commit(1);
  EXPECT_EQ(*store_->ShardChecksum(1, 1), Xxh3_128Hex(RecordOf(1, 1).SerializeAsString()));
  EXPECT_EQ(*store_->ShardWorker(1, 1), "actor-1");
  EXPECT_TRUE(absl::IsNotFound(store_->ShardChecksum(1, 2).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->ShardChecksum(2, 0).status()));
}

}  // namespace
}  // namespace shoal
