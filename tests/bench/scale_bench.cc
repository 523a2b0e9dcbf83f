// Actors 1, 2, 4, 8 and 16 against one learner: real coordinator, the tests' learner (its update is a
// checksum of the rows), and simulated actors that wait where real ones compute, as though each had a
// core of its own.
//
//   Scale/actors:N   Counters: rows a second over the committed iterations, the share of their time in
//                    which the learner has no update, bytes a second on the wire to the learner, shares
//                    of a core that learner and coordinator use; and what the model in docs/SCALE.md
//                    needs: rows of an item, items of an iteration, seconds of an item, rows/s of an
//                    update.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/files.h"
#include "coordinator/cli/prepare_run.h"
#include "tests/bench/bench_programs.h"
#include "tests/bench/row_actors.h"
#include "tests/bench/wire_bytes.h"

namespace shoal {
namespace {

constexpr int kItems = 64;
constexpr int kEnvironments = 8;
constexpr absl::Duration kWindow = absl::Seconds(4);
constexpr absl::Duration kPatience = absl::Seconds(20);

v1::RunOptions Options(const RowActorsOptions& actors) {
  v1::RunOptions options;
  options.set_run_name("bench");
  options.set_curriculum("22:1000000");
  options.set_num_envs(kItems * kEnvironments);
  options.set_envs_per_shard(kEnvironments);
  options.set_n_steps(actors.n_steps);
  options.set_policy_hidden_sizes("64,64");
  options.set_include_neighbor_features(false);
  options.set_train_fish_per_env(actors.fish);
  options.set_policy_lag(1);
  options.set_multi_eval_interval(0);
  options.set_skip_final_eval(true);
  options.set_checkpoint_interval(1000000);
  return options;
}

// Sums over the lines of metrics.csv.
struct Iterations {
  int64_t count = 0;
  double rows = 0, wall_seconds = 0, update_seconds = 0;
};

Iterations Read(const std::string& run_dir) {
  Iterations sums;
  const std::string text = ReadFile(run_dir + "/metrics.csv").value_or("");
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  if (lines.empty()) return sums;
  const std::vector<std::string> names = absl::StrSplit(lines[0], ',');
  // The first iteration begins with the programs' start.
  for (size_t i = 2; i < lines.size(); ++i) {
    const std::vector<absl::string_view> cells = absl::StrSplit(lines[i], ',');
    if (cells.size() != names.size()) continue;
    std::map<std::string, double> of;
    for (size_t c = 0; c < cells.size(); ++c) {
      if (double value; absl::SimpleAtod(cells[c], &value)) of[names[c]] = value;
    }
    if (of["rows_per_second"] <= 0) continue;
    ++sums.count;
    sums.rows += of["rows"];
    sums.wall_seconds += of["rows"] / of["rows_per_second"];
    sums.update_seconds += of["update_seconds"];
  }
  return sums;
}

int Port(const std::string& address) {
  int port = 0;
  const size_t colon = address.rfind(':');
  return colon != std::string::npos && absl::SimpleAtoi(address.substr(colon + 1), &port) ? port : 0;
}

// The learner listens on a free port, which its log says.
int LearnerPort(const std::string& log) {
  const std::string text = ReadFile(log).value_or("");
  const size_t at = text.find("address=127.0.0.1:");
  if (at == std::string::npos) return 0;
  return Port(text.substr(at, text.find_first_of(" \n", at) - at));
}

absl::Status Measure(benchmark::State& state, const std::string& folder) {
  RowActorsOptions options;
  options.actors = static_cast<int>(state.range(0));
  RunRequest request;
  request.out = folder + "/runs";
  request.command_line = Options(options);
  const auto run_dir = PrepareRun(request);
  if (!run_dir.ok()) return run_dir.status();
  const auto coordinator = StartCoordinator(folder, *run_dir, "127.0.0.1:0", -1, &options.address);
  if (!coordinator.ok()) return coordinator.status();
  const std::string learner_log = folder + "/learner.log";
  const auto learner = StartProgram(
      folder, "learner",
      {"tests/shoal-fake-learner", "--coordinator=" + options.address, "--listen=127.0.0.1:0",
       "--run_dir=" + *run_dir, "--log=" + learner_log});
  if (!learner.ok()) return learner.status();
  RowActors actors(options);
  const auto working = [&](const Iterations& since, int64_t more) -> absl::StatusOr<Iterations> {
    const absl::Time deadline = absl::Now() + kPatience;
    while (true) {
      const Iterations now = Read(*run_dir);
      if (now.count >= since.count + more) return now;
      if (absl::Status status = actors.status(); !status.ok()) return status;
      if (absl::Now() > deadline) return absl::DeadlineExceededError("no iteration is committed");
      absl::SleepFor(absl::Milliseconds(5));
    }
  };
  const auto before = working({}, 1);
  if (!before.ok()) return before.status();
  const pid_t pid = (*coordinator)->pid(), learner_pid = (*learner)->pid();
  const int port = LearnerPort(learner_log);
  const double cpu = CpuSeconds(pid), learner_cpu = CpuSeconds(learner_pid);
  const int64_t wire = TcpBytesSent(port);
  const absl::Time begin = absl::Now();
  absl::SleepFor(kWindow);
  const auto after = working(*before, 2);
  if (!after.ok()) return after.status();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);

  const double rows = after->rows - before->rows;
  const double wall = after->wall_seconds - before->wall_seconds;
  const double update = after->update_seconds - before->update_seconds;
  state.SetIterationTime(seconds);
  state.counters["rows_per_second"] = rows / wall;
  state.counters["learner_wait_share"] = 1 - update / wall;
  state.counters["wire_bytes_per_second"] = static_cast<double>(TcpBytesSent(port) - wire) / seconds;
  state.counters["coordinator_cpu_share"] = (CpuSeconds(pid) - cpu) / seconds;
  state.counters["learner_cpu_share"] = (CpuSeconds(learner_pid) - learner_cpu) / seconds;
  state.counters["rows_per_item"] = kEnvironments * options.n_steps * options.fish;
  state.counters["items"] = kItems;
  state.counters["hold_seconds"] = absl::ToDoubleSeconds(options.hold);
  state.counters["update_rows_per_second"] = rows / std::max(update, 1e-9);
  return actors.status();
}

void Scale(benchmark::State& state) {
  for (auto _ : state) {
    const BenchFolder folder;
    const absl::Status status = Measure(state, folder.path());
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  }
}
BENCHMARK(Scale)
    ->ArgName("actors")
    ->RangeMultiplier(2)
    ->Range(1, 16)
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kSecond);

}  // namespace
}  // namespace shoal
