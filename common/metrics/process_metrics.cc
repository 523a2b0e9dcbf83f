#include "common/metrics/process_metrics.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/rpc_counts.h"

namespace shoal {
namespace {

constexpr MetricSpec kProcess[] = {
    {"shoal_build_info", MetricType::kGauge, "", "1; the labels say which program and build it is",
     "program, version, revision, compiler, build_type"},
    {"process_cpu_seconds_total", MetricType::kCounter, "seconds", "User and system CPU time spent"},
    {"process_open_fds", MetricType::kGauge, "", "Open file descriptors"},
    {"process_max_fds", MetricType::kGauge, "", "Most file descriptors that may be open"},
    {"process_resident_memory_bytes", MetricType::kGauge, "bytes", "Resident memory"},
    {"shoal_heap_bytes", MetricType::kGauge, "bytes",
     "Memory that malloc has given out and not got back; the rest of what is resident is code, stacks "
     "and malloc's own reserve, which stays where threads have once needed it"},
    {"process_virtual_memory_bytes", MetricType::kGauge, "bytes", "Virtual memory"},
    {"process_start_time_seconds", MetricType::kGauge, "seconds",
     "Start of the process, since the Unix epoch"},
    {"process_threads", MetricType::kGauge, "", "Threads"},
    {"shoal_rpc_server_handled_total", MetricType::kCounter, "",
     "gRPC calls answered, by method and gRPC's name of the code; streams count at their end",
     "method, code"},
    {"shoal_rpc_client_handled_total", MetricType::kCounter, "",
     "gRPC calls made, by method and gRPC's name of the code; streams count at their end",
     "method, code"},
    {"shoal_rpc_server_seconds", MetricType::kHistogram, "seconds",
     "From the arrival of a call to the sending of its status; a stream's whole life", "method"},
    {"shoal_rpc_client_seconds", MetricType::kHistogram, "seconds",
     "From the beginning of a call to the receiving of its status; a stream's whole life", "method"},
};

std::string ReadAll(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// When the machine started, seconds since the epoch; 0: unknown.
double BootTime() {
  std::ifstream file("/proc/stat");
  std::string line;
  while (std::getline(file, line)) {
    int64_t seconds = 0;
    if (line.starts_with("btime ") && absl::SimpleAtoi(line.substr(6), &seconds)) {
      return static_cast<double>(seconds);
    }
  }
  return 0;
}

// proc(5): the fields of /proc/self/stat after the program's name, which may hold spaces itself;
// "state", the third, comes first.
void FillFromStat(MetricValues& values) {
  const std::string text = ReadAll("/proc/self/stat");
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return;
  const std::vector<std::string> fields =
      absl::StrSplit(text.substr(name_end + 1), ' ', absl::SkipWhitespace());
  const auto field = [&](size_t number) {
    int64_t value = 0;
    return number - 3 < fields.size() && absl::SimpleAtoi(fields[number - 3], &value)
               ? static_cast<double>(value)
               : 0.0;
  };
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  values.Set("process_cpu_seconds_total", (field(14) + field(15)) / ticks);
  values.Set("process_threads", field(20));
  values.Set("process_virtual_memory_bytes", field(23));
  values.Set("process_resident_memory_bytes",
             field(24) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  static const double boot = BootTime();
  if (boot > 0) values.Set("process_start_time_seconds", boot + field(22) / ticks);
}

void FillRpcs(std::string_view name, const RpcCounts& counts, MetricValues& values) {
  for (const auto& [call, count] : counts) {
    values.Set(name, call.first, call.second, static_cast<double>(count));
  }
}

void FillRpcSeconds(std::string_view name, const RpcSeconds& seconds, MetricValues& values) {
  for (const auto& [method, histogram] : seconds) values.Set(name, method, histogram);
}

}  // namespace

double HeapBytes() {
  const struct mallinfo2 heap = mallinfo2();
  return static_cast<double>(heap.uordblks) + static_cast<double>(heap.hblkhd);
}

std::span<const MetricSpec> ProcessMetrics() { return kProcess; }

void FillProcessMetrics(MetricValues& values) {
  FillFromStat(values);
  values.Set("shoal_heap_bytes", HeapBytes());
  std::error_code error;
  std::filesystem::directory_iterator files("/proc/self/fd", error);
  // One of them is the iterator's own.
  if (!error) {
    values.Set("process_open_fds",
               static_cast<double>(std::distance(begin(files), end(files))) - 1);
  }
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    values.Set("process_max_fds", static_cast<double>(limit.rlim_cur));
  }
  FillRpcs("shoal_rpc_server_handled_total", ServerRpcs(), values);
  FillRpcs("shoal_rpc_client_handled_total", ClientRpcs(), values);
  FillRpcSeconds("shoal_rpc_server_seconds", ServerRpcSeconds(), values);
  FillRpcSeconds("shoal_rpc_client_seconds", ClientRpcSeconds(), values);
}

}  // namespace shoal
