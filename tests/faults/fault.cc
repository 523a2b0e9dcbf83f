#include "tests/faults/fault.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal {
namespace {

constexpr const char* kNames[] = {
    "kill actor",          "kill learner",          "kill coordinator",   "kill all",
    "freeze actor",        "freeze learner",        "freeze coordinator", "add actor",
    "remove actor",        "kill in commit",        "kill in view",       "kill in checkpoint",
    "kill sending rows",   "kill receiving rows",   "kill in evaluation", "power loss in commit",
    "power loss in checkpoint"};
static_assert(std::size(kNames) == std::size(kFaultKinds));

}  // namespace

const char* FaultName(FaultKind kind) { return kNames[static_cast<int>(kind)]; }

Fault FaultSequence::Next() {
  if (left_.empty()) {
    left_.assign(std::begin(kFaultKinds), std::end(kFaultKinds));
    for (size_t i = left_.size(); i > 1; --i) std::swap(left_[i - 1], left_[Below(i)]);
  }
  Fault fault;
  fault.kind = left_.back();
  left_.pop_back();
  fault.wait_ms = static_cast<int>(Below(400));
  // Longer than a lease of 1 s, and than the 4 s after which peers give a coordinator up.
  fault.freeze_ms = fault.kind == FaultKind::kFreezeCoordinator ? 4500 : 1200 + Below(800);
  fault.pick = Below(1u << 16);
  const char* const death[] = {"kill", "kill_after", "torn"};
  const char* action = death[Below(3)];
  switch (fault.kind) {
    case FaultKind::kKillInCommit: {
      const char* const operations[] = {"write", "write", "sync", "truncate"};
      const char* operation = operations[Below(4)];
      // A truncation happens at a checkpoint of the log at most, so it is the first.
      const int n = operation == std::string("truncate") ? 1 : 1 + static_cast<int>(Below(30));
      fault.rule = absl::StrCat(action, ":", operation, ":run.db:", n);
      break;
    }
    case FaultKind::kKillInView: {
      const char* const files[] = {"metrics.csv", "schedule_trace.json", ".jsonl"};
      const char* const operations[] = {"write", "rename"};
      const int file = static_cast<int>(Below(3));
      fault.rule = absl::StrCat(action, ":", file == 2 ? "write" : operations[Below(2)], ":",
                                files[file], ":", 1 + Below(4));
      break;
    }
    case FaultKind::kKillInCheckpoint: {
      const char* const operations[] = {"write", "sync", "rename", "any"};
      const char* operation = operations[Below(4)];
      fault.rule = absl::StrCat(action, ":", operation, ":/checkpoints:", 1 + Below(9));
      break;
    }
    case FaultKind::kKillSendingRows:
      fault.rule = absl::StrCat("kill:send:2000:", 1 + Below(4));
      break;
    case FaultKind::kKillReceivingRows:
      fault.rule = absl::StrCat("kill:receive:2000:", 1 + Below(6));
      break;
    case FaultKind::kPowerLossInCommit:
      fault.rule = absl::StrCat("power:", Below(2) == 0 ? "write" : "sync", ":run.db:", 1 + Below(30));
      break;
    case FaultKind::kPowerLossInCheckpoint:
      fault.rule = absl::StrCat("power:any:/checkpoints:", 1 + Below(20));
      break;
    default:
      break;
  }
  return fault;
}

}  // namespace shoal
