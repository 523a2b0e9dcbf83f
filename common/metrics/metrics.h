// Metrics for Prometheus: what a program says of itself, computed at every scrape.
//
// Each program has one table of what it serves (MetricSpec), from which docs/METRICS.md is made;
// values are given by name, so that nothing can be served that is not in the table.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "absl/status/statusor.h"
#include "common/metrics/instruments.h"

namespace shoal {

// Histograms are of seconds, with kSecondsBounds.
enum class MetricType { kGauge, kCounter, kHistogram };

struct MetricSpec {
  std::string_view name;
  MetricType type = MetricType::kGauge;
  // A base unit ("seconds", "bytes", "ratio" for shares in 0..1, "steps"), or "" for counts.
  std::string_view unit;
  std::string_view help;
  // The name of its only label, or of two with ", " between; "": none.
  std::string_view label = {};
};

// One scrape's values. Not thread safe.
class MetricValues {
 public:
  struct Sample {
    std::vector<std::string> labels;  // Values, in the order of MetricSpec::label.
    double value = 0;
    SecondsSnapshot seconds = {};  // Instead of the value, where the metric is a histogram.
  };

  // A name that is in no table is left out when the values are served, and logged.
  void Set(std::string_view name, double value) { Add(name, {{}, value}); }
  void Set(std::string_view name, std::string_view label, double value) {
    Add(name, {{std::string(label)}, value});
  }
  void Set(std::string_view name, std::string_view first, std::string_view second, double value) {
    Add(name, {{std::string(first), std::string(second)}, value});
  }
  void Set(std::string_view name, std::string_view label, const SecondsHistogram& histogram) {
    Set(name, label, histogram.snapshot());
  }
  void Set(std::string_view name, std::string_view label, const SecondsSnapshot& seconds) {
    Add(name, {{std::string(label)}, 0, seconds});
  }

  const std::map<std::string, std::vector<Sample>>& all() const { return values_; }

 private:
  void Add(std::string_view name, Sample sample) {
    values_[std::string(name)].push_back(std::move(sample));
  }
  std::map<std::string, std::vector<Sample>> values_;
};

// Memory, CPU time, files, threads, start (under the names that all of Prometheus' clients use), the
// build, and gRPC calls: what every program serves.
std::span<const MetricSpec> ProcessMetrics();

struct MetricsOptions {
  int port = 0;  // 0: nothing is served
  std::string host = "127.0.0.1";
};

// Registers --metrics_port and --metrics_host.
void AddMetricsOptions(CLI::App& app, MetricsOptions& options);

// Serves /metrics until it is destroyed, which may take a second. `fill` is called in the server's
// threads, for one scrape at a time or several; it must be thread safe and everything that it uses
// must outlive the server.
class MetricsServer {
 public:
  virtual ~MetricsServer() = default;

  // "127.0.0.1:9400".
  virtual std::string address() const = 0;

  // Null if the options say that nothing is served. InvalidArgument: the address is no numeric one.
  // Unavailable: it cannot be listened at. `specs` (with static lifetime) are served besides
  // ProcessMetrics(). `program` is a label of shoal_build_info.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(
      const MetricsOptions& options, const std::string& program, std::span<const MetricSpec> specs,
      std::function<void(MetricValues&)> fill);
};

}  // namespace shoal
