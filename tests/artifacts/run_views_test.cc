#include "coordinator/artifacts/run_views.h"

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <optional>

#include "absl/strings/str_split.h"
#include "common/hash.h"
#include "coordinator/artifacts/tensorboard.h"
#include "coordinator/evaluation/summary.h"
#include "coordinator/tail/mix_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/artifacts/event_reader.h"
#include "tests/store/temporary_folder.h"

namespace shoal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;

constexpr const char* kFiles[] = {"schedule_trace.json",       "metrics.csv",
                                  "penalty_stage_debug.jsonl", "eval_multi_history.jsonl",
                                  "pre_roll_stats.jsonl",      "step_one_clusters.jsonl",
                                  "step_one_worst_seeds.json", "tb/events.out.tfevents.shoal"};

absl::Time At(int64_t seconds) { return absl::FromUnixSeconds(1767225600 + seconds); }

// A run with deaths in every second iteration and an evaluation of iteration 2.
class RunViewsTest : public testing::Test {
 protected:
  void SetUp() override {
    RunInfo info;
    info.id = "id";
    info.name = "run";
    info.options = "gate_delay: 1 density_penalty_lock_until: 2 density_penalty_lock_value: 0.04\n";
    info.created_at = At(0);
    auto store = RunStore::Create(run_.Path("run.db"), info);
    ASSERT_TRUE(store.ok()) << store.status();
    store_.emplace(*std::move(store));
  }

  void Commit(int64_t iteration) {
    v1::IterationPlan plan;
    plan.set_iteration(iteration);
    plan.set_phase(static_cast<int32_t>(iteration));
    plan.set_num_fish(2);
    plan.set_density_penalty_coef(0.02);
    plan.set_escape_boost_speed(0.76);
    plan.set_gate_phase_limit(2);
    ASSERT_TRUE(store_->SavePlan(plan, "").ok());
    v1::RolloutRecord record;
    record.set_iteration(iteration);
    v1::EpisodeRecord* episode = record.add_episodes();
    episode->set_num_fish(2);
    episode->set_length(4);
    episode->set_final_alive(1);
    episode->set_first_death_step(iteration % 2 == 0 ? 1 : 3);
    if (iteration % 2 == 0) {
      v1::StepOneDeath* death = episode->add_step_one_deaths();
      death->mutable_predator_velocity()->set_x(0.1f * static_cast<float>(iteration));
    }
    const auto measured = FoldIteration(plan, {&record, 1}, false);
    ASSERT_TRUE(measured.ok()) << measured.status();
    IterationCommit commit;
    commit.iteration = iteration;
    commit.policy_sha256 = Sha256Hex("policy");
    commit.measurements = ToJson(*measured).dump();
    const std::string bytes = record.SerializeAsString();
    commit.shards = {{0, bytes, Xxh3_128Hex(bytes), "actor"}};
    commit.states = std::make_shared<const std::vector<std::string>>(1);
    commit.committed_at = At(10 * iteration);
    const absl::Status status = store_->CommitIteration(commit);
    ASSERT_TRUE(status.ok()) << status;
  }

