// shoal verify: a run's items computed once more, or a run compared with another.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/exit_codes.h"
#include "coordinator/cli/prepare_run.h"
#include "coordinator/verify/run_record.h"
#include "coordinator/verify/run_verifier.h"

namespace shoal {
namespace {

struct VerifyArguments {
  std::string run;
  std::string out = "runs";
  std::string same_as;
  int64_t iteration = 0;
  int shard = -1;
};

// What all verifications came to.
struct Tally {
  int64_t iterations = 0, shards = 0, evaluations = 0, scenes = 0, skipped = 0, mismatches = 0;
};

void Show(const std::string& what, const char* items, const Verification& verification,
          int64_t& groups, int64_t& count, Tally& tally) {
  for (const std::string& mismatch : verification.mismatches) {
    std::printf("DIFFERS  %s\n", mismatch.c_str());
  }
  tally.mismatches += static_cast<int64_t>(verification.mismatches.size());
  if (!verification.skipped.empty()) {
    ++tally.skipped;
    return;
  }
  ++groups;
  count += verification.items;
  if (verification.mismatches.empty()) {
    std::printf("equal    %s: %lld %s\n", what.c_str(), static_cast<long long>(verification.items),
                items);
  }
  std::fflush(stdout);
}

absl::Status VerifyAll(const VerifyArguments& arguments, RunVerifier& verifier, Tally& tally) {
  std::optional<int> shard;
  if (arguments.shard >= 0) shard = arguments.shard;
  const bool one = arguments.iteration > 0;
  const int64_t first = one ? arguments.iteration : 1;
  const int64_t last = one ? arguments.iteration : verifier.committed();
  for (int64_t i = first; i <= last; ++i) {
    auto verification = verifier.VerifyIteration(i, shard);
    if (!verification.ok()) return verification.status();
    if (one && !verification->skipped.empty()) {
      return absl::NotFoundError(
          absl::StrCat("iteration ", i, " cannot be computed again: ", verification->skipped,
                       "; with --checkpoint_interval 1 a run keeps what every iteration needs"));
    }
    Show(absl::StrCat("iteration ", i), "shards", *verification, tally.iterations, tally.shards, tally);
  }
  if (one || shard) return absl::OkStatus();
  for (const EvaluationRow& evaluation : verifier.evaluations()) {
    auto verification = verifier.VerifyEvaluation(evaluation);
    if (!verification.ok()) return verification.status();
    Show(absl::StrCat("evaluation ", evaluation.id, " (", evaluation.kind, ") of iteration ",
                      evaluation.iteration),
         "scenes", *verification, tally.evaluations, tally.scenes, tally);
  }
  return absl::OkStatus();
}

int Recompute(const VerifyArguments& arguments, const std::string& folder) {
  auto verifier = RunVerifier::Open(folder);
  if (!verifier.ok()) return ReportError(verifier.status());
  Tally tally;
  const absl::Status status = VerifyAll(arguments, **verifier, tally);
  if (!status.ok()) return ReportError(status);
  std::printf("%s: %lld iterations (%lld shards) and %lld evaluations (%lld scenes) computed again, %lld "
              "differences; %lld left out whose checkpoint or states are not kept\n",
              folder.c_str(), static_cast<long long>(tally.iterations),
              static_cast<long long>(tally.shards), static_cast<long long>(tally.evaluations),
              static_cast<long long>(tally.scenes), static_cast<long long>(tally.mismatches),
              static_cast<long long>(tally.skipped));
  return tally.mismatches == 0 ? kExitDone : kExitFailed;
}

int CompareRuns(const VerifyArguments& arguments, const std::string& folder) {
  auto other = FindRun(arguments.out, arguments.same_as);
  if (!other.ok()) return ReportError(other.status());
  auto first = ReadRunRecord(folder);
  if (!first.ok()) return ReportError(first.status());
  auto second = ReadRunRecord(*other);
  if (!second.ok()) return ReportError(second.status());
  const std::vector<std::string> differences = Differences(*first, *second);
  for (const std::string& difference : differences) std::printf("DIFFERS  %s\n", difference.c_str());
  if (!differences.empty()) return kExitFailed;
  std::printf("equal    %s and %s: %zu values, from plans to the last policy\n", folder.c_str(),
              other->c_str(), first->size());
  return kExitDone;
}

int RunVerify(const VerifyArguments& arguments) {
  auto folder = FindRun(arguments.out, arguments.run);
  if (!folder.ok()) return ReportError(folder.status());
  if (!arguments.same_as.empty()) return CompareRuns(arguments, *folder);
  return Recompute(arguments, *folder);
}

}  // namespace

Command AddVerifyCommand(CLI::App& app) {
  auto a = std::make_shared<VerifyArguments>();
  CLI::App* verify = app.add_subcommand(
      "verify", "compute a run's items once more and compare them with what it recorded");
  verify->add_option("run", a->run, "the run, by name or folder")->required()->type_name("RUN");
  CLI::Option* iteration =
      verify->add_option("--iteration", a->iteration, "only this iteration (default: all that can be)")
          ->check(CLI::Range(int64_t{1}, int64_t{1000000}));
  verify->add_option("--shard", a->shard, "only this shard of the iteration")
      ->check(CLI::Range(0, 1000000))
      ->needs(iteration);
  verify->add_option("--same_as", a->same_as,
                     "compare with this run instead: equal in everything but times, or what differs")
      ->excludes(iteration)
      ->type_name("RUN");
  verify->add_option("--out", a->out, "folder of all runs")->type_name("DIR")->capture_default_str();
  return Command{verify, [a] { return RunVerify(*a); }};
}

}  // namespace shoal
