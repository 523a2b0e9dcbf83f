// The predator: it falls, it bounces, it never looks at a fish.
#pragma once

namespace shoal {

struct Predator {
  float x = 0.0f;
  float y = 0.0f;
  float vx = 0.0f;
  float vy = 0.0f;
};

// One time step, in float32 in the order WORLD.md writes it ("One step", 2).
void StepPredator(Predator* predator);

}  // namespace shoal
