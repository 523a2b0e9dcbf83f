// Pushes the rows of one shard to a learner (RowService in shoal/v1/rows.proto).
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/cancellation.h"
#include "actor/actor_metrics.h"
#include "actor/rollout/rows.h"
#include "shoal/v1/items.pb.h"
#include "shoal/v1/rows.grpc.pb.h"

namespace shoal {

struct PushLimits {
  // Until the learner answers the header: longer means that it cannot be reached.
  absl::Duration answer_limit = absl::Seconds(5);
  // Between two acknowledgements.
  absl::Duration progress_limit = absl::Seconds(30);
  // The whole: longer than a learner allows, so that its reason comes first.
  absl::Duration total_limit = absl::Minutes(11);
  // Chunks on their way without acknowledgement: 1 MiB.
  int window = 16;
};

// The header that announces a record's rows.
v1::RowsHeader MakeRowsHeader(const std::string& run_id, const v1::RolloutRecord& record,
                              int obs_dim);

// Sends the rows, or nothing if the learner has them, and counts what it sends in `stats`, if given.
// Returns the session of the learner that has them now. Unavailable: it cannot be reached, or did not
// answer in time. DeadlineExceeded: no progress, or too little. Cancelled: `cancellation`. Else what
// the learner said (see learner/ingest).
absl::StatusOr<std::string> PushRows(v1::RowService::Stub& learner, const v1::RowsHeader& header,
                                     const Rows& rows, const Cancellation& cancellation,
                                     const PushLimits& limits = {}, ActorStats* stats = nullptr);

}  // namespace shoal
