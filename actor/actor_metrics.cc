#include "actor/actor_metrics.h"

namespace shoal {
namespace {

constexpr MetricSpec kActor[] = {
    {"shoal_actor_items_done_total", MetricType::kCounter, "", "Items computed and sent",
     "kind"},
    {"shoal_actor_items_failed_total", MetricType::kCounter, "", "Items that failed; the log says why"},
    {"shoal_actor_items_dropped_total", MetricType::kCounter, "",
     "Items that nobody wanted any more when they were done: the coordinator was lost"},
    {"shoal_actor_rows_sent_total", MetricType::kCounter, "", "Rows sent to the learner"},
    {"shoal_actor_sent_bytes_total", MetricType::kCounter, "bytes",
     "Bytes of the messages with those rows"},
    {"shoal_actor_environment_steps_total", MetricType::kCounter, "", "Steps of environments in rollouts"},
    {"shoal_actor_push_streams_open", MetricType::kGauge, "", "Streams of rows that are open"},
    {"shoal_actor_policy_version", MetricType::kGauge, "", "Policy version of the last rollout begun"},
    {"shoal_actor_connected", MetricType::kGauge, "", "1: a coordinator has welcomed it and is there"},
    {"shoal_actor_leases_waiting", MetricType::kGauge, "", "Leases that wait for those in work"},
    {"shoal_actor_leases_capacity", MetricType::kGauge, "", "Most that may wait"},
    {"shoal_actor_last_result_timestamp_seconds", MetricType::kGauge, "seconds",
     "When it last sent a result, since the Unix epoch"},
    {"shoal_actor_phase_seconds", MetricType::kHistogram, "seconds",
     "Time by phase: wait (for a lease), fetch (the policy), rollout, evaluate, push (rows)",
     "phase"},
};

}  // namespace

std::span<const MetricSpec> ActorMetrics() { return kActor; }

void FillActorMetrics(const ActorStats& stats, int64_t lease_capacity, MetricValues& values) {
  const auto set = [&](const char* name, auto value) {
    values.Set(name, static_cast<double>(value));
  };
  const auto done = [&](const char* kind, int64_t count) {
    values.Set("shoal_actor_items_done_total", kind, static_cast<double>(count));
  };
  done("rollout", stats.rollouts);
  done("evaluation", stats.evaluations);
  set("shoal_actor_items_failed_total", stats.failures.load());
  set("shoal_actor_items_dropped_total", stats.dropped.load());
  set("shoal_actor_rows_sent_total", stats.rows_sent.load());
  set("shoal_actor_sent_bytes_total", stats.bytes_sent.load());
  set("shoal_actor_environment_steps_total", stats.environment_steps.load());
  set("shoal_actor_push_streams_open", stats.pushes_open.load());
  set("shoal_actor_policy_version", stats.policy_version.load());
  set("shoal_actor_connected", stats.connected ? 1 : 0);
  set("shoal_actor_leases_waiting", stats.waiting.load());
  set("shoal_actor_leases_capacity", lease_capacity);
  if (stats.last_result_time > 0) {
    set("shoal_actor_last_result_timestamp_seconds", stats.last_result_time.load());
  }
  const auto phase = [&](const char* name, const SecondsHistogram& histogram) {
    values.Set("shoal_actor_phase_seconds", name, histogram);
  };
  phase("wait", stats.wait);
  phase("fetch", stats.fetch);
  phase("rollout", stats.rollout);
  phase("evaluate", stats.evaluate);
  phase("push", stats.push);
}

}  // namespace shoal
