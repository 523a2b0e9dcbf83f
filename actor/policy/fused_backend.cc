#include "actor/policy/fused_backend.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "actor/policy/fused_layer.h"

namespace shoal {
namespace {

// To be changed with anything that changes a bit of the results.
constexpr char kKernelId[] = "shoal-fused-1";
constexpr char kPathVariable[] = "SHOAL_KERNEL";

// Rows that go through a whole network together: few enough for their hidden values to stay in the
// second-level cache beside the weights, a multiple of the kernels' blocks of 8.
constexpr int64_t kPanelRows = 64;

struct alignas(64) CacheLine {
  float values[16];
};

// Zeroed floats that begin on a cache line.
class AlignedFloats {
 public:
  explicit AlignedFloats(int64_t count) : lines_((count + 15) / 16, CacheLine{}) {}
  float* data() { return reinterpret_cast<float*>(lines_.data()); }

 private:
  std::vector<CacheLine> lines_;
};

int64_t Padded(int64_t out) { return (out + 7) / 8 * 8; }

AlignedFloats PackWeights(const DenseLayer& layer) {
  const int64_t in = layer.in;
  const int64_t padded = Padded(layer.out);
  AlignedFloats packed(in * padded);
  for (int64_t begin = 0; begin < padded;) {
    const int64_t width = PanelWidth(padded, begin);
    float* panel = packed.data() + begin * in;
    for (int64_t c = 0; c < width && begin + c < layer.out; ++c) {
      const float* row = layer.weight.data() + (begin + c) * in;
      for (int64_t k = 0; k < in; ++k) panel[k * width + c] = row[k];
    }
    begin += width;
  }
  return packed;
}

// One network, packed, with room for the hidden values of a panel of rows.
class Network {
 public:
  Network(const std::vector<DenseLayer>& layers, Activation activation, LayerFunction forward)
      : forward_(forward), obs_dim_(layers.front().in), out_(layers.back().out) {
    int64_t widest = 0;
    for (const DenseLayer& layer : layers) {
      const int64_t padded = Padded(layer.out);
      widest = std::max(widest, padded);
      AlignedFloats& weights = storage_.emplace_back(PackWeights(layer));
      AlignedFloats& bias = biases_.emplace_back(padded);
      std::copy(layer.bias.begin(), layer.bias.end(), bias.data());
      const bool last = &layer == &layers.back();
      layers_.push_back({layer.in, padded, weights.data(), bias.data(),
                         last                              ? LayerActivation::kNone
                         : activation == Activation::kTanh ? LayerActivation::kTanh
                                                           : LayerActivation::kRelu});
    }
    for (AlignedFloats& buffer : buffers_) buffer = AlignedFloats(kPanelRows * widest);
  }

  // out: [rows, outputs of the last layer].
  void Run(const float* observations, int64_t rows, float* out) {
    for (int64_t begin = 0; begin < rows; begin += kPanelRows) {
      RunPanel(observations + begin * obs_dim_, std::min(kPanelRows, rows - begin),
               out + begin * out_);
    }
  }

 private:
  void RunPanel(const float* x, int64_t rows, float* out) {
    int64_t stride = obs_dim_;
    for (size_t i = 0; i < layers_.size(); ++i) {
      float* y = buffers_[i % 2].data();
      forward_(layers_[i], x, stride, rows, y);
      x = y;
      stride = layers_[i].padded_out;
    }
    for (int64_t r = 0; r < rows; ++r) std::copy_n(x + r * stride, out_, out + r * out_);
  }

  LayerFunction forward_;
  int64_t obs_dim_;
  int64_t out_;
  // The layers point into these; moving a vector leaves its elements where they are.
  std::vector<AlignedFloats> storage_;
  std::vector<AlignedFloats> biases_;
  std::vector<PackedLayer> layers_;
  AlignedFloats buffers_[2] = {AlignedFloats(0), AlignedFloats(0)};
};

class FusedBackend : public PolicyBackend {
 public:
  FusedBackend(const PolicyWeights& weights, LayerFunction forward)
      : policy_(weights.policy, weights.activation, forward),
        value_(weights.value, weights.activation, forward) {}

  void Logits(const float* observations, int64_t rows, float* logits) override {
    policy_.Run(observations, rows, logits);
  }
  void Values(const float* observations, int64_t rows, float* values) override {
    value_.Run(observations, rows, values);
  }
  std::string kernel_id() const override { return kKernelId; }

 private:
  Network policy_;
  Network value_;
};

// Null where the processor lacks the instructions.
LayerFunction FunctionOf(KernelPath path) {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (path == KernelPath::kAvx2) return avx2 ? ForwardAvx2 : nullptr;
  if (path == KernelPath::kAvx512) {
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
    return avx2 && avx512 ? ForwardAvx512 : nullptr;
  }
#endif
  return path == KernelPath::kPortable ? ForwardPortable : nullptr;
}

constexpr KernelPath kPaths[] = {KernelPath::kPortable, KernelPath::kAvx2, KernelPath::kAvx512};

absl::StatusOr<KernelPath> ChoosePath() {
  const char* name = std::getenv(kPathVariable);
  if (name == nullptr || *name == '\0') return AvailableKernelPaths().back();
  for (KernelPath path : kPaths) {
    if (KernelPathName(path) == name) return path;
  }
  return absl::InvalidArgumentError(absl::StrCat("environment variable ", kPathVariable, " is \"",
                                                 name, "\"; portable, avx2 and avx512 are known"));
}

}  // namespace

std::vector<KernelPath> AvailableKernelPaths() {
  std::vector<KernelPath> available;
  for (KernelPath path : kPaths) {
    if (FunctionOf(path) != nullptr) available.push_back(path);
  }
  return available;
}

std::string_view KernelPathName(KernelPath path) {
  switch (path) {
    case KernelPath::kAvx2:
      return "avx2";
    case KernelPath::kAvx512:
      return "avx512";
    case KernelPath::kPortable:
      break;
  }
  return "portable";
}

absl::StatusOr<std::unique_ptr<PolicyBackend>> CreateFusedBackend(const PolicyWeights& weights,
                                                                  KernelPath path) {
  if (absl::Status status = ValidatePolicy(weights); !status.ok()) return status;
  const LayerFunction forward = FunctionOf(path);
  if (forward == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        "this processor cannot run the kernel ", std::string(KernelPathName(path)), "; it can run ",
        absl::StrJoin(AvailableKernelPaths(), ", ", [](std::string* out, KernelPath available) {
          out->append(KernelPathName(available));
        })));
  }
  return std::make_unique<FusedBackend>(weights, forward);
}

absl::StatusOr<std::unique_ptr<PolicyBackend>> CreateFusedBackend(const PolicyWeights& weights) {
  absl::StatusOr<KernelPath> path = ChoosePath();
  if (!path.ok()) return path.status();
  return CreateFusedBackend(weights, *path);
}

}  // namespace shoal
