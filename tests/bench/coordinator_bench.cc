// Leases a second through the real coordinator, on one processor of its own, from simulated actors
// that have a connection each; and how long one of them waits for its next lease.
//
//   Leases/actors:N/rate:R   R leases a second are asked for (0: as many as there can be). Counters:
//                            leases a second, p50 and p99 of a lease in seconds, CPU seconds of the
//                            coordinator a lease, and its memory in MiB.
//   BareLeases/...           the same from a server with nothing behind it: what gRPC costs.
//   LoopLeases/actors:N      the run loop in one thread without gRPC: what the coordinator's own work
//                            costs. Counters: seconds of events, of commits and of both a lease.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "common/files.h"
#include "common/logging.h"
#include "common/mutexes.h"
#include "coordinator/cli/prepare_run.h"
#include "tests/bench/bare_leases.h"
#include "tests/bench/bench_programs.h"
#include "tests/bench/loop_leases.h"
#include "tests/bench/simulated_peers.h"

namespace shoal {
namespace {

constexpr int kProcessor = 0;
constexpr int kShards = 4000;
constexpr absl::Duration kWarmUp = absl::Seconds(1);
constexpr absl::Duration kWindow = absl::Seconds(4);
constexpr int kLoopIterations = 8;
// Of a shard of `school`.
constexpr int kStateBytes = 3500;
// The argument that makes this program the bare server.
constexpr char kServe[] = "--serve_bare_leases";

// Of shards as `school` has them, and so many that there is an item for everybody.
v1::RunOptions ManyShards() {
  v1::RunOptions options;
  options.set_run_name("bench");
  options.set_curriculum("22:1000000");
  options.set_num_envs(kShards * 8);
  options.set_envs_per_shard(8);
  options.set_n_steps(128);
  options.set_policy_hidden_sizes("64,64");
  options.set_policy_lag(1);
  options.set_multi_eval_interval(0);
  options.set_skip_final_eval(true);
  options.set_checkpoint_interval(1000000);
  return options;
}

double Percentile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<int64_t>(share * (values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

using Server = absl::StatusOr<std::unique_ptr<Subprocess>>;

absl::StatusOr<std::string> Prepare(const std::string& folder) {
  RunRequest request;
  request.out = folder + "/runs";
  request.command_line = ManyShards();
  return PrepareRun(request);
}

Server Coordinator(const std::string& folder, std::string* address) {
  const auto run_dir = Prepare(folder);
  if (!run_dir.ok()) return run_dir.status();
  return StartCoordinator(folder, *run_dir, "127.0.0.1:0", kProcessor, address);
}

Server BareServer(const std::string& folder, std::string* address) {
  auto server = StartProgram(folder, "bare", {"bench/coordinator_bench", kServe}, "\n", kProcessor);
  if (!server.ok()) return server;
  auto line = ReadFile(folder + "/bare.out");
  if (!line.ok()) return line.status();
  absl::StripAsciiWhitespace(&*line);
  *address = line->substr(line->rfind(' ') + 1);
  return server;
}

absl::Status Measure(benchmark::State& state, Server (*start)(const std::string&, std::string*),
                     const std::string& folder) {
  SimulatedActorsOptions options;
  options.state_bytes = kStateBytes;
  const auto server = start(folder, &options.address);
  if (!server.ok()) return server.status();
  const pid_t pid = (*server)->pid();
  options.actors = static_cast<int>(state.range(0));
  const int64_t rate = state.range(1);
  if (rate > 0) options.hold = absl::Seconds(1) * options.actors / rate;
  SimulatedActors actors(options);
  if (absl::Status status = actors.AwaitWelcome(absl::Now() + absl::Seconds(30)); !status.ok()) {
    return status;
  }
  std::optional<SimulatedLearner> learner;
  if (start == Coordinator) learner.emplace(options.address);
  absl::SleepFor(kWarmUp);

  const double cpu = CpuSeconds(pid), own = OwnCpuSeconds();
  const absl::Time begin = absl::Now();
  actors.Begin();
  absl::SleepFor(kWindow);
  LeaseFigures figures;
  absl::Status status = actors.Take(&figures);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  if (status.ok() && figures.latencies.empty()) status = absl::UnavailableError("no leases came");
  const double leases = static_cast<double>(std::max<int64_t>(1, figures.grants));
  state.SetIterationTime(seconds);
  state.counters["leases_per_second"] = leases / seconds;
  state.counters["p50_seconds"] = Percentile(figures.latencies, 0.5);
  state.counters["p99_seconds"] = Percentile(figures.latencies, 0.99);
  state.counters["cpu_seconds_per_lease"] = (CpuSeconds(pid) - cpu) / leases;
  state.counters["cpu_share"] = (CpuSeconds(pid) - cpu) / seconds;
  state.counters["peers_cpu_share"] = (OwnCpuSeconds() - own) / seconds;
  state.counters["memory_mib"] = ResidentMib(pid);
  return status;
}

void Run(benchmark::State& state, Server (*start)(const std::string&, std::string*)) {
  for (auto _ : state) {
    const BenchFolder folder;
    const absl::Status status = Measure(state, start, folder.path());
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  }
}

void Leases(benchmark::State& state) { Run(state, Coordinator); }
BENCHMARK(Leases)
    ->ArgNames({"actors", "rate"})
    ->Args({100, 0})
    ->Args({1000, 0})
    ->Args({1000, 2500})
    ->Args({1000, 5000})
    ->Args({1000, 10000})
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kSecond);

void BareLeases(benchmark::State& state) { Run(state, BareServer); }
BENCHMARK(BareLeases)
    ->ArgNames({"actors", "rate"})
    ->Args({1000, 0})
    ->Args({1000, 2500})
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kSecond);

void LoopLeases(benchmark::State& state) {
  for (auto _ : state) {
    const BenchFolder folder;
    const auto run_dir = Prepare(folder.path());
    LoopLeaseFigures figures;
    absl::Status status = run_dir.status();
    if (status.ok()) {
      status = RunLoopLeases(*run_dir, static_cast<int>(state.range(0)), kLoopIterations, kStateBytes,
                             &figures);
    }
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
    const double leases = static_cast<double>(std::max<int64_t>(1, figures.leases));
    state.SetIterationTime(figures.events + figures.commits);
    state.counters["event_seconds_per_lease"] = figures.events / leases;
    state.counters["commit_seconds_per_lease"] = figures.commits / leases;
    state.counters["cpu_seconds_per_lease"] = (figures.events + figures.commits) / leases;
  }
}
BENCHMARK(LoopLeases)->ArgName("actors")->Arg(1000)->Iterations(1)->UseManualTime()->Unit(benchmark::kSecond);

}  // namespace
}  // namespace shoal

int main(int argc, char** argv) {
  // Each actor is a descriptor.
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  shoal::SetUpMutexes();
  if (argc == 2 && argv[1] == std::string_view(shoal::kServe)) {
    const absl::Status status = shoal::ServeBareLeases("127.0.0.1:0", shoal::kStateBytes);
    std::cerr << status << std::endl;
    return 1;
  }
  // Before gRPC starts threads.
  shoal::KeepOff(shoal::kProcessor);
  // The run loop's lines are not those of a benchmark.
  shoal::LogOptions logging;
  logging.level = shoal::LogLevel::kWarning;
  if (!shoal::SetUpLogging(logging).ok()) return 1;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
