#include "tests/metrics/metrics_page.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "actor/actor_metrics.h"
#include "common/metrics/metrics.h"
#include "coordinator/service/run_metrics.h"
#include "learner/learner_metrics.h"

namespace shoal {
namespace {

std::string Table(std::span<const MetricSpec> specs) {
  std::string text = "| name | type | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n";
  for (const MetricSpec& spec : specs) {
    const std::string type = spec.type == MetricType::kHistogram ? "histogram"
                             : spec.type == MetricType::kCounter ? "counter"
                                                                 : "gauge";
    text += "| `" + std::string(spec.name) + "` | " + type + " | " + std::string(spec.unit) + " | " +
            std::string(spec.label) + " | " + std::string(spec.help) + " |\n";
  }
  return text;
}

}  // namespace

std::string MetricsPage() {
  return absl::StrCat(
      "# Metrics\n\n"
      "Made by `build/tests/shoal-metrics-page > docs/METRICS.md` from the tables in the code.\n\n"
      "`shoal train --metrics_port N` serves Prometheus metrics on 127.0.0.1: the coordinator's at "
      "port N, the learner's at N + 1, the actors' from N + 2 on. Each program by itself takes "
      "`--metrics_port` and `--metrics_host`. They are served at /metrics, neither encrypted nor "
      "protected. What was not measured (yet) is left out. Counters begin anew with their process "
      "unless they count since the run began.\n\n"
      "## Every program\n\n",
      Table(ProcessMetrics()), "\n## Coordinator\n\n", Table(RunMetrics()), "\n## Learner\n\n",
      Table(LearnerMetrics()), "\n## Actor\n\n", Table(ActorMetrics()),
      "\nHistograms have the buckets (upper bounds, seconds) ", absl::StrJoin(kSecondsBounds, ", "),
      " and all above; in PromQL they are NAME_bucket, NAME_sum and NAME_count.\n");
}

}  // namespace shoal
