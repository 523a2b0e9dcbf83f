// Rows a second through both networks of a policy, on one thread, for both backends and for the
// forms of the fused kernel; and through the choice of actions.
#include <benchmark/benchmark.h>

#include <string>
#include <utility>
#include <vector>

#include "actor/policy/backend.h"
#include "actor/policy/fused_backend.h"
#include "actor/policy/sampling.h"
#include "tests/policy/random_policy.h"

namespace shoal {
namespace {

using MadeBackend = absl::StatusOr<std::unique_ptr<PolicyBackend>>;

PolicyWeights BenchPolicy(int64_t width) {
  const int hidden = static_cast<int>(width);
  return RandomPolicy({hidden, hidden}, true, Activation::kTanh, 1);
}

// Arguments: width of the two hidden layers, rows.
void Infer(benchmark::State& state, MadeBackend (*create)(const PolicyWeights&)) {
  const PolicyWeights weights = BenchPolicy(state.range(0));
  const int64_t rows = state.range(1);
  MadeBackend backend = create(weights);
  if (!backend.ok()) {
    state.SkipWithError(backend.status().ToString().c_str());
    return;
  }
  const std::vector<float> observations = TestRandom(2).Values(rows * weights.obs_dim, 1.0f);
  std::vector<float> logits(rows * kPolicyActions), values(rows);
  for (auto _ : state) {
    (*backend)->Logits(observations.data(), rows, logits.data());
    (*backend)->Values(observations.data(), rows, values.data());
    benchmark::DoNotOptimize(logits.data());
    benchmark::DoNotOptimize(values.data());
  }
  state.SetItemsProcessed(state.iterations() * rows);
  state.SetLabel((*backend)->kernel_id());
}

template <KernelPath path>
MadeBackend CreatePath(const PolicyWeights& weights) {
  return CreateFusedBackend(weights, path);
}
MadeBackend CreateFused(const PolicyWeights& weights) { return CreateBackend("fused", weights); }
MadeBackend CreateTorch(const PolicyWeights& weights) { return CreateBackend("torch", weights); }

void Sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgsProduct({{64, 384}, {8, 64, 176, 400}});
}

BENCHMARK_CAPTURE(Infer, fused, CreateFused)->Apply(Sizes);
BENCHMARK_CAPTURE(Infer, fused_avx2, CreatePath<KernelPath::kAvx2>)->Apply(Sizes);
BENCHMARK_CAPTURE(Infer, fused_portable, CreatePath<KernelPath::kPortable>)->Args({64, 64});
BENCHMARK_CAPTURE(Infer, torch, CreateTorch)->Apply(Sizes);

void Sample(benchmark::State& state) {
  const int64_t rows = state.range(0);
  TestRandom random(3);
  const std::vector<float> logits = random.Values(rows * kPolicyActions, 3.0f);
  std::vector<float> uniforms(rows), log_probs(rows);
  for (float& uniform : uniforms) uniform = random.Uniform();
  std::vector<uint8_t> actions(rows);
  for (auto _ : state) {
    SampleActions(logits.data(), uniforms.data(), rows, actions.data(), log_probs.data());
    benchmark::DoNotOptimize(actions.data());
    benchmark::DoNotOptimize(log_probs.data());
  }
  state.SetItemsProcessed(state.iterations() * rows);
}
BENCHMARK(Sample)->Arg(8)->Arg(400);

}  // namespace
}  // namespace shoal