  void Evaluate(int64_t id, int64_t iteration, const std::string& kind) {
    EvaluationRow row;
    row.id = id;
    row.kind = kind;
    row.iteration = iteration;
    ASSERT_TRUE(store_->AddEvaluation(row).ok());
    std::vector<v1::EvaluationEpisode> episodes(2);
    for (size_t scene = 0; scene < episodes.size(); ++scene) {
      episodes[scene].set_seed(100 + scene);
      episodes[scene].set_num_fish(2);
      episodes[scene].set_length(500);
      episodes[scene].add_death_step(scene == 1 ? 1 : 0);
      episodes[scene].add_death_step(0);
    }
    v1::StepOneDeath* death = episodes[1].add_step_one_deaths();
    death->mutable_predator_velocity()->set_y(1.9f);
    for (int32_t scene = 0; scene < 2; ++scene) {
      const std::string record = episodes[scene].SerializeAsString();
      ASSERT_TRUE(store_->SaveEvaluationScene(id, scene, record, "actor-1").ok());
    }
    const auto summary = SummarizeEvaluation(episodes);
    ASSERT_TRUE(summary.ok()) << summary.status();
    std::optional<absl::string_view> gate;
    if (kind == RunStore::kMultiEvaluation) {
      gate = R"({"event":"noop","stage":0,"phase_limit":2,"freeze_until":0})";
    }
    ASSERT_TRUE(
        store_->FinishEvaluation(id, ToJson(*summary).dump(), gate, At(10 * iteration + 5)).ok());
  }

  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const char* name : kFiles) {
      EXPECT_TRUE(std::filesystem::exists(run_.Path(name))) << name;
      files[name] = run_.Read(name);
    }
    return files;
  }

  std::vector<Json> Lines(const std::string& name) const {
    std::vector<Json> lines;
    for (const auto& line : absl::StrSplit(run_.Read(name), '\n', absl::SkipEmpty())) {
      lines.push_back(Json::parse(line.begin(), line.end()));
    }
    return lines;
  }

  // A run of four iterations whose views were kept up all along.
  void RunFour(RunViews& views) {
    for (int64_t iteration = 1; iteration <= 4; ++iteration) {
      Commit(iteration);
      ASSERT_TRUE(views.Update(*store_).ok());
      if (iteration == 3) {
        Evaluate(0, 2, "multi");
        ASSERT_TRUE(views.Update(*store_).ok());
      }
    }
    Evaluate(1, 4, "final");
    ASSERT_TRUE(views.Update(*store_).ok());
  }

  TemporaryFolder run_;
  std::optional<RunStore> store_;
};

TEST_F(RunViewsTest, AllFilesAreThereFromTheBeginning) {
  ASSERT_TRUE(RunViews::Open(*store_, run_.path()).ok());
  const auto files = Files();
  EXPECT_EQ(Json::parse(files.at("schedule_trace.json"))["generated_at"],
            "2026-01-01T00:00:00.000Z");
  EXPECT_TRUE(Json::parse(files.at("schedule_trace.json"))["trace"].empty());
  EXPECT_EQ(files.at("eval_multi_history.jsonl"), "");
}

TEST_F(RunViewsTest, RebuiltViewsEqualAppendedOnesByteForByte) {
  auto views = RunViews::Open(*store_, run_.path());
  ASSERT_TRUE(views.ok()) << views.status();
  RunFour(*views);
  const auto appended = Files();
  for (const char* name : kFiles) std::filesystem::remove(run_.Path(name));
  ASSERT_TRUE(RebuildViews(*store_, run_.path()).ok());
  EXPECT_EQ(Files(), appended);
  EXPECT_EQ(appended.at("metrics.csv").find("nan"), std::string::npos);
}

TEST_F(RunViewsTest, DeathsAreInOrderOfIterationWheneverAnEvaluationEnds) {
  auto views = RunViews::Open(*store_, run_.path());
  ASSERT_TRUE(views.ok()) << views.status();
  const auto sources = [&] {
    std::vector<std::string> found;
    for (const Json& line : Lines("step_one_clusters.jsonl")) {
      found.push_back(absl::StrCat(line["source"].get<std::string>(), " ",
                                   line["iteration"].get<int64_t>()));
    }
    return found;
  };
  Commit(1);
  Commit(2);
  EvaluationRow row;
  row.kind = "multi";
  row.iteration = 2;
  ASSERT_TRUE(store_->AddEvaluation(row).ok());
  Commit(3);
  Commit(4);
  ASSERT_TRUE(views->Update(*store_).ok());
  EXPECT_THAT(sources(), ElementsAre("training 2"));
  EXPECT_EQ(Lines("penalty_stage_debug.jsonl").size(), 4u);
  Evaluate(0, 2, "multi");
  ASSERT_TRUE(views->Update(*store_).ok());
  EXPECT_THAT(sources(), ElementsAre("training 2", "evaluation 2", "training 4"));
  const auto appended = Files();
  ASSERT_TRUE(RebuildViews(*store_, run_.path()).ok());
  EXPECT_EQ(Files(), appended);
}

