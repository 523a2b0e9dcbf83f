#include "coordinator/artifacts/run_views.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "coordinator/artifacts/tensorboard.h"
#include "coordinator/artifacts/view_files.h"
#include "coordinator/artifacts/view_lines.h"
#include "coordinator/evaluation/measurements.h"
#include "coordinator/evaluation/summary.h"
#include "coordinator/store/evaluation_episodes.h"

namespace shoal {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kScheduleTrace[] = "schedule_trace.json";
constexpr char kMetrics[] = "metrics.csv";
constexpr char kPenaltyStages[] = "penalty_stage_debug.jsonl";
constexpr char kHistory[] = "eval_multi_history.jsonl";
constexpr char kPreRoll[] = "pre_roll_stats.jsonl";
constexpr char kClusters[] = "step_one_clusters.jsonl";
constexpr char kWorstSeeds[] = "step_one_worst_seeds.json";
constexpr char kEventsFolder[] = "tb";
constexpr char kEvents[] = "tb/events.out.tfevents.shoal";
constexpr const char* kFiles[] = {kScheduleTrace, kMetrics,  kPenaltyStages, kHistory,
                                  kPreRoll,       kClusters, kWorstSeeds,    kEvents};

// Commits that are read from run.db at a time.
constexpr int64_t kJournalPage = 256;

absl::StatusOr<Json> ParseObject(const std::string& text, const RunStore& store,
                                 const std::string& what) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return absl::DataLossError(absl::StrCat(store.path(), ": ", what, " is no JSON object"));
  }
  return json;
}

std::string TraceText(const std::string& generated_at, const std::string& trace) {
  return absl::StrCat("{\"generated_at\": \"", generated_at, "\", \"trace\": [\n", trace,
                      trace.empty() ? "" : "\n", "]}\n");
}

}  // namespace

absl::StatusOr<RunViews> RunViews::Open(const RunStore& store, std::string run_dir) {
  RunViews views(std::move(run_dir));
  if (absl::Status status = views.Update(store); !status.ok()) return status;
  return views;
}

absl::Status RunViews::Update(const RunStore& store) {
  absl::Status status = stale_ ? Rebuild(store) : Append(store);
  stale_ = !status.ok();
  return status;
}

