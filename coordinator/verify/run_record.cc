#include "coordinator/verify/run_record.h"

#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/files.h"
#include "common/hash.h"
#include "common/options.h"
#include "coordinator/evaluation/measurements.h"
#include "coordinator/store/run_store.h"
#include "learner/checkpoint/checkpoint.h"
#include "nlohmann/json.hpp"

namespace shoal {
namespace {

using Json = nlohmann::ordered_json;

// Longer values are compared, and shown, by their checksum.
constexpr size_t kLongest = 100;

std::string Short(const std::string& value) {
  return value.size() <= kLongest ? value : absl::StrCat("xxh3 ", Xxh3_128Hex(value));
}

bool IsTime(const std::string& name) {
  return name == "timestamp" || name == "generated_at" || IsTimeMeasurement(name);
}

// Takes times out, at any depth.
Json WithoutTimes(const Json& json) {
  if (json.is_array()) {
    Json result = Json::array();
    for (const Json& entry : json) result.push_back(WithoutTimes(entry));
    return result;
  }
  if (!json.is_object()) return json;
  Json result = Json::object();
  for (const auto& [name, value] : json.items()) {
    if (!IsTime(name)) result[name] = WithoutTimes(value);
  }
  return result;
}

absl::StatusOr<std::string> JsonText(const std::string& text, const std::string& what) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::DataLossError(absl::StrCat(what, " is no JSON"));
  return WithoutTimes(json).dump();
}

class Reader {
 public:
  Reader(const RunStore& store, std::string run_dir)
      : store_(store), run_dir_(std::move(run_dir)) {}

  absl::Status Run();
  absl::Status Iterations();
  absl::Status Evaluations();
  absl::Status Checkpoints();
  absl::Status OneCheckpoint(const std::string& name, const absl::StatusOr<Checkpoint>& checkpoint);
  absl::Status Files();
  RunRecord Take() { return std::move(record_); }

 private:
  absl::Status Iteration(int64_t iteration);
  absl::Status File(const std::string& name);
  void Add(const std::string& name, const std::string& value) { record_.emplace_back(name, Short(value)); }

  const RunStore& store_;
  const std::string run_dir_;
  RunRecord record_;
};

absl::Status Reader::Run() {
  auto info = store_.Info();
  if (!info.ok()) return info.status();
  auto options = ParseOptions(info->options, store_.path());
  if (!options.ok()) return options.status();
  options->clear_run_name();
  options->clear_written_by();
  Add("options", WriteOptions(*options, ""));
  Add("inference kernel", info->kernel_id);
  auto initial = store_.PolicySha256(0);
  Add("policy 0", initial.ok() ? *initial : "none");
  return absl::OkStatus();
}

absl::Status Reader::Iterations() {
  auto last = store_.LastCommitted();
  if (!last.ok()) return last.status();
  for (int64_t i = 1; i <= last->iteration; ++i) {
    if (absl::Status status = Iteration(i); !status.ok()) return status;
  }
  auto used = store_.LoadTailUsed();
  if (!used.ok()) return used.status();
  Add("tail pointers", absl::StrJoin(*used, ","));
  return absl::OkStatus();
}

absl::Status Reader::Iteration(int64_t i) {
  auto plan = store_.LoadPlan(i);
  if (!plan.ok()) return plan.status();
  Add(absl::StrCat("plan ", i), absl::StrCat(plan->plan.ShortDebugString(), " tail ", plan->tail_hash));
  auto records = store_.LoadShardRecords(i);
  if (!records.ok()) return records.status();
  for (size_t shard = 0; shard < records->size(); ++shard) {
    // Of the whole record, with the shard's next state.
    auto checksum = store_.ShardChecksum(i, static_cast<int32_t>(shard));
    if (!checksum.ok()) return checksum.status();
    Add(absl::StrCat("iteration ", i, ", shard ", shard), *checksum);
  }
  auto committed = store_.LoadIteration(i);
  if (!committed.ok()) return committed.status();
  auto measured = JsonText(committed->measurements, absl::StrCat("the measurements of iteration ", i));
  if (!measured.ok()) return measured.status();
  Add(absl::StrCat("measurements ", i), *measured);
  Add(absl::StrCat("policy ", i), committed->policy_sha256);
  auto planner = store_.LoadPlannerState(i);
  if (planner.ok()) Add(absl::StrCat("planner state ", i), Xxh3_128Hex(*planner));
  return absl::IsNotFound(planner.status()) ? absl::OkStatus() : planner.status();
}

absl::Status Reader::Evaluations() {
  auto evaluations = store_.FinishedEvaluations();
  if (!evaluations.ok()) return evaluations.status();
  for (const EvaluationRow& row : *evaluations) {
    const std::string name = absl::StrCat("evaluation ", row.id);
    Add(name, absl::StrCat(row.kind, " of ", row.iteration, ": ", row.spec));
    Add(absl::StrCat(name, ", summary"), row.summary);
    Add(absl::StrCat(name, ", gate"), row.gate_event.value_or("none"));
    auto scenes = store_.LoadEvaluationScenes(row.id);
    if (!scenes.ok()) return scenes.status();
    for (const EvaluationScene& scene : *scenes) {
      Add(absl::StrCat(name, ", scene ", scene.scene), Xxh3_128Hex(scene.record));
    }
  }
  return absl::OkStatus();
}

// The rows of a CSV without the columns of time.
std::string CsvWithoutTimes(const std::string& text) {
  std::vector<bool> keep;
  std::string result;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> cells = absl::StrSplit(line, ',');
    if (keep.empty()) {
      for (const std::string& cell : cells) keep.push_back(!IsTime(cell));
    }
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i >= keep.size() || keep[i]) absl::StrAppend(&result, cells[i], ",");
    }
    absl::StrAppend(&result, "\n");
  }
  return result;
}

