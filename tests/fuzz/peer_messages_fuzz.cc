// What actors and learners say to the coordinator, checked before the run hears it. A record that
// passes is folded and judged like any other: it must not be what ends the run there.
//
// Input: a byte for SmallOptions, a frame with a WorkerHello, a frame with the WorkRequest that
// answers lease 7 (shard 0 of iteration 1) or 8 (a scene of seed 1 with 12 fish), then one frame a
// LearnRequest.
#include <cmath>

#include "common/printable.h"
#include "coordinator/evaluation/summary.h"
#include "coordinator/service/peer_checks.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/small_run.h"

namespace shoal {
namespace {

using fuzzing::Require;
using fuzzing::RequireOk;
using fuzzing::RequireWords;

constexpr uint64_t kRollout = 7;
constexpr uint64_t kEvaluation = 8;

void CheckHelloOf(std::string_view bytes) {
  v1::WorkerHello hello;
  if (!fuzzing::ParseMessage(bytes, &hello)) return;
  const absl::Status status = CheckHello(hello);
  RequireWords(status);
  Require(IsPrintable(Printable(hello.name(), kMaxText)), "what is made printable is printable");
  Require(Printable(hello.name(), 20).size() <= 20, "what is made printable is cut");
  if (!status.ok()) return;
  Require(IsPrintable(hello.name()) && hello.name().size() <= kMaxHelloField, "a hello's name");
}

// The record of the other shard, as an actor makes it.
v1::RolloutRecord OtherRecord(const v1::RolloutItem& item) {
  v1::RolloutRecord record;
  record.set_iteration(item.plan().iteration());
  record.set_shard(item.shard());
  record.set_policy_sha256(item.policy_sha256());
  for (int i = 0; i < item.environments_size(); ++i) {
    record.add_environments()->set_episodes_begun(1);
  }
  return record;
}

void CheckFolding(const PlannedIteration& planned, const v1::WorkResult& result, Planner* planner) {
  v1::RolloutRecord record;
  Require(record.ParseFromString(result.rollout()), "a record that passed can be read");
  const auto folded =
      planner->Fold(planned.plan, {record, OtherRecord(fuzzing::SmallItem(planned, 1, ""))});
  RequireOk(folded.status(), "a record that passed is folded");
  const v1::IterationPlan next = planner->Plan(2).plan;
  Require(std::isfinite(next.advantage_mean()) && std::isfinite(next.advantage_std()),
          "the next plan has numbers");
}

void CheckJudging(const v1::WorkResult& result) {
  v1::EvaluationEpisode episode;
  Require(episode.ParseFromString(result.evaluation()), "a scene that passed can be read");
  RequireOk(SummarizeEvaluation({&episode, 1}).status(), "a scene that passed is summarised");
}

void CheckAnswer(const v1::RunOptions& options, std::string_view bytes) {
  v1::WorkRequest request;
  if (!fuzzing::ParseMessage(bytes, &request)) return;
  const absl::Status status = CheckMessage(request);
  RequireWords(status);
  if (!status.ok() || (!request.has_result() && !request.has_failure())) return;
  if (request.has_failure()) {
    Require(IsPrintable(request.failure().message()), "a failure's words are printable");
  }

  const auto planner = fuzzing::SmallPlanner(options);
  const PlannedIteration planned = planner->Plan(1);
  v1::Lease rollout;
  rollout.set_fencing(kRollout);
  *rollout.mutable_rollout() = fuzzing::SmallItem(planned, 0, "");
  v1::Lease evaluation;
  evaluation.set_fencing(kEvaluation);
  evaluation.mutable_evaluation()->set_seed(1);
  evaluation.mutable_evaluation()->set_num_fish(12);
  LeaseBook book;
  book.Given(rollout, options.n_steps());
  book.Given(evaluation, options.n_steps());
  const absl::StatusOr<v1::Lease> lease = book.Take(request);
  RequireWords(lease.status());
  Require(!book.Take(request).ok(), "a lease is answered once");
  if (!lease.ok() || !request.has_result()) return;
  v1::RolloutRecord parsed;
  const absl::Status record = CheckRecord(*lease, request.result(), &parsed);
  RequireWords(record);
  if (!record.ok()) return;
  if (lease->has_rollout()) {
    CheckFolding(planned, request.result(), planner.get());
  } else {
    CheckJudging(request.result());
  }
}

void CheckLearner(std::string_view bytes) {
  LearnerBook book;
  v1::LearnResponse sent;
  sent.mutable_welcome();
  book.Sent(sent);
  sent.mutable_begin_update()->add_shards();
  book.Sent(sent);
  sent.mutable_retain();
  book.Sent(sent);
  for (int answers = 0; !bytes.empty();) {
    v1::LearnRequest request;
    if (!fuzzing::ParseMessage(fuzzing::TakeFrame(&bytes), &request)) continue;
    const absl::Status status = CheckMessage(request);
    RequireWords(status);
    if (!status.ok()) continue;
    if (request.has_update_failed()) {
      Require(IsPrintable(request.update_failed().message()), "a learner's words are printable");
    }
    const auto answered = book.Take(request);
    RequireWords(answered.status());
    if (answered.ok() && *answered) ++answers;
    Require(answers <= 3, "what was sent is answered once");
  }
}

void TestOneInput(std::string_view bytes) {
  const v1::RunOptions options = fuzzing::SmallOptions(fuzzing::TakeByte(&bytes));
  CheckHelloOf(fuzzing::TakeFrame(&bytes));
  CheckAnswer(options, fuzzing::TakeFrame(&bytes));
  CheckLearner(bytes);
}

}  // namespace
}  // namespace shoal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::TestOneInput(shoal::fuzzing::Input(data, size));
  return 0;
}