TEST_F(RunViewsTest, ManyCommitsAtOnceEqualOneByOne) {
  auto views = RunViews::Open(*store_, run_.path());
  ASSERT_TRUE(views.ok());
  for (int64_t iteration = 1; iteration <= 4; ++iteration) Commit(iteration);
  ASSERT_TRUE(views->Update(*store_).ok());
  ASSERT_TRUE(views->Update(*store_).ok());  // nothing new
  const auto together = Files();
  EXPECT_EQ(Lines("penalty_stage_debug.jsonl").size(), 4u);
  ASSERT_TRUE(RebuildViews(*store_, run_.path()).ok());
  EXPECT_EQ(Files(), together);
}

TEST_F(RunViewsTest, RepairsWhatACrashOrAPersonTookAway) {
  auto views = RunViews::Open(*store_, run_.path());
  ASSERT_TRUE(views.ok());
  RunFour(*views);
  const auto whole = Files();
  const std::string lines = whole.at("step_one_clusters.jsonl");
  run_.Write("step_one_clusters.jsonl", lines.substr(0, lines.size() - 20));
  const std::string stages = whole.at("penalty_stage_debug.jsonl");
  run_.Write("penalty_stage_debug.jsonl", stages.substr(stages.find('\n') + 1));
  run_.Write("metrics.csv", whole.at("metrics.csv") + "7,8,9\n");
  std::filesystem::remove(run_.Path("schedule_trace.json"));
  ASSERT_TRUE(RunViews::Open(*store_, run_.path()).ok());
  EXPECT_EQ(Files(), whole);
}

