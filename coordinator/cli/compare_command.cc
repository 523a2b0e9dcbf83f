// shoal compare: runs side by side.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "coordinator/artifacts/compare.h"
#include "coordinator/cli/compare_command.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/prepare_run.h"

namespace shoal {
namespace {

struct CompareArguments {
  std::vector<std::string> names;
  std::string runs = "runs";
  std::string format = "table";
  std::string out;
};

absl::StatusOr<RunComparison> Compare(const CompareArguments& arguments) {
  std::vector<RunFacts> runs;
  for (const std::string& name : arguments.names) {
    auto folder = FindRun(arguments.runs, name);
    if (!folder.ok()) return folder.status();
    auto store = RunStore::OpenReadOnly(absl::StrCat(*folder, "/run.db"));
    if (!store.ok()) return store.status();
    auto facts = ReadRunFacts(*store);
    if (!facts.ok()) return facts.status();
    runs.push_back(*std::move(facts));
  }
  return CompareRuns(runs);
}

int RunCompare(const CompareArguments& arguments) {
  auto comparison = Compare(arguments);
  if (!comparison.ok()) return ReportError(comparison.status());
  if (!arguments.out.empty()) {
    absl::Status status = WriteFileAtomically(arguments.out, ComparisonPage(*comparison));
    if (!status.ok()) return ReportError(status);
    std::printf("%s\n", arguments.out.c_str());
    return kExitDone;
  }
  const std::string text = arguments.format == "json" ? ToJson(*comparison).dump(2) + "\n" : ComparisonText(*comparison);
  std::fputs(text.c_str(), stdout);
  return kExitDone;
}

}  // namespace

Command AddCompareCommand(CLI::App& app) {
  auto a = std::make_shared<CompareArguments>();
  CLI::App* compare = app.add_subcommand("compare", "runs side by side, and their differences from the first on the same scenes");
  compare->add_option("run", a->names, "the runs, by name or folder; the first is what the others are compared with")
      ->required()
      ->expected(2, 100)
      ->type_name("RUN");
  CLI::Option* out = compare->add_option("--out", a->out, "write a page here instead")->type_name("FILE");
  compare->add_option("-o,--output", a->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str()
      ->excludes(out);
  compare->add_option("--runs", a->runs, "folder of all runs")->type_name("DIR")->capture_default_str();
  return Command{compare, [a] { return RunCompare(*a); }};
}

}  // namespace shoal
