// Sweep files (`shoal sweep --file`), and what runs come of them. Input: the file's text.
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/sweep/plan.h"
#include "tests/fuzz/fuzzing.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

constexpr size_t kMostRuns = 1000;
// Larger ones are right, and slow.
constexpr size_t kMostExpanded = 100;

// As many words as the plan has options, written as a file; the same options are read from it.
void CheckWriting(const SweepPlan& plan) {
  std::string text;
  const auto write = [&](const std::string& entry, const SweepOptions& options) {
    absl::StrAppend(&text, entry);
    for (const SweepOption& option : options) absl::StrAppend(&text, " ", option.Argument());
    absl::StrAppend(&text, "\n");
  };
  write("base", plan.base);
  for (const SweepRow& row : plan.rows) write("row " + row.name, row.changes);
  absl::StrAppend(&text, "seeds ", absl::StrJoin(plan.seeds, ","), "\n");
  const auto again = ParseSweepFile(text, "again");
  RequireOk(again.status(), "a plan that was written can be read");
  Require(again->base == plan.base, "the base's options are the same");
  Require(again->seeds == plan.seeds, "the seeds are the same");
  Require(again->rows.size() == plan.rows.size(), "the rows are as many");
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    Require(again->rows[i].name == plan.rows[i].name, "a row's name is the same");
    Require(again->rows[i].changes == plan.rows[i].changes, "a row's options are the same");
  }
}

void CheckRuns(const SweepPlan& plan) {
  const std::vector<SweepRun> runs = ExpandRuns(plan, {{"preset", "school"}});
  Require(runs.size() == plan.rows.size() * plan.seeds.size(), "every row has a run of every seed");
  std::set<std::string> names;
  for (const SweepRun& run : runs) {
    Require(names.insert(run.name).second, "runs have names of their own");
    const std::set<std::string> arguments(run.arguments.begin(), run.arguments.end());
    Require(arguments.count("--run_name=" + run.name) == 1, "a run is told its name");
    Require(arguments.count(absl::StrCat("--seed=", run.seed)) == 1, "a run is told its seed");
  }
}

void TestOneInput(std::string_view text) {
  auto plan = ParseSweepFile({text.data(), text.size()}, "fuzz.sweep");
  RequireWords(plan.status());
  if (!plan.ok()) return;
  const absl::Status status = CheckPlan(*plan);
  RequireWords(status);
  if (!status.ok()) return;
  const size_t runs = plan->rows.size() * plan->seeds.size();
  Require(runs >= 1 && runs <= kMostRuns, "a plan has runs, and not too many");
  Require(!plan->banks.empty(), "a plan has banks");
  if (runs > kMostExpanded || plan->base.size() > kMostExpanded) return;
  CheckWriting(*plan);
  CheckRuns(*plan);
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::TestOneInput(shoal::fuzzing::Input(data, size));
  return 0;
}
