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

namespace shoal {

enum class MetricType { kGauge, kCounter };

struct MetricSpec {
  std::string_view name;
  MetricType type = MetricType::kGauge;
  // A base unit ("seconds", "bytes", "ratio" for shares in 0..1, "steps"), or "" for counts.
  std::string_view unit;
  std::string_view help;
  // The name of its only label; "": none.
  std::string_view label = {};
};

// One scrape's values. Not thread safe.
class MetricValues {
 public:
  // A name that is in no table is left out when the values are served, and logged.
  void Set(std::string_view name, double value) { Set(name, "", value); }
  void Set(std::string_view name, std::string_view label, double value) {
    values_[std::string(name)].emplace_back(label, value);
  }

  using Series = std::vector<std::pair<std::string, double>>;  // value of the label, value
  const std::map<std::string, Series>& all() const { return values_; }

 private:
  std::map<std::string, Series> values_;
};

// Memory, CPU time, files, threads, start (under the names that all of Prometheus' clients use) and
// the build: what every program serves.
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
