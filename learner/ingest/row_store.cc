#include "learner/ingest/row_store.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "actor/rollout/settings.h"
#include "common/options.h"

namespace shoal {
namespace {

// The most fish of any phase, from "fish:iterations,...".
absl::StatusOr<int64_t> MostFish(const v1::RunOptions& options) {
  if (options.curriculum().empty()) return options.num_fish();
  int64_t most = 0;
  for (absl::string_view phase : absl::StrSplit(options.curriculum(), ',')) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(phase, ':');
    int64_t fish = 0;
    if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(parts.first), &fish) || fish < 1 ||
        fish > kMaxFish) {
      return absl::InvalidArgumentError(absl::StrCat("curriculum \"", options.curriculum(),
                                                     "\": \"", phase, "\" is not fish:iterations, fish from 1 to ", kMaxFish));
    }
    most = std::max(most, fish);
  }
  return most;
}

// Are the rows those of the shard, and all that were announced?
absl::Status CheckRows(const v1::RowsHeader& header, const RowShape& shape, const Rows& rows) {
  if (rows.size() != header.rows()) {
    return absl::InvalidArgumentError(absl::StrCat("shard ", header.shard(), " announced ",
                                                   header.rows(), " rows and sent ", rows.size()));
  }
  const int64_t first = header.shard() * shape.envs_per_shard;
  const int64_t end = std::min(first + shape.envs_per_shard, shape.num_envs);
  for (const uint64_t key : rows.keys) {
    if (RowEnvironment(key) < first || RowEnvironment(key) >= end ||
        RowStep(key) >= shape.n_steps) {
      return absl::InvalidArgumentError(
          absl::StrCat("a row of environment ", RowEnvironment(key), ", fish ", RowFish(key),
                       ", step ", RowStep(key), " is not one of shard ", header.shard(),
                       ": environments ", first, " to ", end - 1, ", steps below ", shape.n_steps));
    }
  }
  const std::string checksum = RowsChecksum(rows);
  if (checksum != header.rows_checksum()) {
    return absl::DataLossError(absl::StrCat("the rows of shard ", header.shard(), " have checksum ",
                                            checksum, "; announced was ", header.rows_checksum()));
  }
  return absl::OkStatus();
}

absl::Status Superseded() {
  return absl::AbortedError("the learner began anew while the rows were on their way");
}

template <class T>
void Append(const std::vector<T>& from, std::vector<T>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

}  // namespace

int ObservationSize(const v1::RunOptions& options) {
  return options.include_neighbor_features() ? 18 : 11;
}

absl::StatusOr<RowShape> MakeRowShape(const std::string& run_id, const v1::RunOptions& options) {
  // The options come from another program; within their ranges no product below overflows.
  if (absl::Status status = CheckOptionValues(options); !status.ok()) return status;
  const absl::StatusOr<int64_t> most_fish = MostFish(options);
  if (!most_fish.ok()) return most_fish.status();
  RowShape shape;
  shape.run_id = run_id;
  shape.obs_dim = ObservationSize(options);
  shape.num_envs = options.num_envs();
  shape.envs_per_shard = options.envs_per_shard();
  shape.n_steps = options.n_steps();
  shape.policy_lag = options.policy_lag();
  const bool every_fish = options.training_mode() == "per_fish";
  const int64_t tracked = every_fish ? options.train_fish_per_env() : 1;
  shape.rows_per_step = tracked == 0 ? *most_fish : std::min(tracked, *most_fish);
  if (shape.num_envs < 1 || shape.envs_per_shard < 1 || shape.n_steps < 1 ||
      shape.rows_per_step < 1 || shape.policy_lag < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "num_envs ", shape.num_envs, ", envs_per_shard ", shape.envs_per_shard, ", n_steps ",
        shape.n_steps, ", fish that teach ", shape.rows_per_step, ": each must be at least 1"));
  }
  return shape;
}

void RowStore::Open(const RowShape& shape, const std::string& session, int64_t last) {
  absl::MutexLock lock(&mutex_);
  open_ = true;
  shape_ = shape;
  session_ = session;
  last_ = last;
  shards_.clear();
}

void RowStore::Close() {
  absl::MutexLock lock(&mutex_);
  open_ = false;
  shards_.clear();
}

void RowStore::Advance(int64_t last) {
  absl::MutexLock lock(&mutex_);
  last_ = std::max(last_, last);
  shards_.erase(shards_.begin(), shards_.lower_bound(ShardKey(last_ + 1, 0)));
}

absl::StatusOr<RowStore::Admission> RowStore::Admit(const v1::RowsHeader& header) const {
  absl::MutexLock lock(&mutex_);
  return AdmitLocked(header);
}

