// How fast the learner learns, next to the matrix product it is made of.
//
//   Update/WIDTH/BATCH/THREADS   one update of 64 minibatches; counters: seconds a step, rows and
//                                floating-point operations of matrix products a second.
//   MatrixProduct/WIDTH/THREADS  256 rows times a square weight, as large as a slice's.
//
// The share of the machine's peak is Update's flops over MatrixProduct's with as many threads.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <c10/core/InferenceMode.h>

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "benchmark/benchmark.h"
#include "learner/ppo/trainer.h"
#include "learner/ppo/worker_pool.h"

namespace shoal {
namespace {

constexpr int64_t kMinibatches = 64;

RowBatch MakeRows(int64_t rows, int obs_dim) {
  std::mt19937 random(1);
  const auto uniform = [&] { return static_cast<float>(random() >> 8) * 0x1p-24f - 0.5f; };
  RowBatch batch;
  batch.rows = rows;
  batch.obs_dim = obs_dim;
  batch.observations.resize(rows * obs_dim);
  for (float& value : batch.observations) value = uniform();
  for (int64_t i = 0; i < rows; ++i) {
    batch.actions.push_back(random() % kPolicyActions);
    batch.log_probs.push_back(-1.6f);
    batch.advantages.push_back(uniform());
    batch.returns.push_back(uniform());
  }
  return batch;
}

void Update(benchmark::State& state) {
  const int width = static_cast<int>(state.range(0));
  TrainerOptions options;
  options.obs_dim = kPolicyObservation;
  options.include_neighbor_features = false;
  options.hidden_sizes = {width, width};
  options.activation = width < 128 ? Activation::kRelu : Activation::kTanh;  // As in the presets.
  options.batch_size = state.range(1);
  options.n_epochs = 1;
  options.device = "cpu";
  options.threads = static_cast<int>(state.range(2));
  auto trainer = PpoTrainer::Create(options);
  if (!trainer.ok()) {
    state.SkipWithError(trainer.status().ToString().c_str());
    return;
  }
  const RowBatch batch = MakeRows(kMinibatches * options.batch_size, options.obs_dim);
  int64_t iteration = 0;
  for (auto _ : state) {
    const auto stats = (*trainer)->Update(batch, {++iteration, 1e-4, 0.01});
    if (!stats.ok()) state.SkipWithError(stats.status().ToString().c_str());
  }
  // Forward, weight gradient and input gradient; the last not for the first layer.
  const double hidden = double{1} * width * width;
  const double heads = width * (kPolicyActions + 1.0);
  const double flops = 2 * (3 * (2 * hidden + heads) + 2 * 2 * options.obs_dim * width);
  const double steps = static_cast<double>(state.iterations()) * kMinibatches;
  state.counters["step"] =
      benchmark::Counter(steps, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["rows"] =
      benchmark::Counter(steps * options.batch_size, benchmark::Counter::kIsRate);
  state.counters["flops"] =
      benchmark::Counter(steps * options.batch_size * flops, benchmark::Counter::kIsRate);
}
BENCHMARK(Update)
    ->ArgNames({"width", "batch", "threads"})
    ->ArgsProduct({{64}, {512}, {1, 2}})
    ->ArgsProduct({{384}, {1024}, {1, 2}})
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

void MatrixProduct(benchmark::State& state) {
  constexpr int64_t kRows = 256;
  constexpr int64_t kProducts = 64;
  const int64_t width = state.range(0);
  const int threads = static_cast<int>(state.range(1));
  at::set_num_threads(1);
  WorkerPool pool(threads, [] { at::set_num_threads(1); });
  std::vector<at::Tensor> left, right, out;
  for (int i = 0; i < threads; ++i) {
    left.push_back(at::ones({kRows, width}));
    right.push_back(at::ones({width, width}));
    out.push_back(at::empty({kRows, width}));
  }
  for (auto _ : state) {
    pool.Run(threads, [&](int64_t task, int) {
      c10::InferenceMode no_gradients;
      for (int64_t i = 0; i < kProducts; ++i) at::mm_out(out[task], left[task], right[task]);
    });
  }
  state.counters["flops"] =
      benchmark::Counter(2.0 * state.iterations() * threads * kProducts * kRows * width * width,
                         benchmark::Counter::kIsRate);
}
BENCHMARK(MatrixProduct)
    ->ArgNames({"width", "threads"})
    ->ArgsProduct({{64, 384}, {1, 2}})
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace shoal
