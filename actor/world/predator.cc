#include "actor/world/predator.h"

#include <cmath>

#include "actor/world/constants.h"

namespace shoal {

void StepPredator(Predator* p) {
  p->vy += kPredatorGravity * kTimeStep;
  p->x += p->vx * kTimeStep;
  p->y += p->vy * kTimeStep;
  const float distance = std::sqrt(p->x * p->x + p->y * p->y);
  if (distance <= kStageRadius) return;
  const float nx = p->x / distance;
  const float ny = p->y / distance;
  const float outward = p->vx * nx + p->vy * ny;
  const float cx = outward * nx;
  const float cy = outward * ny;
  p->vx = -kPredatorBounce * cx + (p->vx - cx);
  p->vy = -kPredatorBounce * cy + (p->vy - cy);
  p->x = nx * kStageRadius;
  p->y = ny * kStageRadius;
}

}  // namespace shoal
