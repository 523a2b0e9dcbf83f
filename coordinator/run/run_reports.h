// What people ask of a run beyond its status, made from run.db: the same for a run that is on and for
// one that is not.
//
// Reads only, also while the run is on. Errors: DataLoss where something in run.db cannot be read, and
// those of the store. Thread safe for stores of different threads.
#pragma once

#include "absl/status/statusor.h"
#include "coordinator/store/run_store.h"
#include "shoal/v1/run.pb.h"

namespace shoal {

// As the evaluations that are finished say; with the criteria of each.
absl::StatusOr<v1::GetGateResponse> GateReport(const RunStore& store);

// After the last committed iteration. NotFound: the run has no tail queue, or nothing is committed.
absl::StatusOr<v1::GetTailResponse> TailReport(const RunStore& store);

absl::StatusOr<v1::DescribeRunResponse> RunDescription(const RunStore& store);

// How the run stands by run.db alone: name, id, iterations, policy, DONE, STOPPED or FAILED with its
// message (UNSPECIFIED where no end was recorded), evaluations, gate, tail queue, the latest
// iterations' NE shares and the alerts that follow from them. Nothing of peers, rates and what is being
// done.
absl::StatusOr<v1::RunStatus> StoredStatus(const RunStore& store);

}  // namespace shoal
