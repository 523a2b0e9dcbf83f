#include "learner/ppo/layout.h"

#include "actor/policy/weights.h"

namespace shoal {

ParameterLayout MakeParameterLayout(int obs_dim, const std::vector<int>& hidden_sizes) {
  ParameterLayout layout;
  for (int network = 0; network < kNetworks; ++network) {
    std::vector<int> widths = hidden_sizes;
    widths.push_back(network == kPolicyNetwork ? kPolicyActions : 1);
    int64_t in = obs_dim;
    for (int64_t out : widths) {
      const int64_t weight = layout.size;
      layout.networks[network].push_back({in, out, weight, weight + out * in});
      layout.size += out * in + out;
      in = out;
    }
  }
  return layout;
}

}  // namespace shoal
