// What a learner counts while it works. Thread safe; metrics are made of it in learner_metrics.h.
#pragma once

#include <atomic>
#include <cstdint>

#include "common/metrics/instruments.h"

namespace shoal {

struct LearnerStats {
  // Streams of rows: what came, whole or not, and how the streams ended.
  std::atomic<int64_t> rows_received = 0;
  std::atomic<int64_t> bytes_received = 0;
  std::atomic<int64_t> chunks_received = 0;
  std::atomic<int64_t> shards_stored = 0;
  // For something that honest actors do not do, see row_service.h.
  std::atomic<int64_t> pushes_refused = 0;
  std::atomic<int64_t> streams_open = 0;

  std::atomic<int64_t> policy_version = 0;  // The one published last.
  std::atomic<int64_t> updates = 0;
  std::atomic<int64_t> update_failures = 0;
  std::atomic<int64_t> minibatches = 0;
  std::atomic<int64_t> nonfinite_minibatches = 0;
  // Seconds since the epoch at which a checkpoint was last written, or found whole when the run was
  // begun from it; 0: never. Bytes of the one written last.
  std::atomic<double> checkpoint_time = 0;
  std::atomic<int64_t> checkpoint_bytes = 0;
  // Begun from a checkpoint of a run whose coordinator has not been lost since.
  std::atomic<bool> in_run = false;

  SecondsHistogram receive;     // A shard's rows, from their header to the last.
  SecondsHistogram begin;       // Loading a checkpoint, or making version 0.
  SecondsHistogram assemble;    // Rows of shards into a batch.
  SecondsHistogram upload;      // The batch to the learner's device.
  SecondsHistogram learn;       // The epochs.
  SecondsHistogram checkpoint;  // Writing, and publishing the policy.
  SecondsHistogram retain;      // Copying the best and removing old ones.
  SecondsHistogram wait;        // Until the coordinator asked for something.
};

}  // namespace shoal
