// The text views of a run on disks that fail: not synced, and rebuilt.
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "coordinator/artifacts/run_views.h"
#include "coordinator/evaluation/measurements.h"
#include "coordinator/evaluation/summary.h"
#include "gmock/gmock.h"
#include "tests/disk/child.h"
#include "tests/faults/file_faults.h"
#include "tests/store/run_store_fixture.h"

namespace shoal {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

void Ok(const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; }

// run.db beside the folder of the views, so that faults in that folder are faults of views.
struct RunFolder {
  std::string Db() const { return folder.Path("run.db"); }
  std::string Views() const { return folder.Path("views"); }
  std::string Rule(const std::string& fault, const std::string& which) const {
    return absl::StrCat(fault, ":", Views(), ":", which);
  }
  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(Views())) {
      if (entry.is_directory()) continue;
      const std::string name = fs::relative(entry.path(), Views()).string();
      files[name] = folder.Read("views/" + name);
    }
    return files;
  }
  TemporaryFolder folder;
};

absl::Status Commit(RunStore& store, int64_t iteration) {
  v1::IterationPlan plan = PlanOf(iteration);
  absl::Status status = store.SavePlan(plan, "");
  v1::RolloutRecord record;
  record.set_iteration(iteration);
  v1::EpisodeRecord* episode = record.add_episodes();
  episode->set_num_fish(15);
  episode->set_length(40);
  episode->set_first_death_step(1);
  episode->add_step_one_deaths()->mutable_predator_velocity()->set_x(0.5f);
  const auto measured = FoldIteration(plan, {&record, 1}, false);
  if (!measured.ok()) return measured.status();
  IterationCommit commit = CommitOf(iteration);
  commit.measurements = ToJson(*measured).dump();
  const std::string bytes = record.SerializeAsString();
  commit.shards = {{0, bytes, Xxh3_128Hex(bytes), "actor"}};
  commit.states = std::make_shared<const States>(States{"state"});
  return status.ok() ? store.CommitIteration(commit) : status;
}

// Two iterations that the views have, and one that they have not.
void Begin(const RunFolder& run, std::optional<RunStore>& store, std::optional<RunViews>& views) {
  fs::create_directory(run.Views());
  auto made = RunStore::Create(run.Db(), InfoOf("run"));
  ASSERT_TRUE(made.ok()) << made.status();
  store.emplace(*std::move(made));
  for (int64_t iteration = 1; iteration <= 2; ++iteration) Ok(Commit(*store, iteration));
  auto opened = RunViews::Open(*store, run.Views());
  ASSERT_TRUE(opened.ok()) << opened.status();
  views.emplace(*std::move(opened));
  Ok(Commit(*store, 3));
}

// The files as they are where nothing fails, before and after the update.
struct Expected {
  std::map<std::string, std::string> before, after;
};
Expected Undisturbed() {
  RunFolder run;
  std::optional<RunStore> store;
  std::optional<RunViews> views;
  Begin(run, store, views);
  Expected expected;
  expected.before = run.Files();
  Ok(views->Update(*store));
  expected.after = run.Files();
  EXPECT_NE(expected.before, expected.after);
  return expected;
}

TEST(RunViewsOnABadDisk, UpdateFailsAndTheNextOneMendsEverything) {
  const Expected expected = Undisturbed();
  int faults = 0;
  for (const char* fault : {"enospc:any", "edquot:any", "eio:any", "erofs:any", "short:write"}) {
    for (const char* lasting : {"", "+"}) {
      bool fired = true;
      for (int operation = 1; fired; ++operation) {
        RunFolder run;
        std::optional<RunStore> store;
        std::optional<RunViews> views;
        Begin(run, store, views);
        const std::string rule = run.Rule(fault, absl::StrCat(operation, lasting));
        SCOPED_TRACE(rule);
        file_faults::SetRules(rule);
        const absl::Status status = views->Update(*store);
        fired = file_faults::Fired() > 0;
        file_faults::SetRules("");
        faults += fired;
        if (fault[0] == 's' || !fired) {
          EXPECT_TRUE(status.ok()) << "a short write is gone on with: " << status;
        } else {
          EXPECT_FALSE(status.ok()) << "an error was passed over";
          EXPECT_THAT(std::string(status.message()), HasSubstr(run.Views()));
        }
        Ok(views->Update(*store));
        EXPECT_EQ(run.Files(), expected.after);
        ASSERT_FALSE(testing::Test::HasFailure());
      }
    }
  }
  EXPECT_GT(faults, 20);
}