absl::Status Reader::File(const std::string& name) {
  auto text = ReadFile(absl::StrCat(run_dir_, "/", name));
  if (absl::IsNotFound(text.status())) {
    Add(name, "none");
    return absl::OkStatus();
  }
  if (!text.ok()) return text.status();
  std::vector<std::string> lines;
  if (absl::EndsWith(name, ".json")) {
    auto json = JsonText(*text, name);
    if (!json.ok()) return json.status();
    lines = {*json};
  } else if (absl::EndsWith(name, ".csv")) {
    lines = absl::StrSplit(CsvWithoutTimes(*text), '\n', absl::SkipEmpty());
  } else {
    for (absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
      auto json = JsonText(std::string(line), absl::StrCat(name, ", line ", lines.size() + 1));
      if (!json.ok()) return json.status();
      lines.push_back(*json);
    }
  }
  Add(name, absl::StrCat(lines.size(), " lines"));
  for (size_t i = 0; i < lines.size(); ++i) Add(absl::StrCat(name, ", line ", i + 1), lines[i]);
  return absl::OkStatus();
}

// A checkpoint's manifest, which names policy and optimizer state by their SHA-256, where its files are
// what it says; else what is wrong with them.
absl::Status Reader::Checkpoints() {
  auto last = store_.LastCommitted();
  if (!last.ok()) return last.status();
  const std::string folder = absl::StrCat(run_dir_, "/checkpoints");
  absl::Status status = OneCheckpoint(absl::StrCat("iter_", last->iteration),
                                      ReadCheckpoint(folder, last->iteration, last->policy_sha256));
  return status.ok() ? OneCheckpoint("best", ReadBestCheckpoint(folder)) : status;
}

absl::Status Reader::OneCheckpoint(const std::string& name,
                                   const absl::StatusOr<Checkpoint>& checkpoint) {
  const std::string path = absl::StrCat("checkpoints/", name, "/", kManifestFile);
  if (absl::IsNotFound(checkpoint.status())) {
    Add(path, "none");
    return absl::OkStatus();
  }
  if (absl::IsDataLoss(checkpoint.status())) {
    Add(path, absl::StrCat("damaged: ", checkpoint.status().message()));
    return absl::OkStatus();
  }
  if (!checkpoint.ok()) return checkpoint.status();
  auto text = ReadFile(absl::StrCat(run_dir_, "/", path));
  if (!text.ok()) return text.status();
  Add(path, *text);
  return absl::OkStatus();
}

absl::Status Reader::Files() {
  for (const char* name :
       {"schedule_trace.json", "metrics.csv", "penalty_stage_debug.jsonl", "eval_multi_history.jsonl",
        "pre_roll_stats.jsonl", "step_one_clusters.jsonl", "step_one_worst_seeds.json"}) {
    if (absl::Status status = File(name); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RunRecord> ReadRunRecord(const std::string& run_dir) {
  auto store = RunStore::OpenReadOnly(absl::StrCat(run_dir, "/run.db"));
  if (!store.ok()) return store.status();
  if (absl::Status status = store->CheckContent(); !status.ok()) return status;
  Reader reader(*store, run_dir);
  absl::Status status = reader.Run();
  if (status.ok()) status = reader.Iterations();
  if (status.ok()) status = reader.Evaluations();
  if (status.ok()) status = reader.Checkpoints();
  if (status.ok()) status = reader.Files();
  if (!status.ok()) return status;
  return reader.Take();
}

std::vector<std::string> Differences(const RunRecord& first, const RunRecord& second, size_t limit) {
  std::vector<std::string> differences;
  size_t count = 0;
  const auto note = [&](const std::string& name, const std::string& a, const std::string& b) {
    if (++count <= limit) differences.push_back(absl::StrCat(name, ": ", a, " | ", b));
  };
  std::map<std::string, std::string> others(second.begin(), second.end());
  for (const auto& [name, value] : first) {
    const auto other = others.find(name);
    if (other == others.end()) {
      note(name, value, "not there");
      continue;
    }
    if (other->second != value) note(name, value, other->second);
    others.erase(other);
  }
  for (const auto& [name, value] : second) {
    if (others.count(name) > 0) note(name, "not there", value);
  }
  if (count > limit) differences.push_back(absl::StrCat("and ", count - limit, " more"));
  return differences;
}

}  // namespace shoal
