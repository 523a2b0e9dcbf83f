// Which fault comes next: a seeded draw. Pure.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

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

// Draws `count` faults. Every kind comes once, in a random order, before any comes again.
class FaultSequence {
 public:
  explicit FaultSequence(uint64_t seed) : random_(seed) {}
  Fault Next();

 private:
  // 0 .. n - 1, the same on every machine.
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

  std::mt19937_64 random_;
  std::vector<FaultKind> left_;
};

}  // namespace shoal