TEST(RunViewsOnABadDisk, FullDiskIsNamedWithThePath) {
  RunFolder run;
  std::optional<RunStore> store;
  std::optional<RunViews> views;
  Begin(run, store, views);
  file_faults::SetRules("enospc:write:metrics.csv:1+");
  const absl::Status status = views->Update(*store);
  file_faults::SetRules("");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr(run.Views() + "/metrics.csv"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("No space left on device"));
}

TEST(RunViewsOnABadDisk, OpenMendsWhatDeathLeaves) {
  // Of four iterations, with no death in between.
  const auto complete = [] {
    RunFolder run;
    std::optional<RunStore> store;
    std::optional<RunViews> views;
    Begin(run, store, views);
    Ok(Commit(*store, 4));
    Ok(views->Update(*store));
    return run.Files();
  }();
  for (const char* action : {"kill", "kill_after", "torn", "power"}) {
    bool killed = true;
    for (int operation = 1; killed; ++operation) {
      RunFolder run;
      {
        std::optional<RunStore> store;
        std::optional<RunViews> views;
        Begin(run, store, views);
        Ok(views->Sync());
      }
      const std::string rule = run.Rule(absl::StrCat(action, ":any"), absl::StrCat(operation));
      SCOPED_TRACE(rule);
      const Ended ended = InChild(run.Views(), rule, action[0] == 'p', [&](Witness& witness) {
        auto store = RunStore::Open(run.Db());
        auto views = RunViews::Open(*store, run.Views());
        if (!views.ok()) witness.Say(views.status().ToString());
        // Append as well as rebuild.
        (void)Commit(*store, 4);
        if (views.ok() && !views->Update(*store).ok()) witness.Say("no update");
      });
      killed = ended.killed;
      EXPECT_EQ(ended.words, "");
      for (const auto& [name, content] : run.Files()) {
        if (name == "schedule_trace.json" || name == "metrics.csv" || name == "step_one_worst_seeds.json") {
          EXPECT_FALSE(content.empty() || content.back() != '\n') << "half of " << name << " is shown";
        }
      }
      auto store = RunStore::Open(run.Db());
      ASSERT_TRUE(store.ok()) << store.status();
      auto last = store->LastCommitted();
      ASSERT_TRUE(last.ok());
      if (last->iteration < 4) Ok(Commit(*store, 4));
      Ok(RebuildViews(*store, run.Views()));
      EXPECT_EQ(run.Files(), complete) << "after operation " << operation;
      ASSERT_FALSE(testing::Test::HasFailure());
    }
  }
}

// Any .jsonl file cut anywhere in its last line is whole again after Open.
TEST(RunViewsOnABadDisk, OpenMendsCutLines) {
  RunFolder run;
  std::optional<RunStore> store;
  std::optional<RunViews> views;
  Begin(run, store, views);
  Ok(views->Update(*store));
  const auto whole = run.Files();
  for (const auto& [name, content] : whole) {
    if (content.empty()) continue;
    for (size_t left = content.size() - 1;; left -= std::min<size_t>(left, 37)) {
      run.folder.Write("views/" + name, content.substr(0, left));
      ASSERT_TRUE(RunViews::Open(*store, run.Views()).ok());
      ASSERT_EQ(run.Files(), whole) << name << " cut to " << left;
      if (left == 0) break;
    }
  }
}

}  // namespace
}  // namespace shoal
