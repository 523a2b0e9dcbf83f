// The rows of the iterations that are being collected, by (iteration, shard).
//
// Rows come in whole shards, in any order and possibly more than once; they leave as one batch in
// shard order, so that what is learned does not depend on who sent what when. Memory is bounded:
// only the iterations last + 1 .. last + 1 + policy_lag are open, where `last` is the last one that
// was learned, and a shard may hold no more rows than its environments can give.
//
// Thread safe. Times, gRPC and files are unknown here.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "actor/rollout/rows.h"
#include "learner/ppo/rows.h"
#include "shoal/v1/config.pb.h"
#include "shoal/v1/learner.pb.h"
#include "shoal/v1/rows.pb.h"

namespace shoal {

// What rows of a run look like.
struct RowShape {
  std::string run_id;
  int obs_dim = 0;
  int64_t num_envs = 0;
  int64_t envs_per_shard = 0;
  int64_t n_steps = 0;
  // The most rows that one environment gives in one step.
  int64_t rows_per_step = 0;
  int64_t policy_lag = 0;

  int64_t num_shards() const { return (num_envs + envs_per_shard - 1) / envs_per_shard; }
};

// The shape that a run's options imply. InvalidArgument where the options are not resolved ones
// (values out of their ranges, a curriculum that cannot be read).
absl::StatusOr<RowShape> MakeRowShape(const std::string& run_id, const v1::RunOptions& options);

// 18 with neighbour features, else 11.
int ObservationSize(const v1::RunOptions& options);

class RowStore {
 public:
  // An admitted header: what Put needs to know of the moment of admission.
  struct Admission {
    // The rows are here already; none need be sent.
    bool stored = false;
    // The learner session that has, or is to have, the rows.
    std::string session;
    int64_t rows = 0;
  };
  struct Assembly {
    // Empty where `missing` is not.
    RowBatch batch;
    // Shards whose rows are not here or have another checksum, ascending.
    std::vector<int32_t> missing;
  };

  // Drops everything and accepts rows of the iterations after `last` for `session`.
  void Open(const RowShape& shape, const std::string& session, int64_t last);
  // Drops everything and accepts nothing until the next Open.
  void Close();
  // Iteration `last` is learned: drops it and all before, and opens the next.
  void Advance(int64_t last);

  // May these rows be sent? Unavailable: not open. FailedPrecondition: another run, or an iteration
  // that is not open. InvalidArgument: a shard, obs_dim or number of rows that cannot be.
  // AlreadyExists: the shard is here with another checksum; the message names both.
  absl::StatusOr<Admission> Admit(const v1::RowsHeader& header) const;

  // Stores all rows of an admitted header; the same rows twice are fine. InvalidArgument or
  // DataLoss if the rows are not what the header announced or lie outside the shard; Aborted if the
  // store was opened anew meanwhile; else as Admit.
  absl::Status Put(const v1::RowsHeader& header, const Admission& admission, Rows rows);

  // Takes all rows of an iteration out, ordered by shard (and inside a shard by key); what was
  // taken is still known by its checksum. If any shard is missing or differs nothing is taken, and
  // those that differ are dropped so that they can be sent again.
  Assembly Take(int64_t iteration, const std::vector<v1::ShardRows>& shards);

  // Rows held, over all iterations.
  int64_t rows_held() const;
  // The most that all open iterations can have; 0: not open.
  int64_t rows_capacity() const;

 private:
  struct Shard {
    std::string checksum;
    Rows rows;
  };
  using ShardKey = std::pair<int64_t, int32_t>;  // iteration, shard

  absl::StatusOr<Admission> AdmitLocked(const v1::RowsHeader& header) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  RowShape shape_ ABSL_GUARDED_BY(mutex_);
  std::string session_ ABSL_GUARDED_BY(mutex_);
  int64_t last_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<ShardKey, Shard> shards_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shoal
