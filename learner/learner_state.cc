#include "learner/learner_state.h"

#include <chrono>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "actor/policy/weights.h"
#include "common/files.h"
#include "common/hash.h"
#include "common/logging.h"
#include "learner/checkpoint/checkpoint.h"
#include "learner/checkpoint/manifest.h"

namespace shoal {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::string CheckpointsOf(const std::string& run_dir) {
  return absl::StrCat(run_dir, "/checkpoints");
}

v1::LearnRequest Failed(int64_t iteration, const absl::Status& status) {
  LogError("learner failed", {{"iteration", iteration}, {"error", status}});
  v1::LearnRequest request;
  request.mutable_update_failed()->set_iteration(iteration);
  request.mutable_update_failed()->set_fatal(true);
  request.mutable_update_failed()->set_message(std::string(status.message()));
  return request;
}

v1::LearnRequest Missing(int64_t iteration, const std::vector<int32_t>& shards) {
  LogWarning("rows are missing", {{"iteration", iteration}, {"shards", shards.size()}});
  v1::LearnRequest request;
  request.mutable_update_failed()->set_iteration(iteration);
  for (const int32_t shard : shards) request.mutable_update_failed()->add_missing_shards(shard);
  request.mutable_update_failed()->set_message(
      absl::StrCat("the rows of ", shards.size(), " shards are missing or differ"));
  return request;
}

void FillStats(const UpdateStats& from, v1::UpdateStats* to) {
  to->set_policy_loss(from.policy_loss);
  to->set_value_loss(from.value_loss);
  to->set_entropy(from.entropy);
  to->set_approx_kl(from.approx_kl);
  to->set_clip_fraction(from.clip_fraction);
  to->set_explained_variance(from.explained_variance);
  to->set_gradient_norm(from.gradient_norm);
  to->set_learning_rate(from.learning_rate);
  to->set_rows(from.rows);
  to->set_minibatches(from.minibatches);
  to->set_skipped_minibatches(from.skipped_minibatches);
}

UpdateOptions MakeUpdateOptions(const v1::IterationPlan& plan) {
  UpdateOptions options;
  options.iteration = plan.iteration();
  options.learning_rate = plan.learning_rate();
  options.entropy_coef = plan.entropy_coef();
  return options;
}

// The policy of one checkpoint if it has this SHA-256, else NotFound.
absl::StatusOr<std::string> PolicyOf(const std::string& directory, const std::string& sha256) {
  const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(directory, "/", kManifestFile));
  if (!text.ok()) return text.status();
  const absl::StatusOr<Manifest> manifest = ParseManifest(*text);
  if (!manifest.ok()) return manifest.status();
  const auto file = manifest->files.find(kPolicyFile);
  if (file == manifest->files.end() || file->second.sha256 != sha256) {
    return absl::NotFoundError("another policy");
  }
  absl::StatusOr<std::string> policy = ReadFile(absl::StrCat(directory, "/", kPolicyFile));
  if (policy.ok() && Sha256Hex(*policy) != sha256) return absl::NotFoundError("a damaged policy");
  return policy;
}

absl::StatusOr<std::string> FindPolicy(const std::string& checkpoints, const std::string& sha256) {
  const absl::StatusOr<std::vector<int64_t>> iterations = ListCheckpoints(checkpoints);
  if (!iterations.ok()) return iterations.status();
  // The latest are asked for most. One that cannot be read, or is being removed at this moment, is
  // none of those that are wanted, or the answer is NotFound.
  for (auto iteration = iterations->rbegin(); iteration != iterations->rend(); ++iteration) {
    absl::StatusOr<std::string> policy =
        PolicyOf(absl::StrCat(checkpoints, "/iter_", *iteration), sha256);
    if (policy.ok()) return policy;
  }
  absl::StatusOr<Checkpoint> best = ReadBestCheckpoint(checkpoints);
  if (best.ok() && Sha256Hex(best->policy) == sha256) return std::move(best->policy);
  return absl::NotFoundError(absl::StrCat("no checkpoint has policy ", sha256));
}

}  // namespace

