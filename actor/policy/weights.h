// The weights of a policy and of its value function, and the file that carries them.
//
// Two separate networks of dense layers read the same observation: `policy` gives 5 logits, `value`
// one number. Every layer but the last of a network is followed by the activation.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace shoal {

inline constexpr int kPolicyActions = 5;
// Length of an observation without and with neighbour features.
inline constexpr int kPolicyObservation = 11;
inline constexpr int kPolicyObservationWithNeighbors = 18;
// Widest layer and most layers of one network that are accepted.
inline constexpr int kMaxPolicyWidth = 16384;
inline constexpr int kMaxPolicyLayers = 64;

// Limits of the options of the same names: the stage has a diameter of 20, a scene at most 4096 fish.
inline constexpr double kMinNeighborRadius = 1e-6;
inline constexpr double kMaxNeighborRadius = 20;
inline constexpr int64_t kMaxNeighborAverageCount = 4096;

enum class Activation { kTanh, kRelu };

// y = weight x + bias.
struct DenseLayer {
  int in = 0;
  int out = 0;
  std::vector<float> weight;  // [out, in] row-major.
  std::vector<float> bias;    // [out].

  bool operator==(const DenseLayer&) const = default;
};

struct PolicyWeights {
  int obs_dim = kPolicyObservation;
  Activation activation = Activation::kTanh;
  // How the observations that these weights learned from were made (the run's options of the same
  // names); whoever acts with them must make observations alike.
  bool include_neighbor_features = false;
  double neighbor_radius = 3.0;
  int64_t neighbor_average_count = 6;
  std::vector<DenseLayer> policy;  // obs_dim -> ... -> 5.
  std::vector<DenseLayer> value;   // obs_dim -> ... -> 1.

  bool operator==(const PolicyWeights&) const = default;
};

// InvalidArgument, naming the layer, unless: obs_dim is 18 with and 11 without neighbour features,
// radius and count lie within the limits above, each network has layers whose sizes follow on
// from obs_dim to 5 or 1, weights and biases have their layer's sizes, and all are finite.
absl::Status ValidatePolicy(const PolicyWeights& weights);

// policy.safetensors: float32 tensors policy.0.weight, policy.0.bias, policy.1.weight, ...,
// value.0.weight, ... (numbers count dense layers) and the metadata format ("shoal.policy.v1"),
// activation ("tanh", "relu"), obs_dim, include_neighbor_features ("true", "false"),
// neighbor_radius (shortest decimal that reads back as the same double) and
// neighbor_average_count. Equal weights give equal bytes: nothing else is in it.
// InvalidArgument as from ValidatePolicy.
absl::StatusOr<std::string> SerializePolicy(const PolicyWeights& weights);

// The inverse. InvalidArgument: not a safetensors file, another format, a missing or extra tensor,
// metadata that are missing or malformed, or what ValidatePolicy refuses. Metadata under other
// names are ignored.
absl::StatusOr<PolicyWeights> ParsePolicy(std::string_view bytes);

// "tanh" or "relu", as in the metadata and the options.
std::string_view ActivationName(Activation activation);

}  // namespace shoal
