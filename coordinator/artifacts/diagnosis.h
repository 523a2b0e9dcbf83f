// What a run's figures mean, in sentences for people: what went wrong, by how much, and which option
// would change it.
//
// Everything here is pure and thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coordinator/artifacts/run_facts.h"

namespace shoal {

enum class Severity {
  kGood,     // as it should be
  kNote,     // worth knowing
  kWarning,  // looks wrong
  kProblem,  // kept the run from what its options ask for
};
// "good", "note", "warning", "problem".
const char* SeverityName(Severity severity);

struct Finding {
  Severity severity = Severity::kNote;
  // What it is about: "tail", "gate", "step one", "survival", "update", "run".
  std::string topic;
  std::string text;
};

// All findings, the gravest first, and those of one severity in the order of the topics above.
// Topics about which the run has measured nothing have none.
std::vector<Finding> Diagnose(const RunFacts& facts);

// The same by subject, in any severity.
std::vector<Finding> DiagnoseTail(const RunFacts& facts);
std::vector<Finding> DiagnoseGate(const RunFacts& facts);
std::vector<Finding> DiagnoseStepOne(const RunFacts& facts);
std::vector<Finding> DiagnoseSurvival(const RunFacts& facts);
std::vector<Finding> DiagnoseUpdates(const RunFacts& facts);

// Slots of the whole queue, and those taken so far, each time they were.
int64_t TailSlots(const RunFacts& facts);
int64_t TailSlotsTaken(const RunFacts& facts);
// The last iteration in which the gate cannot open.
int64_t GateLock(const v1::RunOptions& options);
// A measurement of an iteration; none where it is null or missing.
std::optional<double> Measured(const nlohmann::ordered_json& iteration, const char* name);
// 10240 as "10,240"; not negative.
std::string Thousands(int64_t value);

}  // namespace shoal
