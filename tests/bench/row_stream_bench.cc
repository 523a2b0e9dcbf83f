// Bytes a second through the row stream: from an actor's sender, over gRPC, through the learner's
// checks, into its store; against the checks and the store alone.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/cancellation.h"
#include "actor/row_sender.h"
#include "common/rpc.h"
#include "learner/ingest/row_service.h"
#include "learner/ingest/row_store.h"

namespace shoal {
namespace {

constexpr int kObsDim = 11;
constexpr int kEnvironments = 8;
constexpr int kSteps = 128;
constexpr int kFish = 22;
// Keys, observations, action, log-probability, advantage and return of a row.
constexpr int64_t kRowBytes = 8 + kObsDim * 4 + 1 + 3 * 4;

Rows MakeRows(int fish) {
  Rows rows;
  rows.obs_dim = kObsDim;
  for (int e = 0; e < kEnvironments; ++e) {
    for (int f = 0; f < fish; ++f) {
      for (int t = 0; t < kSteps; ++t) rows.keys.push_back(RowKey(e, f, t));
    }
  }
  const size_t n = rows.keys.size();
  rows.observations.resize(n * kObsDim);
  for (size_t i = 0; i < rows.observations.size(); ++i) rows.observations[i] = 0.001f * (i % 997);
  rows.actions.assign(n, 3);
  rows.log_probs.assign(n, -1.5f);
  rows.advantages.assign(n, 0.25f);
  rows.returns.assign(n, 0.5f);
  return rows;
}

RowShape Shape() {
  RowShape shape;
  shape.run_id = "bench";
  shape.obs_dim = kObsDim;
  shape.num_envs = kEnvironments;
  shape.envs_per_shard = kEnvironments;
  shape.n_steps = kSteps;
  shape.rows_per_step = kFish;
  return shape;
}

v1::RowsHeader Header(const Rows& rows) {
  v1::RolloutRecord record;
  record.set_iteration(1);
  record.set_rows(static_cast<int64_t>(rows.keys.size()));
  record.set_rows_checksum(RowsChecksum(rows));
  return MakeRowsHeader("bench", record, rows.obs_dim);
}

void Push(benchmark::State& state, const std::string& listen) {
  const Rows rows = MakeRows(static_cast<int>(state.range(0)));
  const v1::RowsHeader header = Header(rows);
  RowStore store;
  RowServiceImpl service(&store);
  ServerOptions options;
  options.listen = listen;
  auto server = StartServer(options, {&service});
  if (!server.ok()) {
    state.SkipWithError(std::string(server.status().message()).c_str());
    return;
  }
  auto channel = ConnectChannel((*server)->address());
  auto stub = v1::RowService::NewStub(*channel);
  const Cancellation cancellation;
  for (auto _ : state) {
    store.Open(Shape(), "session", 0);
    auto pushed = PushRows(*stub, header, rows, cancellation);
    if (!pushed.ok()) state.SkipWithError(std::string(pushed.status().message()).c_str());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(rows.keys.size()) * kRowBytes);
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(rows.keys.size()));
}

void BM_PushOverUnixSocket(benchmark::State& state) {
  Push(state, absl::StrCat("unix:/tmp/shoal-row-bench-", getpid(), ".sock"));
}
BENCHMARK(BM_PushOverUnixSocket)->Arg(1)->Arg(kFish)->UseRealTime();

void BM_PushOverLoopback(benchmark::State& state) { Push(state, "127.0.0.1:0"); }
BENCHMARK(BM_PushOverLoopback)->Arg(1)->Arg(kFish)->UseRealTime();

// The same rows without gRPC: chunks filled, checked and stored.
void BM_ChunksAlone(benchmark::State& state) {
  const Rows rows = MakeRows(static_cast<int>(state.range(0)));
  const int64_t total = static_cast<int64_t>(rows.keys.size());
  const int64_t step = RowsPerChunk(kObsDim);
  for (auto _ : state) {
    Rows received;
    received.obs_dim = kObsDim;
    for (int64_t first = 0; first < total; first += step) {
      v1::RowChunk chunk;
      FillChunk(rows, first, std::min(step, total - first), &chunk);
      if (!AppendChunk(chunk, &received).ok()) state.SkipWithError("a chunk was refused");
    }
    benchmark::DoNotOptimize(RowsChecksum(received));
  }
  state.SetBytesProcessed(state.iterations() * total * kRowBytes);
}
BENCHMARK(BM_ChunksAlone)->Arg(1)->Arg(kFish);

}  // namespace
}  // namespace shoal