absl::StatusOr<TrainerOptions> MakeTrainerOptions(const v1::RunOptions& options, int threads) {
  TrainerOptions trainer;
  trainer.obs_dim = ObservationSize(options);
  trainer.include_neighbor_features = options.include_neighbor_features();
  trainer.neighbor_radius = options.neighbor_radius();
  trainer.neighbor_average_count = options.neighbor_average_count();
  trainer.hidden_sizes.clear();
  for (absl::string_view text : absl::StrSplit(options.policy_hidden_sizes(), ',')) {
    int size = 0;
    if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &size)) {
      return absl::InvalidArgumentError(absl::StrCat("policy_hidden_sizes \"",
                                                     options.policy_hidden_sizes(), "\": \"", text,
                                                     "\" is not a width"));
    }
    trainer.hidden_sizes.push_back(size);
  }
  if (options.activation() == ActivationName(Activation::kRelu)) {
    trainer.activation = Activation::kRelu;
  } else if (options.activation() == ActivationName(Activation::kTanh)) {
    trainer.activation = Activation::kTanh;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("activation \"", options.activation(), "\" is neither tanh nor relu"));
  }
  trainer.batch_size = options.batch_size();
  trainer.n_epochs = options.n_epochs();
  trainer.clip_range = options.clip_range();
  trainer.vf_coef = options.vf_coef();
  trainer.max_grad_norm = options.max_grad_norm();
  trainer.adam_epsilon = options.adam_epsilon();
  trainer.seed = static_cast<uint64_t>(options.seed());
  trainer.device = options.device();
  trainer.tf32 = options.tf32();
  trainer.threads = threads;
  return trainer;
}

absl::StatusOr<std::string> FindPolicyOnDisk(const std::string& run_dir,
                                             const std::string& sha256) {
  return FindPolicy(CheckpointsOf(run_dir), sha256);
}

LearnerState::LearnerState(const std::string& run_dir, int threads, TrainerFactory factory,
                           RowStore* rows, PolicyStore* policies,
                           std::shared_ptr<LearnerStats> stats)
    : checkpoints_(CheckpointsOf(run_dir)),
      threads_(threads),
      factory_(std::move(factory)),
      rows_(rows),
      policies_(policies),
      stats_(std::move(stats)) {}

void LearnerState::UseRun(const std::string& run_dir) { checkpoints_ = CheckpointsOf(run_dir); }

std::string LearnerState::device() const {
  return trainer_ == nullptr ? "" : trainer_->device_description();
}

v1::LearnRequest LearnerState::Begin(const v1::LearnerWelcome& welcome,
                                     const std::string& session) {
  const PhaseTimer timer(stats_->begin);
  rows_->Close();
  best_ = 0;
  const absl::StatusOr<RowShape> shape = MakeRowShape(welcome.run_id(), welcome.options());
  if (!shape.ok()) return Fatal(welcome.committed_iteration(), shape.status());
  if (absl::Status status = Load(welcome); !status.ok()) {
    // Load says DataLoss of checkpoints alone.
    return absl::IsDataLoss(status) ? Damaged(welcome.committed_iteration(), status)
                                    : Fatal(welcome.committed_iteration(), status);
  }
  rows_->Open(*shape, session, version_);
  stats_->in_run = true;
  LogInfo("ready", {{"iteration", version_},
                    {"policy", policy_sha256_},
                    {"device", trainer_->device_description()}});
  v1::LearnRequest request;
  request.mutable_ready()->set_iteration(version_);
  request.mutable_ready()->set_policy_sha256(policy_sha256_);
  return request;
}

