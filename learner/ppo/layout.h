// Where the weights of both networks lie in the learner's one flat parameter vector.
//
// The policy network comes first, then the value network; of each its layers from the observation
// on; of a layer the weight [out, in], row-major, then the bias [out]. Nothing lies between them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace shoal {

struct LayerLayout {
  int64_t in;
  int64_t out;
  int64_t weight;  // Offset of its first element.
  int64_t bias;
};

enum NetworkIndex { kPolicyNetwork = 0, kValueNetwork = 1, kNetworks = 2 };

struct ParameterLayout {
  std::array<std::vector<LayerLayout>, kNetworks> networks;
  int64_t size = 0;

  // A network's part of the vector: begin to end.
  int64_t begin(int network) const { return networks[network].front().weight; }
  int64_t end(int network) const { return network + 1 < kNetworks ? begin(network + 1) : size; }
};

// Hidden layers of the widths `hidden_sizes` in both networks; heads of kPolicyActions and of 1.
ParameterLayout MakeParameterLayout(int obs_dim, const std::vector<int>& hidden_sizes);

}  // namespace shoal