TEST_F(RunViewsTest, LeavesEqualFilesAlone) {
  auto views = RunViews::Open(*store_, run_.path());
  ASSERT_TRUE(views.ok());
  RunFour(*views);
  struct stat before, after;
  ASSERT_EQ(stat(run_.Path("metrics.csv").c_str(), &before), 0);
  ASSERT_TRUE(RebuildViews(*store_, run_.path()).ok());
  ASSERT_EQ(stat(run_.Path("metrics.csv").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_F(RunViewsTest, AfterAnErrorTheNextUpdateRebuilds) {
  auto views = RunViews::Open(*store_, run_.path());
  ASSERT_TRUE(views.ok());
  Commit(1);
  ASSERT_TRUE(views->Update(*store_).ok());
  // A folder where the file belongs cannot be appended to.
  const std::string path = run_.Path("penalty_stage_debug.jsonl");
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  Commit(2);
  const absl::Status status = views->Update(*store_);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.ToString(), HasSubstr(path));
  std::filesystem::remove(path);
  ASSERT_TRUE(views->Update(*store_).ok());
  const auto repaired = Files();
  EXPECT_EQ(Lines("penalty_stage_debug.jsonl").size(), 2u);
  ASSERT_TRUE(RebuildViews(*store_, run_.path()).ok());
  EXPECT_EQ(Files(), repaired);
}

TEST_F(RunViewsTest, TheTraceHasOneObjectAnIteration) {
  auto views = RunViews::Open(*store_, run_.path());
  ASSERT_TRUE(views.ok());
  RunFour(*views);
  const Json trace = Json::parse(run_.Read("schedule_trace.json"));
  EXPECT_EQ(trace["generated_at"], "2026-01-01T00:00:40.000Z");
  ASSERT_EQ(trace["trace"].size(), 4u);
  EXPECT_EQ(trace["trace"][1]["iteration"], 2);
  EXPECT_EQ(trace["trace"][1]["survival_rate"], 0.5);
  EXPECT_EQ(trace["trace"][1]["step_one_deaths"], 1);
  for (const std::string& name : MeasurementNames()) {
    EXPECT_TRUE(trace["trace"][0].contains(name)) << name;
  }
}

TEST_F(RunViewsTest, TheTableHasOneRowAnIteration) {
  auto views = RunViews::Open(*store_, run_.path());
  ASSERT_TRUE(views.ok());
  RunFour(*views);
  const std::vector<std::string> rows =
      absl::StrSplit(run_.Read("metrics.csv"), '\n', absl::SkipEmpty());
  ASSERT_EQ(rows.size(), 5u);
  const std::vector<std::string> header = absl::StrSplit(rows[0], ',');
  EXPECT_EQ(header, MeasurementNames());
  for (const std::string& row : rows) {
    const std::vector<std::string> cells = absl::StrSplit(row, ',');
    EXPECT_EQ(cells.size(), header.size());
  }
  EXPECT_THAT(rows[1], testing::StartsWith("1,1,2,"));
  EXPECT_THAT(rows[1], HasSubstr(",,"));  // nothing was learned: no losses
}

// The steps of a tag in the TensorBoard file.
std::vector<int64_t> StepsOf(const std::vector<EventScalar>& scalars, const std::string& tag) {
  std::vector<int64_t> steps;
  for (const EventScalar& scalar : scalars) {
    if (scalar.tag == tag) steps.push_back(scalar.step);
  }
  return steps;
}

TEST_F(RunViewsTest, TensorBoardStepsAscendAcrossResumeAndRewind) {
  const std::string name = "tb/events.out.tfevents.shoal";
  {
    auto views = RunViews::Open(*store_, run_.Path(""));
    ASSERT_TRUE(views.ok()) << views.status();
    for (int64_t i = 1; i <= 3; ++i) {
      Commit(i);
      ASSERT_TRUE(views->Update(*store_).ok());
    }
    Evaluate(0, 2, "multi");
    ASSERT_TRUE(views->Update(*store_).ok());
  }
  // A record that a crash left half, then a resume.
  const std::string before = run_.Read(name);
  run_.Write(name, before.substr(0, before.size() - 5));
  {
    auto views = RunViews::Open(*store_, run_.Path(""));
    ASSERT_TRUE(views.ok()) << views.status();
    EXPECT_EQ(run_.Read(name), before);
    Commit(4);
    ASSERT_TRUE(views->Update(*store_).ok());
  }
  auto scalars = ReadEvents(run_.Read(name));
  ASSERT_TRUE(scalars.ok()) << scalars.status();
  EXPECT_THAT(StepsOf(*scalars, "custom/density_penalty_coef"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(StepsOf(*scalars, "custom/survival_rate"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(StepsOf(*scalars, "multi_eval/avg_final_survival_rate"), ElementsAre(2));
  EXPECT_THAT(StepsOf(*scalars, "multi_eval/gate_phase_limit"), ElementsAre(2));
  EXPECT_THAT(StepsOf(*scalars, "multi_eval_death/p10"), ElementsAre(2));
  for (const EventScalar& scalar : *scalars) {
    if (scalar.tag != "custom/density_penalty_coef") continue;
    EXPECT_FLOAT_EQ(scalar.value, 0.02f);
    EXPECT_EQ(scalar.wall_time, absl::ToDoubleSeconds(At(10 * scalar.step) - absl::UnixEpoch()));
  }

  ASSERT_TRUE(store_->RewindTo(2, {}, At(100)).ok());
  auto views = RunViews::Open(*store_, run_.Path(""));
  ASSERT_TRUE(views.ok()) << views.status();
  Commit(3);
  ASSERT_TRUE(views->Update(*store_).ok());
  scalars = ReadEvents(run_.Read(name));
  ASSERT_TRUE(scalars.ok()) << scalars.status();
  EXPECT_THAT(StepsOf(*scalars, "custom/survival_rate"), ElementsAre(1, 2, 3));
}

TEST(EventReader, RefusesAnyChangedByte) {
  const std::string whole = EventFileHeader(At(0)) + ScalarRecord(At(1), 1, {{"custom/a", 0.5}});
  ASSERT_TRUE(ReadEvents(whole).ok());
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(ReadEvents(changed).ok()) << "byte " << i;
  }
}

TEST_F(RunViewsTest, PenaltyStagesSayWhatThePlanKnewOfTheGate) {
  auto views = RunViews::Open(*store_, run_.path());
  ASSERT_TRUE(views.ok());
  RunFour(*views);
  const std::vector<Json> lines = Lines("penalty_stage_debug.jsonl");
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0]["density_penalty_locked"], true);
  EXPECT_EQ(lines[0]["density_penalty_lock_value"], 0.04);
  EXPECT_EQ(lines[2]["density_penalty_locked"], false);
  EXPECT_EQ(lines[3]["phase"], 4);
  EXPECT_EQ(lines[3]["effective_phase"], 3);
  EXPECT_EQ(lines[3]["escape_boost_speed"], 0.76);
  // Iteration 2's answer enters the plan of iteration 2 + 1 + 1.
  EXPECT_TRUE(lines[2]["gate_event"].is_null());
  EXPECT_EQ(lines[3]["gate_event"], "noop");
  EXPECT_EQ(lines[3]["gate_iteration"], 2);
}

TEST_F(RunViewsTest, EvaluationsAreWritten) {
  auto views = RunViews::Open(*store_, run_.path());
  ASSERT_TRUE(views.ok());
  RunFour(*views);
  const std::vector<Json> history = Lines("eval_multi_history.jsonl");
  ASSERT_EQ(history.size(), 1u);  // the final one is none of the gate's
  EXPECT_EQ(history[0]["iteration"], 2);
  EXPECT_EQ(history[0]["timestamp"], "2026-01-01T00:00:25.000Z");
  EXPECT_EQ(history[0]["density_penalty_coef"], 0.02);
  EXPECT_EQ(history[0]["escape_boost_speed"], 0.76);
  EXPECT_EQ(history[0]["summary"]["avg_final_survival_rate"], 0.75);
  EXPECT_EQ(history[0]["penalty_gate"]["event"], "noop");
  const std::vector<Json> pre_roll = Lines("pre_roll_stats.jsonl");
  ASSERT_EQ(pre_roll.size(), 2u);
  EXPECT_EQ(pre_roll[1]["kind"], "final");
  EXPECT_EQ(pre_roll[1]["pre_roll_stats_summary"]["spawn_radius"]["count"], 2);
  const std::vector<Json> clusters = Lines("step_one_clusters.jsonl");
  ASSERT_EQ(clusters.size(), 4u);
  std::vector<std::string> sources;
  for (const Json& line : clusters) {
    sources.push_back(line["source"].get<std::string>() + line["iteration"].dump());
    EXPECT_EQ(line["total"], 1);
    EXPECT_EQ(line["clusters"].size(), 1u);
  }
  EXPECT_THAT(sources, ElementsAre("training2", "evaluation2", "training4", "evaluation4"));
  EXPECT_EQ(clusters[1]["clusters"][0]["sample"]["seed"], 101);
  EXPECT_EQ(clusters[0]["clusters"][0]["sample"]["predator_velocity"].dump(), "[0.2,0.0]");
}

TEST_F(RunViewsTest, RecordedDeathsCanBeReadBack) {
  auto views = RunViews::Open(*store_, run_.path());
  ASSERT_TRUE(views.ok());
  RunFour(*views);
  const auto mix = ReadMix(run_.Read("step_one_worst_seeds.json"), "worst");
  ASSERT_TRUE(mix.ok()) << mix.status();
  EXPECT_THAT(*mix, ElementsAre(Velocity{0.0, 1.9}, Velocity{0.2, 0.0}, Velocity{0.4, 0.0}));
  EXPECT_EQ(ReadDeaths(run_.Read("step_one_clusters.jsonl"), "clusters")->size(), 4u);
  EXPECT_EQ(ReadDeaths(run_.Read("eval_multi_history.jsonl"), "history")->size(), 1u);
}

TEST_F(RunViewsTest, RefusesMeasurementsThatCannotBeRead) {
  Commit(1);
  ASSERT_TRUE(Database::Open(run_.Path("run.db"), Database::Mode::kWrite)
                  ->Execute("UPDATE iterations SET measurements = 'x'")
                  .ok());
  const auto views = RunViews::Open(*store_, run_.path());
  EXPECT_EQ(views.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(views.status().ToString(), HasSubstr("measurements of iteration 1"));
}

}  // namespace
}  // namespace shoal