absl::Status RunViews::Rebuild(const RunStore& store) {
  absl::StatusOr<RunInfo> info = store.Info();
  if (!info.ok()) return info.status();
  state_ = State();
  if (!google::protobuf::TextFormat::ParseFromString(info->options, &state_.options)) {
    return absl::DataLossError(absl::StrCat(store.path(), ": the run's options cannot be read"));
  }
  state_.generated_at = FormatTimestamp(info->created_at);
  state_.csv = CsvHeader();
  const std::string events = EventFileHeader(info->created_at);
  if (absl::Status status = CreateDirectories(Path(kEventsFolder)); !status.ok()) return status;
  if (absl::Status status = Advance(store, state_); !status.ok()) return status;

  std::map<std::string, std::string> contents;
  for (const char* name : kFiles) contents[name];  // also those without a line yet
  for (const auto& [name, line] : state_.lines) absl::StrAppend(&contents[name], line, "\n");
  contents[kScheduleTrace] = TraceText(state_.generated_at, state_.trace);
  contents[kMetrics] = state_.csv;
  contents[kWorstSeeds] = state_.worst_seeds.Text();
  contents[kEvents] = absl::StrCat(events, state_.events);
  for (const auto& [name, content] : contents) {
    if (absl::Status status = WriteIfDifferent(name, content); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status RunViews::Append(const RunStore& store) {
  if (absl::Status status = Advance(store, state_); !status.ok()) return status;
  for (const auto& [name, line] : state_.lines) {
    if (absl::Status status = AppendLine(Path(name), line); !status.ok()) return status;
  }
  if (!state_.events.empty()) {
    if (absl::Status status = AppendBytes(Path(kEvents), state_.events); !status.ok()) return status;
  }
  absl::Status status;
  if (state_.iterations_changed) {
    status = ReplaceFile(Path(kScheduleTrace), TraceText(state_.generated_at, state_.trace));
    if (status.ok()) status = ReplaceFile(Path(kMetrics), state_.csv);
  }
  if (status.ok() && state_.deaths_changed) {
    status = ReplaceFile(Path(kWorstSeeds), state_.worst_seeds.Text());
  }
  return status;
}

absl::Status RunViews::Sync() const {
  for (const char* name : kFiles) {
    if (absl::Status status = SyncFile(Path(name)); !status.ok()) return status;
  }
  if (absl::Status status = SyncDirectory(Path(kEventsFolder)); !status.ok()) return status;
  return SyncDirectory(run_dir_);
}

absl::Status RunViews::Advance(const RunStore& store, State& state) {
  state.lines.clear();
  state.events.clear();
  state.iterations_changed = false;
  state.deaths_changed = false;
  while (true) {
    absl::StatusOr<std::vector<JournalEntry>> entries =
        store.Journal(state.last_sequence, kJournalPage);
    if (!entries.ok()) return entries.status();
    for (const JournalEntry& entry : *entries) {
      absl::Status status = entry.kind == JournalEntry::Kind::kIteration
                                ? AddIteration(store, entry.id, state)
                                : AddEvaluation(store, entry.id, state);
      if (!status.ok()) return status;
      state.last_sequence = entry.sequence;
    }
    if (entries->size() < static_cast<size_t>(kJournalPage)) break;
  }
  absl::StatusOr<std::vector<EvaluationRow>> pending = store.PendingEvaluations();
  if (!pending.ok()) return pending.status();
  int64_t up_to = std::numeric_limits<int64_t>::max();
  for (const EvaluationRow& evaluation : *pending) up_to = std::min(up_to, evaluation.iteration);
  AddDeaths(up_to, state);
  return absl::OkStatus();
}

void RunViews::AddDeaths(int64_t up_to, State& state) {
  while (!state.deaths_ahead.empty() && state.deaths_ahead.front().first <= up_to) {
    const auto& [iteration, deaths] = state.deaths_ahead.front();
    state.deaths_changed = true;
    state.worst_seeds.AddTraining(iteration, deaths);
    state.lines.emplace_back(kClusters, TrainingClusterLine(iteration, deaths).dump());
    state.deaths_ahead.pop_front();
  }
}

absl::Status RunViews::AddIteration(const RunStore& store, int64_t iteration, State& state) {
  absl::StatusOr<CommittedIteration> committed = store.LoadIteration(iteration);
  if (!committed.ok()) return committed.status();
  absl::StatusOr<Json> measurements = ParseObject(
      committed->measurements, store, absl::StrCat("the measurements of iteration ", iteration));
  if (!measurements.ok()) return measurements.status();
  std::vector<TrainingDeath> deaths;
  absl::Status visited = store.VisitShardRecords(
      iteration, [&](const v1::RolloutRecord& record) { AddTrainingDeaths(record, &deaths); });
  if (!visited.ok()) return visited;

  state.iterations_changed = true;
  state.generated_at = FormatTimestamp(committed->committed_at);
  absl::StrAppend(&state.trace, state.trace.empty() ? "" : ",\n", measurements->dump());
  absl::StrAppend(&state.csv, CsvRow(*measurements));
  absl::StrAppend(&state.events, ScalarRecord(committed->committed_at, iteration,
                                              IterationScalars(*measurements)));

  // The answer to iteration i's evaluation enters the plan of iteration i + 1 + gate_delay, which
  // waited for it, so every event that this iteration's plan knew of is here.
  while (!state.gate_ahead.empty() &&
         state.gate_ahead.front().value("iteration", int64_t{0}) + 1 + state.options.gate_delay() <=
             iteration) {
    state.gate = std::move(state.gate_ahead.front());
    state.gate_ahead.pop_front();
  }
  state.lines.emplace_back(kPenaltyStages,
                           PenaltyStageLine(*measurements, state.gate, state.options).dump());

  if (!deaths.empty()) state.deaths_ahead.emplace_back(iteration, std::move(deaths));
  return absl::OkStatus();
}

absl::Status RunViews::AddEvaluation(const RunStore& store, int64_t evaluation, State& state) {
  absl::StatusOr<EvaluationRow> row = store.LoadEvaluation(evaluation);
  if (!row.ok()) return row.status();
  const std::string what = absl::StrCat("evaluation ", evaluation);
  absl::StatusOr<Json> summary =
      ParseObject(row->summary, store, absl::StrCat("the summary of ", what));
  if (!summary.ok()) return summary.status();
  absl::StatusOr<std::vector<EvaluationScene>> saved = store.LoadEvaluationScenes(evaluation);
  if (!saved.ok()) return saved.status();
  std::vector<EvaluatedScene> scenes;
  for (const EvaluationScene& scene : *saved) {
    EvaluatedScene& entry = scenes.emplace_back();
    entry.evaluation = evaluation;
    entry.iteration = row->iteration;
    entry.scene = scene.scene;
    auto episode = ParseScene(store, evaluation, scene);
    if (!episode.ok()) return episode.status();
    entry.episode = *std::move(episode);
  }

  Json gate;
  if (row->gate_event.has_value()) {
    absl::StatusOr<Json> event =
        ParseObject(*row->gate_event, store, absl::StrCat("the gate's answer to ", what));
    if (!event.ok()) return event.status();
    gate = *std::move(event);
    gate["iteration"] = row->iteration;
    state.gate_ahead.push_back(gate);
  }
  if (row->kind == RunStore::kMultiEvaluation) {
    absl::StatusOr<SavedPlan> plan = store.LoadPlan(row->iteration);
    if (!plan.ok()) return plan.status();
    const EvaluationContext context = {row->iteration, *row->finished_at,
                                       plan->plan.density_penalty_coef(),
                                       plan->plan.escape_boost_speed()};
    const Json line = EvaluationHistoryLine(context, *summary, gate);
    state.lines.emplace_back(kHistory, line.dump());
    absl::StrAppend(&state.events,
                    ScalarRecord(*row->finished_at, row->iteration, EvaluationScalars(line)));
  }
  // Those after the last iteration may be of any earlier one, the best.
  AddDeaths(RunStore::DuringTraining(row->kind) ? row->iteration
                                                : std::numeric_limits<int64_t>::max(),
            state);
  state.lines.emplace_back(kPreRoll, PreRollLine(*row, *summary).dump());
  state.lines.emplace_back(kClusters, EvaluationClusterLine(*row, scenes).dump());
  for (const EvaluatedScene& scene : scenes) {
    if (!scene.episode.step_one_deaths().empty()) state.deaths_changed = true;
    state.worst_seeds.AddScene(scene);
  }
  return absl::OkStatus();
}

std::string RunViews::Path(const std::string& name) const {
  return absl::StrCat(run_dir_, "/", name);
}

absl::Status RunViews::WriteIfDifferent(const std::string& name, const std::string& content) const {
  // A file that cannot be read, or is too long, is replaced like one that differs.
  const absl::StatusOr<std::string> existing = ReadFile(Path(name), content.size());
  if (existing.ok() && *existing == content) return absl::OkStatus();
  return ReplaceFile(Path(name), content);
}

absl::Status RebuildViews(const RunStore& store, const std::string& run_dir) {
  absl::StatusOr<RunViews> views = RunViews::Open(store, run_dir);
  return views.ok() ? views->Sync() : views.status();
}

}  // namespace shoal