absl::Status LearnerState::Load(const v1::LearnerWelcome& welcome) {
  trainer_ = nullptr;
  const absl::StatusOr<TrainerOptions> options = MakeTrainerOptions(welcome.options(), threads_);
  if (!options.ok()) return options.status();
  // A trainer of its own for each beginning, so that nothing is left of the one before.
  absl::StatusOr<std::unique_ptr<PpoTrainer>> trainer = factory_(*options);
  if (!trainer.ok()) return trainer.status();
  trainer_ = *std::move(trainer);
  if (absl::Status status = PrepareCheckpointDirectory(checkpoints_); !status.ok()) return status;
  if (welcome.policy_sha256().empty()) {
    if (welcome.committed_iteration() == 0) return Publish(0);
    return absl::InvalidArgumentError(absl::StrCat("iteration ", welcome.committed_iteration(),
                                                   " is committed without a policy_sha256"));
  }
  absl::StatusOr<Checkpoint> checkpoint =
      ReadCheckpoint(checkpoints_, welcome.committed_iteration(), welcome.policy_sha256());
  if (absl::IsNotFound(checkpoint.status())) {
    return absl::DataLossError(checkpoint.status().message());
  }
  if (!checkpoint.ok()) return checkpoint.status();
  if (absl::Status status = CheckNeeded(welcome); !status.ok()) return status;
  const absl::StatusOr<PolicyWeights> weights = ParsePolicy(checkpoint->policy);
  if (!weights.ok()) return weights.status();
  absl::Status status = trainer_->Restore(*weights, checkpoint->optimizer);
  if (!status.ok()) return status;
  version_ = welcome.committed_iteration();
  policy_sha256_ = policies_->Publish(std::move(checkpoint->policy));
  NoteCheckpoint();
  return absl::OkStatus();
}

absl::Status LearnerState::CheckNeeded(const v1::LearnerWelcome& welcome) const {
  for (const v1::CheckpointName& needed : welcome.needed()) {
    const absl::StatusOr<std::string> policy = FindPolicy(checkpoints_, needed.policy_sha256());
    if (policy.ok()) continue;
    if (!absl::IsNotFound(policy.status())) return policy.status();
    return absl::DataLossError(absl::StrCat(checkpoints_, "/iter_", needed.iteration(),
                                            ", which is still needed, is missing or damaged: ",
                                            policy.status().message()));
  }
  return absl::OkStatus();
}

absl::Status LearnerState::Publish(int64_t iteration) {
  const PhaseTimer timer(stats_->checkpoint);
  absl::StatusOr<std::string> policy = SerializePolicy(trainer_->Weights());
  if (!policy.ok()) return policy.status();
  Checkpoint checkpoint;
  checkpoint.iteration = iteration;
  checkpoint.policy = *std::move(policy);
  checkpoint.optimizer = trainer_->OptimizerState();
  absl::StatusOr<std::string> sha256 = WriteCheckpoint(checkpoints_, checkpoint);
  if (!sha256.ok()) return sha256.status();
  stats_->checkpoint_bytes =
      static_cast<int64_t>(checkpoint.policy.size() + checkpoint.optimizer.size());
  policies_->Publish(std::move(checkpoint.policy));
  version_ = iteration;
  policy_sha256_ = *std::move(sha256);
  NoteCheckpoint();
  return absl::OkStatus();
}

void LearnerState::NoteCheckpoint() {
  stats_->policy_version = version_;
  stats_->checkpoint_time = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
}

