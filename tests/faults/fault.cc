#include "tests/faults/fault.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/hash.h"

namespace shoal {
namespace {

constexpr const char* kNames[] = {
    "kill actor",          "kill learner",          "kill coordinator",   "kill all",
    "freeze actor",        "freeze learner",        "freeze coordinator", "add actor",
    "remove actor",        "kill in commit",        "kill in view",       "kill in checkpoint",
    "kill sending rows",   "kill receiving rows",   "kill in evaluation", "power loss in commit",
    "power loss in checkpoint"};
static_assert(std::size(kNames) == std::size(kFaultKinds));

// Numbers that are the same on every machine.
class Draw {
 public:
  Draw(uint64_t seed, const char* purpose, uint64_t number)
      : random_(Xxh3_64(absl::StrCat(seed, " ", purpose, " ", number))) {}
  // 0 .. n - 1.
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

 private:
  std::mt19937_64 random_;
};

FaultKind KindOf(uint64_t seed, uint64_t number) {
  std::array<FaultKind, kFaultKindCount> round;
  std::copy(std::begin(kFaultKinds), std::end(kFaultKinds), round.begin());
  Draw draw(seed, "round", number / kFaultKindCount);
  for (uint32_t i = kFaultKindCount; i > 1; --i) std::swap(round[i - 1], round[draw.Below(i)]);
  return round[number % kFaultKindCount];
}

// For the file layer; empty: the kind needs none.
std::string RuleOf(FaultKind kind, Draw& draw) {
  const char* const death[] = {"kill", "kill_after", "torn"};
  const char* action = death[draw.Below(3)];
  switch (kind) {
    case FaultKind::kKillInCommit: {
      const char* const operations[] = {"write", "write", "sync", "truncate"};
      const char* operation = operations[draw.Below(4)];
      // A truncation happens at a checkpoint of the log at most, so it is the first.
      const int n = operation == std::string("truncate") ? 1 : 1 + static_cast<int>(draw.Below(30));
      return absl::StrCat(action, ":", operation, ":run.db:", n);
    }
    case FaultKind::kKillInView: {
      const char* const files[] = {"metrics.csv", "schedule_trace.json", ".jsonl"};
      const char* const operations[] = {"write", "rename"};
      const int file = static_cast<int>(draw.Below(3));
      const char* operation = file == 2 ? "write" : operations[draw.Below(2)];
      return absl::StrCat(action, ":", operation, ":", files[file], ":", 1 + draw.Below(4));
    }
    case FaultKind::kKillInCheckpoint: {
      const char* const operations[] = {"write", "sync", "rename", "any"};
      const char* operation = operations[draw.Below(4)];
      return absl::StrCat(action, ":", operation, ":/checkpoints:", 1 + draw.Below(9));
    }
    case FaultKind::kKillSendingRows:
      return absl::StrCat("kill:send:2000:", 1 + draw.Below(4));
    case FaultKind::kKillReceivingRows:
      return absl::StrCat("kill:receive:2000:", 1 + draw.Below(6));
    case FaultKind::kPowerLossInCommit:
      action = draw.Below(2) == 0 ? "power:write" : "power:sync";
      return absl::StrCat(action, ":run.db:", 1 + draw.Below(30));
    case FaultKind::kPowerLossInCheckpoint:
      return absl::StrCat("power:any:/checkpoints:", 1 + draw.Below(20));
    default:
      return "";
  }
}

}  // namespace

const char* FaultName(FaultKind kind) { return kNames[static_cast<int>(kind)]; }

Fault FaultSequence::Current() const {
  Draw draw(seed_, "fault", number_);
  Fault fault;
  fault.kind = KindOf(seed_, number_);
  fault.wait_ms = static_cast<int>(draw.Below(400));
  // Longer than a lease of 1 s, and than the 4 s after which peers give a coordinator up.
  fault.freeze_ms = fault.kind == FaultKind::kFreezeCoordinator ? 4500 : 1200 + draw.Below(800);
  fault.pick = draw.Below(1u << 16);
  fault.rule = RuleOf(fault.kind, draw);
  return fault;
}

}  // namespace shoal
