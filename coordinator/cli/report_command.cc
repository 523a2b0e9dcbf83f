// shoal report: a run explained, as a page or as text.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "coordinator/artifacts/diagnosis.h"
#include "coordinator/artifacts/run_facts.h"
#include "coordinator/artifacts/report_page.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/cli/report.h"

namespace shoal {
namespace {

struct ReportArguments {
  std::string run;
  std::string runs = "runs";
  std::string out;
  bool text = false;
};

absl::StatusOr<RunFacts> FactsOf(const std::string& run_dir) {
  auto store = RunStore::OpenReadOnly(absl::StrCat(run_dir, "/run.db"));
  if (!store.ok()) return store.status();
  return ReadRunFacts(*store);
}

int RunReport(const ReportArguments& arguments) {
  auto folder = FindRun(arguments.runs, arguments.run);
  if (!folder.ok()) return ReportError(folder.status());
  if (arguments.text) {
    auto facts = FactsOf(*folder);
    if (!facts.ok()) return ReportError(facts.status());
    for (const Finding& finding : Diagnose(*facts)) {
      std::printf("%-8s %-9s %s\n", SeverityName(finding.severity), finding.topic.c_str(), finding.text.c_str());
    }
    return kExitDone;
  }
  auto written = WriteReport(*folder, arguments.out);
  if (!written.ok()) return ReportError(written.status());
  std::printf("%s\n", written->c_str());
  return kExitDone;
}

}  // namespace

absl::StatusOr<std::string> WriteReport(const std::string& run_dir, const std::string& out) {
  auto facts = FactsOf(run_dir);
  if (!facts.ok()) return facts.status();
  const std::string path = out.empty() ? absl::StrCat(run_dir, "/report.html") : out;
  auto videos = ReadReportVideos(run_dir);
  if (!videos.ok()) return videos.status();
  // Links lead from the run's own folder.
  if (!out.empty()) for (ReportVideo& video : *videos) video.link.clear();
  absl::Status status = WriteFileAtomically(path, ReportPage(*facts, *videos));
  if (!status.ok()) return status;
  return path;
}

Command AddReportCommand(CLI::App& app) {
  auto a = std::make_shared<ReportArguments>();
  CLI::App* report = app.add_subcommand("report", "explain a run: writes RUN/report.html, also while it is on");
  report->add_option("run", a->run, "the run, by name or folder")->required()->type_name("RUN");
  CLI::Option* out = report->add_option("--out", a->out, "write the page here instead")->type_name("FILE");
  report->add_flag("--text", a->text, "only the diagnosis, to the standard output")->excludes(out);
  report->add_option("--runs", a->runs, "folder of all runs")->type_name("DIR")->capture_default_str();
  return Command{report, [a] { return RunReport(*a); }};
}

}  // namespace shoal
