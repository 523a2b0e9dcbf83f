#include "learner/learner_metrics.h"

namespace shoal {
namespace {

constexpr MetricSpec kLearner[] = {
    {"shoal_learner_rows_received_total", MetricType::kCounter, "",
     "Rows that actors pushed, those of streams that were not completed included"},
    {"shoal_learner_received_bytes_total", MetricType::kCounter, "bytes",
     "Bytes of the messages with those rows"},
    {"shoal_learner_chunks_received_total", MetricType::kCounter, "", "Messages with rows"},
    {"shoal_learner_shards_stored_total", MetricType::kCounter, "",
     "Pushes of a shard that were completed"},
    {"shoal_learner_pushes_refused_total", MetricType::kCounter, "",
     "Streams of rows that were refused or cut for what no actor should do; the log says what"},
    {"shoal_learner_push_streams_open", MetricType::kGauge, "", "Streams of rows that are open"},
    {"shoal_learner_push_streams_capacity", MetricType::kGauge, "", "Most that may be open"},
    {"shoal_learner_rows_held", MetricType::kGauge, "", "Rows that wait for their update"},
    {"shoal_learner_rows_capacity", MetricType::kGauge, "",
     "Most rows that all open iterations can have; 0: no run is on"},
    {"shoal_learner_tasks_queued", MetricType::kGauge, "",
     "Messages of the coordinator that wait for the one in work"},
    {"shoal_learner_tasks_capacity", MetricType::kGauge, "", "Most that may wait"},
    {"shoal_learner_policy_version", MetricType::kGauge, "", "Policy version published last"},
    {"shoal_learner_updates_total", MetricType::kCounter, "", "Updates done"},
    {"shoal_learner_update_failures_total", MetricType::kCounter, "",
     "Updates that ended the learner's part in the run"},
    {"shoal_learner_minibatches_total", MetricType::kCounter, "", "Minibatches that made a step"},
    {"shoal_learner_nonfinite_minibatches_total", MetricType::kCounter, "",
     "Minibatches left out because loss or gradient was not finite"},
    {"shoal_learner_checkpoint_timestamp_seconds", MetricType::kGauge, "seconds",
     "When a checkpoint was last written, or found whole when the run was begun from it, since the "
     "Unix epoch"},
    {"shoal_learner_checkpoint_bytes", MetricType::kGauge, "bytes",
     "Size of the checkpoint written last; 0: none yet"},
    {"shoal_learner_in_run", MetricType::kGauge, "",
     "1: the learner has begun a run and its coordinator is there"},
    {"shoal_learner_busy_seconds", MetricType::kGauge, "seconds",
     "How long the task in work has taken so far; 0: none is"},
    {"shoal_learner_phase_seconds", MetricType::kHistogram, "seconds",
     "Time by phase: receive (a shard's rows), wait (for the coordinator), begin, assemble, upload "
     "(to the device), learn (the epochs), checkpoint (publishing included), retain",
     "phase"},
};

}  // namespace

std::span<const MetricSpec> LearnerMetrics() { return kLearner; }

void FillLearnerMetrics(const LearnerStats& stats, const LearnerQueues& queues,
                        MetricValues& values) {
  const auto set = [&](const char* name, auto value) {
    values.Set(name, static_cast<double>(value));
  };
  set("shoal_learner_rows_received_total", stats.rows_received.load());
  set("shoal_learner_received_bytes_total", stats.bytes_received.load());
  set("shoal_learner_chunks_received_total", stats.chunks_received.load());
  set("shoal_learner_shards_stored_total", stats.shards_stored.load());
  set("shoal_learner_pushes_refused_total", stats.pushes_refused.load());
  set("shoal_learner_push_streams_open", stats.streams_open.load());
  set("shoal_learner_push_streams_capacity", queues.streams_capacity);
  set("shoal_learner_rows_held", queues.rows);
  set("shoal_learner_rows_capacity", queues.rows_capacity);
  set("shoal_learner_tasks_queued", queues.tasks);
  set("shoal_learner_tasks_capacity", queues.tasks_capacity);
  set("shoal_learner_policy_version", stats.policy_version.load());
  set("shoal_learner_updates_total", stats.updates.load());
  set("shoal_learner_update_failures_total", stats.update_failures.load());
  set("shoal_learner_minibatches_total", stats.minibatches.load());
  set("shoal_learner_nonfinite_minibatches_total", stats.nonfinite_minibatches.load());
  if (stats.checkpoint_time > 0) {
    set("shoal_learner_checkpoint_timestamp_seconds", stats.checkpoint_time.load());
  }
  set("shoal_learner_checkpoint_bytes", stats.checkpoint_bytes.load());
  set("shoal_learner_in_run", stats.in_run ? 1 : 0);
  set("shoal_learner_busy_seconds", queues.busy_seconds);
  const auto phase = [&](const char* name, const SecondsHistogram& histogram) {
    values.Set("shoal_learner_phase_seconds", name, histogram);
  };
  phase("receive", stats.receive);
  phase("wait", stats.wait);
  phase("begin", stats.begin);
  phase("assemble", stats.assemble);
  phase("upload", stats.upload);
  phase("learn", stats.learn);
  phase("checkpoint", stats.checkpoint);
  phase("retain", stats.retain);
}

}  // namespace shoal
