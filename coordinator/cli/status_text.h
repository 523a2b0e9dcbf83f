// How a run stands, for people and their tools.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "shoal/v1/run.pb.h"

namespace shoal {

// One screen: state, iteration and phase, versions, rates, survival, gate, tail queue, NE share, who is
// there and who is missing, alerts. `now_known`: the status is a living coordinator's, so that peers and
// speed are worth a word.
std::string StatusTable(const v1::RunStatus& status, bool now_known, bool colours = false);

// The proto's JSON mapping with every field, as one indented object.
absl::StatusOr<std::string> StatusJson(const v1::RunStatus& status);

// What run.db says of a run that has no coordinator (StoredStatus), with what to do about one whose
// coordinator was killed. NotFound: never started.
absl::StatusOr<v1::RunStatus> StatusFromFolder(const std::string& run_dir);

}  // namespace shoal