absl::StatusOr<RowStore::Admission> RowStore::AdmitLocked(const v1::RowsHeader& header) const {
  if (!open_) return absl::UnavailableError("the learner has no run yet");
  if (header.run_id() != shape_.run_id) {
    return absl::FailedPreconditionError(absl::StrCat(
        "rows of run \"", header.run_id(), "\"; this learner serves \"", shape_.run_id, "\""));
  }
  const int64_t newest = last_ + 1 + shape_.policy_lag;
  if (header.iteration() <= last_ || header.iteration() > newest) {
    return absl::FailedPreconditionError(absl::StrCat("rows of iteration ", header.iteration(),
                                                      "; open are ", last_ + 1, " to ", newest));
  }
  if (header.obs_dim() != shape_.obs_dim) {
    return absl::InvalidArgumentError(
        absl::StrCat("obs_dim ", header.obs_dim(), "; this run has ", shape_.obs_dim));
  }
  if (header.shard() < 0 || header.shard() >= shape_.num_shards()) {
    return absl::InvalidArgumentError(absl::StrCat("shard ", header.shard(), "; this run has ",
                                                   shape_.num_shards(), ", counted from 0"));
  }
  const int64_t environments =
      std::min(shape_.envs_per_shard, shape_.num_envs - header.shard() * shape_.envs_per_shard);
  const int64_t most = environments * shape_.n_steps * shape_.rows_per_step;
  if (header.rows() < 0 || header.rows() > most) {
    return absl::InvalidArgumentError(absl::StrCat(header.rows(), " rows for shard ",
                                                   header.shard(), ", which can have 0 to ", most));
  }
  Admission admission;
  admission.session = session_;
  admission.rows = header.rows();
  const auto found = shards_.find(ShardKey(header.iteration(), header.shard()));
  if (found != shards_.end()) {
    if (found->second.checksum != header.rows_checksum()) {
      return absl::AlreadyExistsError(absl::StrCat(
          "iteration ", header.iteration(), ", shard ", header.shard(), " is here with checksum ",
          found->second.checksum, "; these rows have ", header.rows_checksum()));
    }
    admission.stored = true;
  }
  return admission;
}

absl::Status RowStore::Put(const v1::RowsHeader& header, const Admission& admission, Rows rows) {
  RowShape shape;
  {
    absl::MutexLock lock(&mutex_);
    if (!open_ || session_ != admission.session) return Superseded();
    shape = shape_;
  }
  // Outside the lock: it goes through all the rows.
  if (absl::Status status = CheckRows(header, shape, rows); !status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  if (!open_ || session_ != admission.session) return Superseded();
  const absl::StatusOr<Admission> now = AdmitLocked(header);
  if (!now.ok()) return now.status();
  if (now->stored) return absl::OkStatus();
  Shard& shard = shards_[ShardKey(header.iteration(), header.shard())];
  shard.checksum = header.rows_checksum();
  shard.rows = std::move(rows);
  return absl::OkStatus();
}

RowStore::Assembly RowStore::Take(int64_t iteration, const std::vector<v1::ShardRows>& shards) {
  Assembly assembly;
  std::map<int32_t, Rows> taken;
  {
    absl::MutexLock lock(&mutex_);
    for (const v1::ShardRows& expected : shards) {
      const auto found = shards_.find(ShardKey(iteration, expected.shard()));
      const bool here = found != shards_.end();
      if (here && found->second.checksum == expected.rows_checksum() &&
          found->second.rows.size() == expected.rows()) {
        continue;
      }
      assembly.missing.push_back(expected.shard());
      if (here) shards_.erase(found);
    }
    std::sort(assembly.missing.begin(), assembly.missing.end());
    if (!assembly.missing.empty()) return assembly;
    assembly.batch.obs_dim = shape_.obs_dim;
    for (const v1::ShardRows& expected : shards) {
      Rows& rows = shards_.at(ShardKey(iteration, expected.shard())).rows;
      assembly.batch.rows += rows.size();
      taken[expected.shard()] = std::move(rows);
      rows = Rows();
    }
  }
  RowBatch& batch = assembly.batch;
  batch.observations.reserve(batch.rows * batch.obs_dim);
  batch.actions.reserve(batch.rows);
  batch.log_probs.reserve(batch.rows);
  batch.advantages.reserve(batch.rows);
  batch.returns.reserve(batch.rows);
  for (auto& [shard, rows] : taken) {
    Append(rows.observations, &batch.observations);
    Append(rows.actions, &batch.actions);
    Append(rows.log_probs, &batch.log_probs);
    Append(rows.advantages, &batch.advantages);
    Append(rows.returns, &batch.returns);
    rows = Rows();  // So that at most one shard is held twice.
  }
  return assembly;
}

int64_t RowStore::rows_held() const {
  absl::MutexLock lock(&mutex_);
  int64_t rows = 0;
  for (const auto& [key, shard] : shards_) rows += shard.rows.size();
  return rows;
}

int64_t RowStore::rows_capacity() const {
  absl::MutexLock lock(&mutex_);
  if (!open_) return 0;
  return (shape_.policy_lag + 1) * shape_.num_envs * shape_.n_steps * shape_.rows_per_step;
}

}  // namespace shoal
