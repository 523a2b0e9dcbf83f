#include "actor/world/fates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_set>

namespace shoal {
namespace {

// The five children of a state are one vector of the world's kernel; lanes beyond them are no fish.
constexpr int kLanes = 8;
// Steps that a child is followed, holding its course, to tell how good it looks. A capture lies
// within this of its cause: the fish sees the predator for 3.3 lengths, which closes at up to 0.5 a
// step.
constexpr int kLookAhead = 15;
// States of the first search, before the beam: more than a saved fish needs and than almost all
// trees of doomed ones have.
constexpr int64_t kFirstStates = 4000;
constexpr size_t kBeam = 256;

struct FishState {
  float x, y, vx, vy;
};

// A state whose children wait to be tried, the best last.
struct Node {
  std::array<FishState, kNumActions> children;
  std::array<float, kNumActions> clearance;
  int waiting = 0;
};

// The predator after each step; path[t] is step t's.
std::vector<Predator> PredatorPath(const World& world, int env) {
  std::vector<Predator> path(kHorizon + 1, world.predator(env));
  for (int step = world.step(env) + 1; step <= kHorizon; ++step) {
    path[step] = path[step - 1];
    StepPredator(&path[step]);
  }
  return path;
}

// The square of the least distance to the predator if the fish, at `step`, goes straight on to the
// rim and stays there. Only orders the search, and so may be rough.
float Clearance(const FishState& fish, const std::vector<Predator>& path, int step) {
  float least = std::numeric_limits<float>::max();
  const int last = std::min(step + kLookAhead, kHorizon);
  for (int t = step; t <= last; ++t) {
    const float after = static_cast<float>(t - step) * kTimeStep;
    float x = fish.x + fish.vx * after;
    float y = fish.y + fish.vy * after;
    const float outside = std::sqrt(x * x + y * y) / kStageRadius;
    if (outside > 1.0f) {
      x /= outside;
      y /= outside;
    }
    const float dx = x - path[t].x;
    const float dy = y - path[t].y;
    least = std::min(least, dx * dx + dy * dy);
  }
  return least;
}

// The children of a fish that live after `step`, the one with the most clearance last.
Node Expand(const Kernels& kernels, const FishState& fish, const std::vector<Predator>& path,
            int step) {
  std::array<uint8_t, kLanes> actions;
  std::array<int32_t, kLanes> death_step;
  std::array<float, kLanePadding> x, y, vx, vy;
  x.fill(fish.x);
  y.fill(fish.y);
  vx.fill(fish.vx);
  vy.fill(fish.vy);
  for (int lane = 0; lane < kLanes; ++lane) {
    actions[lane] = static_cast<uint8_t>(lane < kNumActions ? lane : kHold);
    death_step[lane] = lane < kNumActions ? 0 : -1;
  }
  kernels.step(actions.data(), path[step], step,
               FishArrays{x.data(), y.data(), vx.data(), vy.data(), death_step.data(), kLanes});
  Node node;
  for (int action = 0; action < kNumActions; ++action) {
    if (death_step[action] != 0) continue;
    const FishState child = {x[action], y[action], vx[action], vy[action]};
    const float value = Clearance(child, path, step);
    int at = node.waiting++;
    for (; at > 0 && node.clearance[at - 1] >= value; --at) {
      node.clearance[at] = node.clearance[at - 1];
      node.children[at] = node.children[at - 1];
    }
    node.clearance[at] = value;
    node.children[at] = child;
  }
  return node;
}

// Depth first: a fish that cannot be saved is short of children soon, and its tree is tried to the
// end; almost all others are saved along the first path.
Fate SearchDepthFirst(const Kernels& kernels, const FishState& fish,
                      const std::vector<Predator>& path, int begin, int64_t max_states) {
  Fate fate;
  fate.last_step = begin;
  std::vector<Node> stack;
  stack.reserve(kHorizon - begin);
  FishState state = fish;
  while (true) {
    const int step = begin + static_cast<int>(stack.size()) + 1;
    if (step > kHorizon) {
      fate.kind = FateKind::kSaved;
      return fate;
    }
    if (fate.states == max_states) return fate;
    ++fate.states;
    // Whatever it does, a fish without living children dies in this step.
    fate.last_step = std::max(fate.last_step, step);
    stack.push_back(Expand(kernels, state, path, step));
    while (!stack.empty() && stack.back().waiting == 0) stack.pop_back();
    if (stack.empty()) {
      fate.kind = FateKind::kDoomed;
      return fate;
    }
    state = stack.back().children[--stack.back().waiting];
  }
}

struct Candidate {
  float clearance;
  FishState fish;
};

// Where a fish is and where it goes, roughly.
uint64_t Cell(const FishState& fish) {
  const auto part = [](float value, float unit) {
    return static_cast<uint64_t>(static_cast<int64_t>(std::floor(value / unit)) + 512) & 1023;
  };
  return part(fish.x, 0.1f) | part(fish.y, 0.1f) << 10 | part(fish.vx, 0.25f) << 20 |
         part(fish.vy, 0.25f) << 30;
}

// Keeps the first of each cell, at most kBeam in all: without that the beam fills with lives that
// differ in nothing that matters, and they all end together.
void KeepDiverse(std::vector<Candidate>* candidates) {
  std::unordered_set<uint64_t> cells;
  size_t kept = 0;
  for (size_t i = 0; i < candidates->size() && kept < kBeam; ++i) {
    if (!cells.insert(Cell((*candidates)[i].fish)).second) continue;
    (*candidates)[kept++] = (*candidates)[i];
  }
  candidates->resize(kept);
}

// Many lives side by side, step by step, those with the most clearance going on: finds a way where
// depth first tries all that follows from one early mistake. Proves nothing when it fails.
bool SearchBeam(const Kernels& kernels, const FishState& fish, const std::vector<Predator>& path,
                int begin, Fate* fate) {
  std::vector<Candidate> living = {{0.0f, fish}};
  std::vector<Candidate> next;
  for (int step = begin + 1; step <= kHorizon; ++step) {
    next.clear();
    for (const Candidate& candidate : living) {
      ++fate->states;
      const Node node = Expand(kernels, candidate.fish, path, step);
      for (int i = 0; i < node.waiting; ++i) {
        next.push_back({node.clearance[i], node.children[i]});
      }
    }
    if (next.empty()) return false;
    // Stable, so that the answer is the same on every machine.
    std::stable_sort(next.begin(), next.end(), [](const Candidate& a, const Candidate& b) {
      return a.clearance > b.clearance;
    });
    KeepDiverse(&next);
    living.swap(next);
  }
  return true;
}

Fate Search(const Kernels& kernels, const FishState& fish, const std::vector<Predator>& path,
            int begin, int64_t max_states) {
  Fate fate =
      SearchDepthFirst(kernels, fish, path, begin, std::min(max_states, kFirstStates));
  if (fate.kind != FateKind::kOpen || fate.states == max_states) return fate;
  if (SearchBeam(kernels, fish, path, begin, &fate)) {
    fate.kind = FateKind::kSaved;
    return fate;
  }
  const int64_t states = fate.states;
  fate = SearchDepthFirst(kernels, fish, path, begin, max_states);
  fate.states += states;
  return fate;
}

}  // namespace

std::vector<Fate> FindFates(const World& world, int env, int64_t max_states) {
  const Kernels& kernels = BestKernels();
  const std::vector<Predator> path = PredatorPath(world, env);
  std::vector<Fate> fates(world.num_fish());
  for (int fish = 0; fish < world.num_fish(); ++fish) {
    if (!world.alive(env, fish)) {
      fates[fish] = Fate{FateKind::kDoomed, world.death_step(env, fish), 0};
      continue;
    }
    const auto [x, y] = world.fish_position(env, fish);
    const auto [vx, vy] = world.fish_velocity(env, fish);
    fates[fish] = Search(kernels, {x, y, vx, vy}, path, world.step(env), max_states);
  }
  return fates;
}

}  // namespace shoal
