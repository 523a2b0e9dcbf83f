#include "common/metrics/metrics.h"

#include <arpa/inet.h>
#include <prometheus/client_metric.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <atomic>
#include <exception>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/logging.h"
#include "common/metrics/process_metrics.h"
#include "common/version.h"

namespace shoal {
namespace {

using prometheus::MetricFamily;

// Prometheus' buckets hold those below, too.
void FillHistogram(const SecondsSnapshot& seconds, prometheus::ClientMetric::Histogram& histogram) {
  uint64_t count = 0;
  for (size_t i = 0; i < seconds.counts.size(); ++i) {
    count += seconds.counts[i];
    const double bound =
        i < kSecondsBounds.size() ? kSecondsBounds[i] : std::numeric_limits<double>::infinity();
    histogram.bucket.push_back({count, bound});
  }
  histogram.sample_count = count;
  histogram.sample_sum = seconds.sum;
}

prometheus::ClientMetric ToMetric(const MetricSpec& spec, const MetricValues::Sample& sample) {
  prometheus::ClientMetric metric;
  if (!spec.label.empty()) {
    const std::vector<std::string> names = absl::StrSplit(std::string(spec.label), ", ");
    for (size_t i = 0; i < names.size() && i < sample.labels.size(); ++i) {
      metric.label.push_back({names[i], sample.labels[i]});
    }
  }
  switch (spec.type) {
    case MetricType::kCounter:
      metric.counter.value = sample.value;
      break;
    case MetricType::kGauge:
      metric.gauge.value = sample.value;
      break;
    case MetricType::kHistogram:
      FillHistogram(sample.seconds, metric.histogram);
  }
  return metric;
}

prometheus::MetricType ToType(MetricType type) {
  if (type == MetricType::kHistogram) return prometheus::MetricType::Histogram;
  return type == MetricType::kCounter ? prometheus::MetricType::Counter
                                      : prometheus::MetricType::Gauge;
}

MetricFamily ToFamily(const MetricSpec& spec) {
  MetricFamily family;
  family.name = spec.name;
  family.help = spec.help;
  family.type = ToType(spec.type);
  return family;
}

class Collector : public prometheus::Collectable {
 public:
  Collector(const std::string& program, std::span<const MetricSpec> specs,
            std::function<void(MetricValues&)> fill)
      : program_(program), fill_(std::move(fill)) {
    for (const auto& list : {ProcessMetrics(), specs}) {
      for (const MetricSpec& spec : list) specs_.emplace(spec.name, spec);
    }
  }

  std::vector<MetricFamily> Collect() const override {
    MetricValues values;
    FillProcessMetrics(values);
    fill_(values);
    std::vector<MetricFamily> families = {BuildInfoFamily()};
    for (const auto& [name, series] : values.all()) {
      const auto spec = specs_.find(name);
      if (spec == specs_.end()) {
        // Once is enough: it would come again with every scrape.
        if (!complained_.exchange(true)) LogError("a metric is in no table", {{"name", name}});
        continue;
      }
      MetricFamily family = ToFamily(spec->second);
      for (const MetricValues::Sample& sample : series) {
        family.metric.push_back(ToMetric(spec->second, sample));
      }
      families.push_back(std::move(family));
    }
    return families;
  }

 private:
  MetricFamily BuildInfoFamily() const {
    const BuildInfo& build = GetBuildInfo();
    MetricFamily family = ToFamily(specs_.at("shoal_build_info"));
    prometheus::ClientMetric metric;
    metric.label = {{"program", program_},
                    {"version", build.version},
                    {"revision", build.revision},
                    {"compiler", build.compiler},
                    {"build_type", build.build_type}};
    metric.gauge.value = 1;
    family.metric.push_back(std::move(metric));
    return family;
  }

  const std::string program_;
  const std::function<void(MetricValues&)> fill_;
  std::map<std::string, MetricSpec, std::less<>> specs_;
  mutable std::atomic<bool> complained_ = false;
};

// Two threads: a scrape that hangs must not keep the next one out.
class PrometheusServer : public MetricsServer {
 public:
  PrometheusServer(const std::string& host, const std::string& bind, std::shared_ptr<Collector> all)
      : host_(host), collector_(std::move(all)), exposer_(bind, 2) {
    exposer_.RegisterCollectable(collector_);
  }
  std::string address() const override {
    const std::vector<int> ports = exposer_.GetListeningPorts();
    return absl::StrCat(host_, ":", ports.empty() ? 0 : ports.front());
  }

 private:
  const std::string host_;
  const std::shared_ptr<Collector> collector_;
  prometheus::Exposer exposer_;  // Last: its threads use the collector.
};

}  // namespace

void AddMetricsOptions(CLI::App& app, MetricsOptions& options) {
  app.add_option("--metrics_port", options.port, "serve Prometheus metrics at this port; 0: do not")
      ->check(CLI::Range(0, 65535))
      ->type_name("PORT")
      ->capture_default_str();
  app.add_option("--metrics_host", options.host,
                 "where metrics are served: an IPv4 address of this machine. They are neither "
                 "encrypted nor protected: 0.0.0.0 shows them to all that can connect")
      ->type_name("ADDRESS")
      ->capture_default_str();
}

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const MetricsOptions& options, const std::string& program, std::span<const MetricSpec> specs,
    std::function<void(MetricValues&)> fill) {
  if (options.port == 0) return nullptr;
  in_addr parsed;
  if (inet_pton(AF_INET, options.host.c_str(), &parsed) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("--metrics_host ", options.host,
                                                   ": give an IPv4 address, such as 127.0.0.1"));
  }
  const std::string bind = absl::StrCat(options.host, ":", options.port);
  auto collector = std::make_shared<Collector>(program, specs, std::move(fill));
  try {
    std::unique_ptr<MetricsServer> server =
        std::make_unique<PrometheusServer>(options.host, bind, std::move(collector));
    LogInfo("serving metrics", {{"address", server->address()}});
    return server;
  } catch (const std::exception& error) {
    return absl::UnavailableError(
        absl::StrCat("--metrics_port ", options.port, ": metrics cannot be served at ", bind, " (",
                     error.what(), "); is the port in use? Give another, or 0 for none"));
  }
}

}  // namespace shoal
