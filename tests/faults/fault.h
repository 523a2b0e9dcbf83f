// Which fault comes next: a seeded draw.
#pragma once

#include <cstdint>
#include <iterator>
#include <string>

namespace shoal {

enum class FaultKind {
  kKillActor,
  kKillLearner,
  kKillCoordinator,
  kKillAll,
  kFreezeActor,        // SIGSTOP for longer than a lease, then SIGCONT
  kFreezeLearner,
  kFreezeCoordinator,
  kAddActor,
  kRemoveActor,
  kKillInCommit,       // the coordinator, at a write, sync or truncation of run.db or its log
  kKillInView,         // the coordinator, at a write or rename of a text file
  kKillInCheckpoint,   // the learner, at a file operation under checkpoints/
  kKillSendingRows,    // an actor, at a large message that it sends
  kKillReceivingRows,  // the learner, at a large message that it receives
  kKillInEvaluation,   // an actor, while an evaluation is being played
  kPowerLossInCommit,  // the coordinator's machine: what was not synced is gone
  kPowerLossInCheckpoint,
};

inline constexpr FaultKind kFaultKinds[] = {
    FaultKind::kKillActor,         FaultKind::kKillLearner,       FaultKind::kKillCoordinator,
    FaultKind::kKillAll,           FaultKind::kFreezeActor,       FaultKind::kFreezeLearner,
    FaultKind::kFreezeCoordinator, FaultKind::kAddActor,          FaultKind::kRemoveActor,
    FaultKind::kKillInCommit,      FaultKind::kKillInView,        FaultKind::kKillInCheckpoint,
    FaultKind::kKillSendingRows,   FaultKind::kKillReceivingRows, FaultKind::kKillInEvaluation,
    FaultKind::kPowerLossInCommit, FaultKind::kPowerLossInCheckpoint};

inline constexpr int kFaultKindCount = std::size(kFaultKinds);

const char* FaultName(FaultKind kind);

struct Fault {
  FaultKind kind = FaultKind::kKillActor;
  // How long the cluster is left alone before it, and, of a freeze, how long it lasts.
  int wait_ms = 0;
  int freeze_ms = 0;
  // Picks an actor, modulo their number.
  uint32_t pick = 0;
  // Rule for the fault-injecting file layer (file_faults.h); empty: none.
  std::string rule;
};

// Endless: in each round every kind comes once, in an order of that round's own. The fault of a number
// follows from seed and number alone, so a sequence that begins at a number is the rest of the one that
// began before it. One thread.
class FaultSequence {
 public:
  explicit FaultSequence(uint64_t seed, uint64_t first = 0) : seed_(seed), number_(first) {}

  // How many came before.
  uint64_t number() const { return number_; }
  Fault Current() const;
  void Advance() { ++number_; }

 private:
  const uint64_t seed_;
  uint64_t number_;
};

}  // namespace shoal
