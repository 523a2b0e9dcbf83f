// run.db on disks that fail.
#include <functional>
#include <optional>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/disk/scenario.h"
#include "tests/faults/file_faults.h"
#include "tests/store/run_store_fixture.h"

namespace shoal {
namespace {

using testing::HasSubstr;

std::string Db(const std::string& root) { return root + "/run.db"; }

void Ok(const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; }

template <class T>
std::string Text(const absl::StatusOr<T>& value) {
  if (!value.ok()) return absl::StatusCodeToString(value.status().code());
  const std::string text = absl::StrCat(*value);
  return text.size() < 20 ? text : absl::StrCat(text.size(), " bytes");
}

// Everything that a run is resumed from, read as a coordinator that starts does.
std::string Look(const std::string& root) {
  auto store = RunStore::Open(Db(root));
  if (absl::IsNotFound(store.status())) return "no run";
  if (!store.ok()) return store.status().ToString();
  auto info = store->Info();
  if (!info.ok()) return info.status().ToString();
  std::string text = absl::StrCat(info->name, " ", RunStateName(info->status), " plans ",
                                  Text(store->LastPlan()));
  auto last = store->LastCommitted();
  if (!last.ok()) return last.status().ToString();
  absl::StrAppend(&text, " committed ", last->iteration, " ", last->policy_sha256.substr(0, 4));
  for (int64_t iteration = 1; iteration <= last->iteration; ++iteration) {
    absl::StrAppend(&text, " (", Text(store->LoadPlannerState(iteration)));
    auto states = store->LoadShardStates(iteration);
    auto records = store->LoadShardRecords(iteration);
    absl::StrAppend(&text, " ", states.ok() ? static_cast<int>(states->size()) : -1, " ",
                    records.ok() ? static_cast<int>(records->size()) : -1, ")");
  }
  auto tail = store->LoadTailUsed();
  absl::StrAppend(&text, " tail");
  if (tail.ok()) {
    for (const int64_t used : *tail) absl::StrAppend(&text, " ", used);
  }
  for (const auto& rows : {store->PendingEvaluations(), store->FinishedEvaluations()}) {
    if (!rows.ok()) return rows.status().ToString();
    for (const EvaluationRow& row : *rows) {
      absl::StrAppend(&text, " [", row.id, " ", row.summary, " ", row.gate_event.value_or("-"));
      auto scenes = store->LoadEvaluationScenes(row.id);
      if (!scenes.ok()) return scenes.status().ToString();
      for (const auto& scene : *scenes) absl::StrAppend(&text, " ", scene.scene, scene.record);
      absl::StrAppend(&text, "]");
    }
  }
  auto journal = store->Journal(0, 100);
  absl::StrAppend(&text, " journal ", journal.ok() ? static_cast<int>(journal->size()) : -1);
  return absl::StrCat(text, " rewound ", Text(store->RewoundPolicy(2)));
}

EvaluationRow Evaluation(int64_t id, int64_t iteration) {
  EvaluationRow row;
  row.id = id;
  row.kind = "multi";
  row.iteration = iteration;
  row.created_at = At(0);
  return row;
}

// Two iterations, an evaluation of the first with one of its scenes, one of the second without.
void Prepare(const std::string& root) {
  auto store = RunStore::Create(Db(root), InfoOf("run"));
  ASSERT_TRUE(store.ok()) << store.status();
  Ok(store->SetInitialPolicy(kPolicy0));
  for (int64_t iteration = 1; iteration <= 2; ++iteration) {
    Ok(store->SavePlan(PlanOf(iteration), "tail"));
    Ok(store->CommitIteration(CommitOf(iteration)));
  }
  Ok(store->AddEvaluation(Evaluation(0, 1)));
  Ok(store->SaveEvaluationScene(0, 0, "first", "actor-1"));
  Ok(store->AddEvaluation(Evaluation(1, 2)));
  Ok(store->SavePlan(PlanOf(3), "tail"));
}

using Work = std::function<absl::Status(RunStore& store)>;

absl::Status CommitThird(RunStore& store) {
  auto last = store.LastCommitted();
  if (!last.ok()) return last.status();
  if (last->iteration == 3) return absl::OkStatus();
  IterationCommit commit = CommitOf(3);
  // Many pages, and with them a log that is longer than one write.
  commit.planner_state = std::string(50000, 'p');
  commit.states_to_drop = {1};
  return store.CommitIteration(commit);
}

absl::Status SaveFourthPlan(RunStore& store) { return store.SavePlan(PlanOf(4), "tail"); }

absl::Status SaveScene(RunStore& store) {
  return store.SaveEvaluationScene(0, 1, "second", "actor-1");
}

absl::Status Finish(RunStore& store) {
  auto row = store.LoadEvaluation(0);
  if (!row.ok()) return row.status();
  if (row->finished_at.has_value()) return absl::OkStatus();
  return store.FinishEvaluation(0, "{\"deaths\": 1}", "{\"event\": \"noop\"}", At(9));
}

absl::Status Rewind(RunStore& store) {
  auto last = store.LastCommitted();
  if (!last.ok()) return last.status();
  if (last->iteration == 1) return absl::OkStatus();
  const int64_t used[] = {1, 2};
  return store.RewindTo(1, used, At(99));
}

absl::Status Stop(RunStore& store) { return store.SetStatus(RunState::kStopped, "stopped"); }

// Opens the database, works, and closes it, which writes its log back.
Scenario OpenAnd(const Work& work) {
  Scenario scenario;
  scenario.prepare = Prepare;
  scenario.work = [work](const std::string& root, const Scenario::Acknowledge& acknowledge) {
    auto store = RunStore::Open(Db(root));
    if (!store.ok()) return store.status();
    absl::Status status = work(*store);
    if (status.ok()) acknowledge();
    return status;
  };
  scenario.look = Look;
  return scenario;
}

Scenario Creating() {
  Scenario scenario;
  scenario.prepare = [](const std::string&) {};
  scenario.work = [](const std::string& root, const Scenario::Acknowledge& acknowledge) {
    auto store = RunStore::Create(Db(root), InfoOf("run"));
    if (store.ok()) acknowledge();
    return store.status();
  };
  scenario.again = [](const std::string& root) {
    auto store = RunStore::Open(Db(root));
    if (absl::IsNotFound(store.status())) store = RunStore::Create(Db(root), InfoOf("run"));
    return store.status();
  };
  scenario.look = Look;
  return scenario;
}

TEST(RunStoreOnABadDisk, CreateErrors) { TestErrors(Creating()); }
TEST(RunStoreOnABadDisk, CreatedLastsAfterErrors) { TestPowerAfterErrors(Creating()); }
TEST(RunStoreOnABadDisk, CreateDeaths) { TestDeaths(Creating()); }

struct NamedWork {
  const char* name;
  Work work;
};

void PrintTo(const NamedWork& work, std::ostream* out) { *out << work.name; }

class RunStoreWorkOnABadDisk : public testing::TestWithParam<NamedWork> {};

TEST_P(RunStoreWorkOnABadDisk, Errors) { TestErrors(OpenAnd(GetParam().work)); }
TEST_P(RunStoreWorkOnABadDisk, Deaths) { TestDeaths(OpenAnd(GetParam().work)); }
TEST_P(RunStoreWorkOnABadDisk, LastsAfterErrors) { TestPowerAfterErrors(OpenAnd(GetParam().work)); }

// A store that stays open: an operation fails, and the next attempt succeeds on the same connection,
// or on a new one where that says clearly that it cannot.
TEST_P(RunStoreWorkOnABadDisk, GoesOnAfterAnError) {
  TemporaryFolder done;
  Prepare(done.path());
  const std::string before = Look(done.path());
  {
    auto store = RunStore::Open(Db(done.path()));
    Ok(GetParam().work(*store));
  }
  const std::string after = Look(done.path());
  ASSERT_NE(before, after);
  int same_connection = 0, faults = 0;
  for (const char* error : {"enospc", "eio", "erofs", "short"}) {
    for (const char* lasting : {"", "+"}) {
      bool fired = true;
      for (int operation = 1; fired; ++operation) {
        TemporaryFolder folder;
        Prepare(folder.path());
        const std::string rule = absl::StrCat(error, error[0] == 's' ? ":write:" : ":any:",
                                              folder.path(), ":", operation, lasting);
        SCOPED_TRACE(rule);
        std::optional<RunStore> store;
        {
          auto opened = RunStore::Open(Db(folder.path()));
          ASSERT_TRUE(opened.ok()) << opened.status();
          store.emplace(*std::move(opened));
        }
        file_faults::SetRules(rule);
        const absl::Status first = GetParam().work(*store);
        fired = file_faults::Fired() > 0;
        file_faults::SetRules("");
        faults += fired;
        if (!first.ok()) {
          EXPECT_THAT(std::string(first.message()), HasSubstr(Db(folder.path())));
        }
        const absl::Status second = GetParam().work(*store);
        same_connection += fired && second.ok();
        if (!second.ok()) {
          EXPECT_THAT(std::string(second.message()), HasSubstr(Db(folder.path())));
          store.reset();
          const std::string state = Look(folder.path());
          EXPECT_TRUE(state == before || state == after) << state;
          auto opened = RunStore::Open(Db(folder.path()));
          ASSERT_TRUE(opened.ok()) << opened.status();
          Ok(GetParam().work(*opened));
        }
        store.reset();
        EXPECT_EQ(Look(folder.path()), after);
        if (HasFailure()) return;
      }
    }
  }
  EXPECT_GT(faults, 0);
  EXPECT_EQ(same_connection, faults) << "faults after which the connection could not be used";
}

INSTANTIATE_TEST_SUITE_P(
    Work, RunStoreWorkOnABadDisk,
    testing::Values(NamedWork{"CommitIteration", CommitThird}, NamedWork{"SavePlan", SaveFourthPlan},
                    NamedWork{"SaveEvaluationScene", SaveScene}, NamedWork{"FinishEvaluation", Finish},
                    NamedWork{"RewindTo", Rewind}, NamedWork{"SetStatus", Stop}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace shoal
