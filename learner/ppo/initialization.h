// The policy of version 0: orthogonal weights (Saxe, McClelland, Ganguli: "Exact solutions to the
// nonlinear dynamics of learning in deep linear neural networks", 2014), zero biases.
#pragma once

#include <cstdint>
#include <vector>

#include "learner/ppo/layout.h"

namespace shoal {

// Gains: sqrt(2) for hidden layers, 0.01 for the policy's head, 1 for the value's.
// A weight [out, in] times its transpose (or the other way round, whichever is smaller) is gain^2
// times the identity. Uniform over such matrices, as a Gaussian matrix is orthogonalised.
// A pure function of layout and seed: draws have purpose kInitialWeights and are named (network,
// layer, row, block of two columns), rows and columns being those of the matrix with out <= in.
// Returns [layout.size].
std::vector<double> InitialParameters(const ParameterLayout& layout, uint64_t seed);

}  // namespace shoal
