// How fast the learner learns, next to the matrix products it is made of.
//
//   Update/WIDTH/BATCH/THREADS   updates of 8 or 32 minibatches, some hundredths of a second. After
//                                each as many threads compute single-precision matrix products, one
//                                thread each: squares of 1024, on which the machine's best is seen,
//                                and 256 rows times a square weight, as large as a slice's.
// Counters: seconds a step (the median over updates, and the least), rows a second, and shares: the
// floating-point operations a second of the update, counting those of its matrix products alone,
// over those of the squares (`share`) or of the slices' products (`share_of_slices`) computed right
// after it. What both suffer from, a neighbour on the machine or its clock, drops out of a share;
// the median of all is reported. `peak`: the squares' operations a second.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "benchmark/benchmark.h"
#include "learner/ppo/trainer.h"
#include "learner/ppo/worker_pool.h"

namespace shoal {
namespace {

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

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// [rows, width] times [width, width] on each thread of a pool, all at once.
class Products {
 public:
  Products(int threads, int64_t rows, int64_t width)
      : rows_(rows), width_(width), pool_(threads, [] { at::set_num_threads(1); }) {
    for (int i = 0; i < threads; ++i) {
      left_.push_back(at::ones({rows, width}));
      right_.push_back(at::ones({width, width}));
      out_.push_back(at::empty({rows, width}));
    }
  }

  // Floating-point operations a second over about as long as `seconds`.
  double Measure(double seconds) {
    at::set_num_threads(1);
    if (rate_ == 0) rate_ = Run(1);
    const double products = seconds * rate_ / (pool_.threads() * FlopsOfOne());
    return rate_ = Run(std::max<int64_t>(1, static_cast<int64_t>(products)));
  }

 private:
  double FlopsOfOne() const { return 2.0 * rows_ * width_ * width_; }

  double Run(int64_t products) {
    const auto begin = std::chrono::steady_clock::now();
    // Given out one by one: a thread that the machine holds up does not hold up the other's share.
    pool_.Run(products * pool_.threads(), [&](int64_t, int worker) {
      c10::InferenceMode no_gradients;
      at::mm_out(out_[worker], left_[worker], right_[worker]);
    });
    return products * pool_.threads() * FlopsOfOne() / SecondsSince(begin);
  }

  const int64_t rows_;
  const int64_t width_;
  WorkerPool pool_;
  std::vector<at::Tensor> left_, right_, out_;
  double rate_ = 0;
};

// Of the matrix products of one row: forward, weight gradient and, but for the first layer, input
// gradient, in both networks.
double FlopsOfRow(int obs_dim, double width) {
  const double heads = width * (kPolicyActions + 1.0);
  return 2 * (3 * (2 * width * width + heads) + 2 * 2 * obs_dim * width);
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
  const int64_t minibatches = width < 128 ? 32 : 8;  // Some hundredths of a second.
  const RowBatch batch = MakeRows(minibatches * options.batch_size, options.obs_dim);
  const double flops = FlopsOfRow(options.obs_dim, width) * batch.rows;
  Products squares(options.threads, 1024, 1024);
  Products slices(options.threads, 256, width);
  std::vector<double> seconds, shares, shares_of_slices, peaks;
  int64_t iteration = 0;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    const auto stats = (*trainer)->Update(batch, {++iteration, 1e-4, 0.01});
    seconds.push_back(SecondsSince(begin));
    state.SetIterationTime(seconds.back());
    if (!stats.ok()) state.SkipWithError(stats.status().ToString().c_str());
    // As long as the update itself, together.
    peaks.push_back(squares.Measure(seconds.back() / 2));
    shares.push_back(flops / seconds.back() / peaks.back());
    shares_of_slices.push_back(flops / seconds.back() / slices.Measure(seconds.back() / 2));
  }
  state.counters["step"] = Median(seconds) / minibatches;
  state.counters["step_least"] = *std::min_element(seconds.begin(), seconds.end()) / minibatches;
  state.counters["rows"] = batch.rows / Median(seconds);
  state.counters["share"] = Median(shares);
  state.counters["share_of_slices"] = Median(shares_of_slices);
  state.counters["peak"] = Median(peaks);
}
BENCHMARK(Update)
    ->ArgNames({"width", "batch", "threads"})
    ->ArgsProduct({{64}, {512}, {1, 2}})
    ->ArgsProduct({{384}, {1024}, {1, 2}})
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime();

}  // namespace
}  // namespace shoal
