// Rows made up for tests.
#pragma once

#include <cstdint>
#include <string>

#include "actor/rollout/rows.h"
#include "learner/ingest/row_store.h"
#include "shoal/v1/learner.pb.h"
#include "shoal/v1/rows.pb.h"

namespace shoal {

inline constexpr char kTestRun[] = "run-1";

// 20 environments in shards of 8: three shards, the last of 4.
inline RowShape TestShape() {
  RowShape shape;
  shape.run_id = kTestRun;
  shape.obs_dim = 11;
  shape.num_envs = 20;
  shape.envs_per_shard = 8;
  shape.n_steps = 4096;
  shape.rows_per_step = 2;
  shape.policy_lag = 1;
  return shape;
}

// `steps` rows of fish 0 for each of the shard's first `environments` environments. Every value
// tells shard and row, so that order shows; `salt` makes other rows of the same keys.
inline Rows TestRows(int shard, int environments, int steps, float salt = 0) {
  Rows rows;
  rows.obs_dim = 11;
  for (int environment = 0; environment < environments; ++environment) {
    for (int step = 0; step < steps; ++step) {
      const float value = static_cast<float>(shard * 100000 + environment * 5000 + step) + salt;
      rows.keys.push_back(
          RowKey(static_cast<uint32_t>(shard * 8 + environment), 0, static_cast<uint32_t>(step)));
      for (int i = 0; i < rows.obs_dim; ++i) rows.observations.push_back(value + i);
      rows.actions.push_back(static_cast<uint8_t>(step % kNumActions));
      rows.log_probs.push_back(-1.5f);
      rows.advantages.push_back(value);
      rows.returns.push_back(value + 0.5f);
    }
  }
  return rows;
}

inline v1::RowsHeader TestHeader(int64_t iteration, int shard, const Rows& rows) {
  v1::RowsHeader header;
  header.set_run_id(kTestRun);
  header.set_iteration(iteration);
  header.set_shard(shard);
  header.set_rows(rows.size());
  header.set_obs_dim(rows.obs_dim);
  header.set_rows_checksum(RowsChecksum(rows));
  return header;
}

inline v1::ShardRows Expected(const v1::RowsHeader& header) {
  v1::ShardRows expected;
  expected.set_shard(header.shard());
  expected.set_rows(header.rows());
  expected.set_rows_checksum(header.rows_checksum());
  return expected;
}

}  // namespace shoal
