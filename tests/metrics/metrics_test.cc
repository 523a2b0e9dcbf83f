// The tables of metrics, their page, and what is served.
#include "common/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <set>

#include "absl/strings/str_cat.h"
#include "actor/actor_metrics.h"
#include "common/files.h"
#include "coordinator/evaluation/measurements.h"
#include "coordinator/service/run_metrics.h"
#include "learner/learner_metrics.h"
#include "tests/metrics/metrics_page.h"
#include "tests/metrics/scrape.h"

namespace shoal {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Metrics, PageIsThatOfTheTables) {
  const auto page = ReadFile("docs/METRICS.md");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(*page, MetricsPage()) << "run build/tests/shoal-metrics-page > docs/METRICS.md";
}

TEST(Metrics, EveryMeasurementOfAnIterationIsInTheTable) {
  std::set<std::string> names;
  for (const MetricSpec& spec : RunMetrics()) {
    EXPECT_TRUE(names.insert(std::string(spec.name)).second) << spec.name << " is there twice";
  }
  for (const std::string& name : MeasurementNames()) {
    EXPECT_EQ(names.count("shoal_iteration_" + name), 1u) << name;
  }
}

RunNumbers SomeNumbers() {
  RunNumbers numbers;
  numbers.status.set_state(v1::RunStatus::STATE_ROLLOUT);
  numbers.iteration.emplace();
  numbers.iteration->survival_rate = 0.75;
  numbers.iteration->update.emplace();
  numbers.evaluation.emplace();
  numbers.gate.emplace();
  numbers.tail_length = 8;
  numbers.leases_ended["done"] = 7;
  return numbers;
}

TEST(Metrics, AScrapeHasTheValuesAndPromtoolLikesIt) {
  MetricsOptions options;
  options.port = FreePorts(1);
  auto server = MetricsServer::Start(options, "test", RunMetrics(), [](MetricValues& values) {
    FillRunMetrics(SomeNumbers(), values);
    values.Set("shoal_in_no_table", 1);
  });
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ((*server)->address(), absl::StrCat("127.0.0.1:", options.port));
  const std::string text = Scrape(options.port).value_or("");
  EXPECT_THAT(text, HasSubstr("shoal_iteration_survival_rate 0.75"));
  EXPECT_THAT(text, HasSubstr("shoal_leases_ended_total{outcome=\"done\"} 7"));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes "));
  EXPECT_THAT(text, HasSubstr("shoal_build_info{program=\"test\""));
  EXPECT_THAT(text, Not(HasSubstr("shoal_in_no_table")));
  if (std::system("command -v promtool >/dev/null") != 0) {
    GTEST_SKIP() << "promtool is not installed: the scrape was not checked with it";
  }
  const std::string file = absl::StrCat(testing::TempDir(), "/shoal-scrape-", getpid());
  // What prometheus-cpp says of itself is not ours to name.
  ASSERT_TRUE(WriteFileAtomically(file, text).ok());
  EXPECT_EQ(std::system(absl::StrCat("grep -v exposer_ ", file, " | promtool check metrics").c_str()), 0)
      << text;
  unlink(file.c_str());
}

TEST(Metrics, LearnerAndActorServeTheirWholeTables) {
  LearnerStats learner;
  learner.checkpoint_time = 7;
  learner.learn.Observe(0.3);
  learner.learn.Observe(700);  // Beyond the last bound.
  ActorStats actor;
  actor.last_result_time = 7;
  MetricValues values;
  FillLearnerMetrics(learner, {}, values);
  FillActorMetrics(actor, 2, values);
  std::vector<MetricSpec> specs(LearnerMetrics().begin(), LearnerMetrics().end());
  specs.insert(specs.end(), ActorMetrics().begin(), ActorMetrics().end());
  for (const MetricSpec& spec : specs) {
    EXPECT_EQ(values.all().count(std::string(spec.name)), 1u) << spec.name;
  }
  EXPECT_EQ(values.all().size(), specs.size());
  MetricsOptions options;
  options.port = FreePorts(1);
  auto server = MetricsServer::Start(options, "test", specs, [&](MetricValues& served) {
    FillLearnerMetrics(learner, {}, served);
    served.Set("shoal_rpc_server_handled_total", "RunService.GetStatus", "OK", 3);
  });
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string text = Scrape(options.port).value_or("");
  const std::string name = "shoal_learner_phase_seconds";
  // A bucket holds those below it, too.
  EXPECT_THAT(text, HasSubstr(name + "_bucket{phase=\"learn\",le=\"0.25\"} 0"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{phase=\"learn\",le=\"0.5\"} 1"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{phase=\"learn\",le=\"600\"} 1"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{phase=\"learn\",le=\"+Inf\"} 2"));
  EXPECT_THAT(text, HasSubstr(name + "_count{phase=\"learn\"} 2"));
  EXPECT_THAT(text, HasSubstr("shoal_rpc_server_handled_total{method=\"RunService.GetStatus\","
                              "code=\"OK\"} 3"));
}

TEST(Metrics, APortInUseIsSaid) {
  MetricsOptions options;
  options.port = FreePorts(1);
  const auto nothing = [](MetricValues&) {};
  auto first = MetricsServer::Start(options, "test", {}, nothing);
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = MetricsServer::Start(options, "test", {}, nothing);
  EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
  options.host = "localhost";
  EXPECT_TRUE(absl::IsInvalidArgument(MetricsServer::Start(options, "t", {}, nothing).status()));
}

TEST(Metrics, NothingIsServedByDefault) {
  auto server = MetricsServer::Start({}, "test", {}, [](MetricValues&) {});
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(*server, nullptr);
}

}  // namespace
}  // namespace shoal