std::optional<v1::LearnRequest> LearnerState::Update(const v1::BeginUpdate& begin,
                                                     const Cancellation& cancellation) {
  const int64_t iteration = begin.plan().iteration();
  if (trainer_ == nullptr) {
    return Fatal(iteration, absl::FailedPreconditionError("the learner has not begun"));
  }
  if (iteration != version_ + 1) {
    return Fatal(iteration, absl::FailedPreconditionError(absl::StrCat(
                                "asked for iteration ", iteration, "; the learner has version ",
                                version_, " and can only learn iteration ", version_ + 1)));
  }
  const Clock::time_point started = Clock::now();
  RowStore::Assembly assembly =
      rows_->Take(iteration, {begin.shards().begin(), begin.shards().end()});
  stats_->assemble.Observe(SecondsSince(started));
  if (!assembly.missing.empty()) return Missing(iteration, assembly.missing);
  const Clock::time_point assembled = Clock::now();
  const absl::StatusOr<UpdateStats> stats =
      trainer_->Update(assembly.batch, MakeUpdateOptions(begin.plan()));
  assembly.batch = RowBatch();
  const double learn_seconds = SecondsSince(assembled);
  if (!stats.ok()) return Fatal(iteration, stats.status());
  stats_->upload.Observe(stats->upload_seconds);
  stats_->learn.Observe(learn_seconds - stats->upload_seconds);
  stats_->minibatches += stats->minibatches;
  stats_->nonfinite_minibatches += stats->skipped_minibatches;
  const double update_seconds = SecondsSince(started);
  if (cancellation.cancelled()) {
    // The coordinator that asked is gone; the next may begin from another iteration.
    trainer_ = nullptr;
    return std::nullopt;
  }
  const Clock::time_point learned = Clock::now();
  if (absl::Status status = Publish(iteration); !status.ok()) return Fatal(iteration, status);
  rows_->Advance(iteration);
  ++stats_->updates;

  v1::LearnRequest request;
  v1::UpdateDone* done = request.mutable_update_done();
  done->set_iteration(iteration);
  done->set_policy_sha256(policy_sha256_);
  FillStats(*stats, done->mutable_stats());
  done->set_update_seconds(update_seconds);
  done->set_checkpoint_seconds(SecondsSince(learned));
  LogInfo("update done", {{"iteration", iteration},
                          {"rows", stats->rows},
                          {"update_seconds", done->update_seconds()},
                          {"upload_seconds", stats->upload_seconds},
                          {"checkpoint_seconds", done->checkpoint_seconds()},
                          {"policy", policy_sha256_}});
  return request;
}

absl::Status LearnerState::Retain(const v1::Retain& retain) {
  const PhaseTimer timer(stats_->retain);
  if (retain.best_iteration() != 0 && retain.best_iteration() != best_) {
    absl::Status status = CopyBestCheckpoint(checkpoints_, retain.best_iteration());
    if (!status.ok()) {
      // It may be there from before.
      const absl::StatusOr<Checkpoint> there = ReadBestCheckpoint(checkpoints_);
      if (!there.ok() || there->iteration != retain.best_iteration()) return status;
    }
    best_ = retain.best_iteration();
  }
  const absl::StatusOr<std::vector<int64_t>> there = ListCheckpoints(checkpoints_);
  if (!there.ok()) return there.status();
  std::set<int64_t> keep(retain.iterations().begin(), retain.iterations().end());
  keep.insert(retain.committed_iteration());
  for (const int64_t iteration : *there) {
    if (iteration > retain.committed_iteration()) keep.insert(iteration);
  }
  return PruneCheckpoints(checkpoints_, keep);
}

v1::LearnRequest LearnerState::Damaged(int64_t iteration, const absl::Status& status) {
  LogError("the checkpoint cannot be loaded", {{"iteration", iteration}, {"error", status}});
  trainer_ = nullptr;
  v1::LearnRequest request;
  v1::CheckpointDamaged* damaged = request.mutable_checkpoint_damaged();
  damaged->set_iteration(iteration);
  damaged->set_message(std::string(status.message()));
  const absl::StatusOr<std::vector<int64_t>> there = ListCheckpoints(checkpoints_);
  if (!there.ok()) return Fatal(iteration, there.status());
  for (const int64_t other : *there) {
    const absl::StatusOr<Checkpoint> checkpoint = ReadCheckpoint(checkpoints_, other);
    if (other == iteration || !checkpoint.ok()) continue;
    v1::CheckpointName* intact = damaged->add_intact();
    intact->set_iteration(other);
    intact->set_policy_sha256(Sha256Hex(checkpoint->policy));
  }
  return request;
}

v1::LearnRequest LearnerState::Fatal(int64_t iteration, const absl::Status& status) {
  trainer_ = nullptr;
  ++stats_->update_failures;
  return Failed(iteration, status);
}

}  // namespace shoal
